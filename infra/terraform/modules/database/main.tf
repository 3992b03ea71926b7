# PostgreSQL on RDS: private, encrypted, backed up, and never deleted by accident.

locals {
  # Parameters that the server reads at its start only are static for RDS: applied at once, they fail the apply.
  # "pending-reboot" is right for every parameter, "immediate" for dynamic ones alone.
  parameters = {
    "max_connections" = { value = tostring(var.max_connections), apply_method = "pending-reboot" }
    "rds.force_ssl"   = { value = "1", apply_method = "pending-reboot" }
    # The unit is a page of 8 kB, the memory is in bytes: a quarter of it is memory / (8192 × 4).
    "shared_buffers"           = { value = "{DBInstanceClassMemory/32768}", apply_method = "pending-reboot" }
    "shared_preload_libraries" = { value = "pg_stat_statements", apply_method = "pending-reboot" }
    # In milliseconds. Statements are logged with placeholders; what is bound to them is a user's, and stays out.
    "log_min_duration_statement"        = { value = "1000", apply_method = "immediate" }
    "log_parameter_max_length"          = { value = "0", apply_method = "immediate" }
    "log_parameter_max_length_on_error" = { value = "0", apply_method = "immediate" }
    "log_lock_waits"                    = { value = "1", apply_method = "immediate" }
    # A session that is idle in a transaction holds back vacuum of every table. The server's own limit is a minute.
    "idle_in_transaction_session_timeout" = { value = "300000", apply_method = "immediate" }
  }
}

resource "aws_db_subnet_group" "this" {
  name       = var.name
  subnet_ids = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  # A prefix, since a new family needs a new group beside the old one, which is in use until then.
  name_prefix = "${var.name}-16-"
  family      = "postgres16"
  description = "Quire"

  dynamic "parameter" {
    for_each = local.parameters
    content {
      name         = parameter.key
      value        = parameter.value.value
      apply_method = parameter.value.apply_method
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

# Drawn once, with the instance, and kept in the state: the same in every plan, and another one for the next instance of
# this name, so that its last snapshot does not collide with this one's.
resource "random_id" "final_snapshot" {
  byte_length = 4
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV2_AWS_69: rds.force_ssl is set in a parameter group whose parameters the check does not expand
  # checkov:skip=CKV_AWS_161: roles sign in with passwords from Secrets Manager; the server knows no IAM tokens
  # checkov:skip=CKV_AWS_354: Performance Insights is encrypted with the account's own key, like the data
  identifier = var.name
  db_name    = var.database_name
  # Minor versions are RDS's: naming one here would fight its upgrades.
  engine         = "postgres"
  engine_version = "16"
  # No extended support, which is charged for by the hour: RDS upgrades what is still 16 when its standard support has ended.
  engine_lifecycle_support    = "open-source-rds-extended-support-disabled"
  auto_minor_version_upgrade  = true
  allow_major_version_upgrade = false
  instance_class              = var.instance_class
  multi_az                    = var.multi_az

  # Storage grows by itself, up to the ceiling. Its encryption cannot be added later.
  storage_type          = "gp3"
  allocated_storage     = var.allocated_storage_gb
  max_allocated_storage = var.max_allocated_storage_gb
  storage_encrypted     = true

  # RDS draws the password, keeps it in Secrets Manager and changes it; no person ever sees it. Only the task that makes
  # the two roles uses it. `admin` is a reserved word here.
  username                    = "quire_master"
  manage_master_user_password = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [var.security_group_id]
  publicly_accessible    = false
  port                   = 5432
  ca_cert_identifier     = "rds-ca-rsa2048-g1"

  parameter_group_name = aws_db_parameter_group.this.name
  # Changes that need a restart wait for the maintenance window, or for an operator who restarts the instance.
  apply_immediately = false

  backup_retention_period  = 7
  backup_window            = "03:00-04:00"
  maintenance_window       = "mon:04:00-mon:05:00"
  delete_automated_backups = false
  copy_tags_to_snapshot    = true

  deletion_protection       = var.deletion_protection
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final-${random_id.final_snapshot.hex}"

  performance_insights_enabled          = true
  performance_insights_retention_period = 7
  monitoring_interval                   = 60
  monitoring_role_arn                   = aws_iam_role.monitoring.arn
  enabled_cloudwatch_logs_exports       = ["postgresql", "upgrade"]

  # RDS would make these groups itself, and keep what is in them for ever.
  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: encrypted with the service's own key; bound values are kept out of this log
  # checkov:skip=CKV_AWS_338: slow statements of a year ago are of no use, and cost twelve times as much
  for_each          = toset(["postgresql", "upgrade"])
  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_iam_policy_document" "monitoring_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["monitoring.rds.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "monitoring" {
  name               = "${var.name}-database-monitoring"
  assume_role_policy = data.aws_iam_policy_document.monitoring_trust.json
}

resource "aws_iam_role_policy_attachment" "monitoring" {
  role       = aws_iam_role.monitoring.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
}

# URLs without passwords: those come from Secrets Manager beside them. The certificate is checked against the bundle in
# the image, so a proxy in between is noticed. No SecureString, since nothing in them is secret (docs/adr/0012-aws.md).
resource "aws_ssm_parameter" "url" {
  # checkov:skip=CKV2_AWS_34: holds no secret, which is why it is text
  for_each    = { owner = "quire_owner", server = "quire_server" }
  name        = "/${var.name}/database-url/${each.key}"
  description = "Database URL of ${each.value}; the password is in Secrets Manager"
  type        = "String"
  value       = "postgres://${each.value}@${aws_db_instance.this.address}:${aws_db_instance.this.port}/${var.database_name}?sslmode=verify-full&sslrootcert=/etc/ssl/certs/rds-bundle.pem"
}
