# As small as it gets: one NAT gateway, no standby of the database, one task.
#
# Every value is an example: put your own in, and commit them. None is secret.

name             = "quire-staging"
nat_in_each_zone = false
multi_az         = false

account_id         = "123456789012"
region             = "eu-central-1"
availability_zones = ["eu-central-1a", "eu-central-1b"]

domain_name     = "quire-staging.example.com"
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
  server   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-staging/server@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  migrator = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-staging/migrator@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  tools    = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire-staging/tools@sha256:0000000000000000000000000000000000000000000000000000000000000000"
}
