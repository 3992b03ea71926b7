# The load balancer's access log: each request with the client's address, the time and the status.

locals {
  access_log_bucket = "${var.name}-access-log-${data.aws_caller_identity.current.account_id}"
}

resource "aws_s3_bucket" "access_log" {
  # checkov:skip=CKV_AWS_18: it is a log, and a log of who read it is the account's trail
  # checkov:skip=CKV_AWS_21: files are written once and expire; versions would outlive the days that clients' addresses are kept
  # checkov:skip=CKV_AWS_144: of use for some weeks, in the region that it is about
  # checkov:skip=CKV_AWS_145: load balancers write to buckets with S3's own keys only
  # checkov:skip=CKV2_AWS_62: no program waits for a file
  bucket        = local.access_log_bucket
  force_destroy = !var.deletion_protection
}

resource "aws_s3_bucket_public_access_block" "access_log" {
  bucket                  = aws_s3_bucket.access_log.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "access_log" {
  bucket = aws_s3_bucket.access_log.id
  rule {
    id     = "expire"
    status = "Enabled"
    filter {}
    expiration {
      days = var.access_log_retention_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

data "aws_iam_policy_document" "access_log" {
  statement {
    # The service writes to the folder of the account whose load balancer it is, so this one is for ours alone. No condition on
    # aws:SourceAccount: AWS does not say that the service sends it, and without it nothing would be written.
    sid       = "LoadBalancersOfThisAccountWrite"
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.access_log.arn}/AWSLogs/${data.aws_caller_identity.current.account_id}/*"]
    principals {
      type        = "Service"
      identifiers = ["logdelivery.elasticloadbalancing.amazonaws.com"]
    }
  }
}

resource "aws_s3_bucket_policy" "access_log" {
  bucket = aws_s3_bucket.access_log.id
  policy = data.aws_iam_policy_document.access_log.json
}
