# Nothing whose loss stops everything: a standby of the database, a NAT gateway in each zone.
#
# One task, until instances can share notebooks live; then min_tasks = 2 and max_tasks = 4, for which
# 4 × (10 + 1) × 2 + 12 = 100 connections are needed, which is what the database takes.
module "quire" {
  source = "../../modules/quire"
  name   = "quire-production"

  nat_in_each_zone         = true
  multi_az                 = true
  instance_class           = "db.t4g.micro"
  allocated_storage_gb     = 20
  max_allocated_storage_gb = 200
  min_tasks                = 1
  max_tasks                = 1

  region             = var.region
  availability_zones = var.availability_zones
  domain_name        = var.domain_name
  certificate_arn    = var.certificate_arn
  allowed_origins    = var.allowed_origins
  clerk = {
    issuer          = var.clerk_issuer
    jwks_url        = "${var.clerk_issuer}/.well-known/jwks.json"
    publishable_key = var.clerk_publishable_key
  }
  alarm_topic_arn = var.alarm_topic_arn
  data_bucket     = var.data_bucket
  images          = var.images
}
