# As small as it gets: one NAT gateway, no standby, one task.
module "quire" {
  source = "../../modules/quire"
  name   = "quire-staging"

  nat_in_each_zone = false
  multi_az         = false
  instance_class   = "db.t4g.micro"

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
