# Nothing whose loss stops everything: a standby of the database, a NAT gateway in each zone, two tasks.
#
# Four tasks at most, for which 4 × (10 + 1) × 2 + 12 = 100 connections are needed during a deployment, which is what the database
# takes.
#
# Every value is an example: put your own in, and commit them. None is secret.

name                     = "quire-production"
nat_in_each_zone         = true
multi_az                 = true
max_allocated_storage_gb = 200
min_tasks                = 2
max_tasks                = 4

account_id         = "123456789012"
region             = "eu-central-1"
availability_zones = ["eu-central-1a", "eu-central-1b"]

domain_name     = "quire-production.example.com"
certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"
alarm_topic_arn = "arn:aws:sns:eu-central-1:123456789012:quire-alarms"

# Notebook files on their way in and out, and dumps: private, encrypted, emptied after thirty days. Or leave it out.
data_bucket = "example-quire-data"

allowed_origins = ["https://app.example.com"]
clerk = {
  issuer          = "https://clerk.example.com"
  jwks_url        = "https://clerk.example.com/.well-known/jwks.json"
  publishable_key = "pk_live_example"
}

# The digests that `docker push` printed; scripts/deploy rolls out later ones.
images = {
  server   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-production/server@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  migrator = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-production/migrator@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  tools    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-production/tools@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}
