# Two kinds of roles. ECS itself uses an execution role to fetch the image, read the secrets and write the log before
# anything of ours runs; each task has one of its own, so that the server's cannot read the owner's password. What our
# programs may do by themselves is the task role's: nothing, because they call nothing of AWS. Only the task that an operator
# runs beside the database has another one: it takes files from a bucket and puts files there, if there is one.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  description        = "Rights of Quire's programs on AWS: none"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role" "data" {
  name               = "${var.name}-data"
  description        = "Rights of an operator's command beside the database: files in one bucket"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "data" {
  statement {
    # Without the list, what is not there looks like what is forbidden.
    sid       = "SeeFiles"
    actions   = ["s3:ListBucket"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${coalesce(var.data_bucket, "none")}"]
  }
  statement {
    sid       = "TakeAndPutFiles"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["arn:${data.aws_partition.current.partition}:s3:::${coalesce(var.data_bucket, "none")}/*"]
  }
}

resource "aws_iam_role_policy" "data" {
  count  = var.data_bucket == null ? 0 : 1
  name   = "files"
  role   = aws_iam_role.data.id
  policy = data.aws_iam_policy_document.data.json
}

resource "aws_iam_role" "execution" {
  for_each           = local.reads
  name               = "${var.name}-${each.key}-execution"
  description        = "Starts the task ${each.key}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

locals {
  # The image, secrets and parameters that each task is started with.
  reads = {
    server   = { image = "server", secrets = [var.role_secret_arns["server"], var.secret_key_arn], parameters = [var.url_parameter_arns["server"]] }
    migrator = { image = "migrator", secrets = [var.role_secret_arns["owner"], var.secret_key_arn], parameters = [var.url_parameter_arns["owner"]] }
    tools    = { image = "tools", secrets = [var.role_secret_arns["owner"], var.role_secret_arns["server"], var.master_secret_arn], parameters = [var.url_parameter_arns["owner"]] }
    data     = { image = "tools", secrets = [var.role_secret_arns["owner"], var.secret_key_arn], parameters = [var.url_parameter_arns["owner"]] }
  }
}

data "aws_iam_policy_document" "execution" {
  for_each = local.reads

  statement {
    # AWS knows no resource for this action.
    sid       = "SignInToTheRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    sid       = "FetchItsImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.this[each.value.image].arn]
  }
  statement {
    sid       = "WriteItsLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }
  statement {
    sid       = "ReadItsSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = each.value.secrets
  }
  statement {
    sid       = "ReadItsUrl"
    actions   = ["ssm:GetParameters"]
    resources = each.value.parameters
  }
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.reads
  name     = "start"
  role     = aws_iam_role.execution[each.key].id
  policy   = data.aws_iam_policy_document.execution[each.key].json
}
