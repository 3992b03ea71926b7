"""The rules hold, and each of them notices the fault that it is there for."""

import shutil
import tempfile
import unittest
from pathlib import Path

from configuration import TERRAFORM, Configuration
from rules import RULES

# (the rule, the file, what is there, what a mistake would make of it)
FAULTS = [
    ("database_is_private", "modules/database/main.tf", "publicly_accessible    = false", "publicly_accessible    = true"),
    ("database_is_private", "modules/security/groups.tf", """  security_group_id            = aws_security_group.database.id
  description                  = "Tasks only"
  referenced_security_group_id = aws_security_group.tasks.id""", """  security_group_id            = aws_security_group.database.id
  description                  = "Tasks only"
  cidr_ipv4                    = "10.0.0.0/8\""""),
    ("database_is_private", "modules/security/groups.tf", """  security_group_id = aws_security_group.tasks.id
  description       = "Registry""", """  security_group_id = aws_security_group.database.id
  description       = "Registry"""),
    ("database_is_private", "modules/network/main.tf", "route_table_id         = aws_route_table.public.id", "route_table_id         = aws_route_table.database.id"),
    ("database_is_private", "main.tf", "module.network.database_subnet_ids", "module.network.public_subnet_ids"),
    ("database_is_kept", "modules/database/main.tf", 'engine_version = "16"', 'engine_version = "16.1"'),
    ("database_is_kept", "modules/database/main.tf", "apply_immediately = false", "apply_immediately = true"),
    ("database_is_kept", "modules/database/main.tf", '"open-source-rds-extended-support-disabled"', '"open-source-rds-extended-support"'),
    ("database_is_kept", "modules/database/main.tf", "storage_encrypted     = true", "storage_encrypted     = false"),
    ("database_is_kept", "modules/database/main.tf", "delete_automated_backups = false", ""),
    ("database_is_kept", "modules/database/main.tf", "skip_final_snapshot       = false", "skip_final_snapshot       = true"),
    ("database_is_kept", "production.tfvars", "multi_az                 = true", "multi_az                 = false"),
    ("master_user_is_allowed", "modules/database/main.tf", '"quire_master"', '"admin"'),
    ("no_secret_is_in_state", "modules/database/main.tf", "manage_master_user_password = true", 'password = "hunter2"'),
    ("no_secret_is_in_state", "modules/security/secrets.tf", 'ephemeral "random_password" "role"', 'resource "random_password" "role"'),
    ("no_secret_is_in_state", "modules/security/secrets.tf", "secret_string_wo = jsonencode", "secret_string = jsonencode"),
    ("no_secret_is_in_state", "modules/security/secrets.tf", "special  = false", "special  = true"),
    ("parameters_apply", "modules/database/main.tf", "/32768}", "/4096}"),
    ("parameters_apply", "modules/database/main.tf", "      apply_method = parameter.value.apply_method\n", ""),
    ("parameters_apply", "modules/database/main.tf", 'tostring(var.max_connections), apply_method = "pending-reboot"', 'tostring(var.max_connections), apply_method = "immediate"'),
    ("parameters_apply", "modules/database/main.tf", '{ value = "{DBInstanceClassMemory/32768}", apply_method = "pending-reboot" }', '{ value = "{DBInstanceClassMemory/32768}" }'),
    ("parameters_apply", "modules/database/main.tf", '"log_parameter_max_length"          = { value = "0"', '"log_parameter_max_length"          = { value = "-1"'),
    ("parameters_apply", "modules/database/main.tf", '"log_lock_waits"  ', '"log_statement"   '),
    ("names_are_stable", "modules/database/main.tf", "${random_id.final_snapshot.hex}", "${formatdate(\"YYYYMMDD\", timestamp())}"),
    ("names_are_stable", "modules/database/main.tf", "-final-${random_id.final_snapshot.hex}", "-final"),
    ("policies_are_narrow", "modules/compute/roles.tf", '["secretsmanager:GetSecretValue"]', '["secretsmanager:*"]'),
    ("policies_are_narrow", "modules/compute/roles.tf", "resources = each.value.secrets", 'resources = ["*"]'),
    ("policies_are_narrow", "modules/compute/roles.tf", "role     = aws_iam_role.execution[each.key].id", "role     = aws_iam_role.task.id"),
    ("policies_are_narrow", "modules/compute/tasks.tf", 'execution_role_arn       = aws_iam_role.execution["server"].arn', "execution_role_arn       = aws_iam_role.task.arn"),
    ("policies_are_narrow", "modules/compute/roles.tf", '"s3:PutObject"]', '"s3:PutObject", "s3:DeleteObject"]'),
    ("policies_are_narrow", "modules/compute/roles.tf", '["arn:${data.aws_partition.current.partition}:s3:::${coalesce(var.data_bucket, "none")}/*"]', '["arn:${data.aws_partition.current.partition}:s3:::*/*"]'),
    ("policies_are_narrow", "modules/compute/roles.tf", "policy = data.aws_iam_policy_document.data.json", 'policy = data.aws_iam_policy_document.execution["tools"].json'),
    ("policies_are_narrow", "modules/compute/roles.tf", 'data     = { image = "tools", secrets = [', 'data     = { image = "tools", secrets = [var.master_secret_arn, '),
    ("policies_are_narrow", "modules/compute/tasks.tf", "task_role_arn            = aws_iam_role.task.arn", "task_role_arn            = aws_iam_role.data.arn"),
    ("doors_are_few", "modules/security/groups.tf", '  cidr_ipv4         = "0.0.0.0/0"\n  ip_protocol       = "tcp"\n  from_port         = 443', '  cidr_ipv4         = "0.0.0.0/0"\n  ip_protocol       = "tcp"\n  from_port         = 0'),
    ("doors_are_few", "modules/compute/service.tf", "assign_public_ip = false", "assign_public_ip = true"),
    ("alarms_tell_somebody", "modules/monitoring/database.tf", "  alarm_actions       = [var.alarm_topic_arn]\n", ""),
    ("alarms_tell_somebody", "modules/monitoring/service.tf", "alarm_actions       = [var.alarm_topic_arn]", "alarm_actions       = []"),
    ("alarms_tell_somebody", "modules/monitoring/database.tf", "  treat_missing_data  = each.value.missing\n", ""),
    ("alarms_tell_somebody", "modules/monitoring/database.tf", "threshold = 80", "threshold = 95"),
    ("alarms_tell_somebody", "modules/monitoring/database.tf", '"failover", ', ""),
    ("alarms_tell_somebody", "modules/monitoring/database.tf", '"database-wraparound" = {', '"database-oldest-transaction" = {'),
    ("alarms_tell_somebody", "modules/monitoring/service.tf", '"service-p95" = {', '"service-p50" = {'),
    ("alarms_tell_somebody", "modules/monitoring/service.tf", "threshold = 85", "threshold = 99"),
    ("images_are_digests", "modules/compute/repositories.tf", '"IMMUTABLE"', '"MUTABLE"'),
    ("images_are_digests", "modules/compute/variables.tf", "@sha256:[0-9a-f]{64}$", ":.+$"),
    ("images_are_digests", "modules/compute/tasks.tf", "= var.images.server", '= "quire/server:latest"'),
    ("connections_suffice", "modules/compute/variables.tf", "    condition     = var.max_tasks * (var.pool_size + 1) * 2 +", "    condition     = var.max_tasks * (var.pool_size + 1) +"),
    ("connections_suffice", "modules/compute/variables.tf", "    condition     = var.max_tasks * (var.pool_size + 1) * 2 +", "    condition     = var.max_tasks * var.pool_size * 2 +"),
    ("connections_suffice", "modules/compute/variables.tf", "+ var.reserved_connections <= var.database_max_connections", "<= var.database_max_connections"),
    ("connections_suffice", "modules/compute/outputs.tf", "var.max_tasks * (var.pool_size + 1) * 2", "var.max_tasks * var.pool_size"),
    ("connections_suffice", "main.tf", "= module.database.max_connections", "= 1000"),
    ("deployments_are_safe", "modules/compute/service.tf", "rollback = true", "rollback = false"),
    ("deployments_are_safe", "modules/compute/service.tf", "[task_definition, desired_count]", "[desired_count]"),
    ("deployments_are_safe", "modules/compute/load_balancer.tf", '"/readyz"', '"/health"'),
    ("deployments_are_safe", "modules/compute/tasks.tf", '"/livez"', '"/health"'),
    ("deployments_are_safe", "modules/compute/tasks.tf", "restartPolicy          = { enabled = true", "restartPolicy          = { enabled = false"),
    ("deployments_are_safe", "modules/compute/service.tf", "enable_ecs_managed_tags = true", "enable_ecs_managed_tags = false"),
    ("timeouts_are_in_order", "modules/compute/variables.tf", "default     = 75", "default     = 55"),
    ("timeouts_are_in_order", "modules/compute/variables.tf", "var.keep_alive_seconds > var.idle_timeout_seconds && var", "var"),
    ("timeouts_are_in_order", "modules/compute/variables.tf", 'its being killed; Fargate allows 120 s."\n  type        = number\n  default     = 100', 'its being killed; Fargate allows 120 s."\n  type        = number\n  default     = 30'),
    ("timeouts_are_in_order", "modules/compute/variables.tf", ">= var.body_timeout_seconds + var.request", ">= var.request + var.request"),
    ("timeouts_are_in_order", "modules/compute/variables.tf", "default     = 90", "default     = 30"),
    ("timeouts_are_in_order", "modules/compute/tasks.tf", "var.body_timeout_seconds * 1000", "120000"),
    ("timeouts_are_in_order", "modules/compute/load_balancer.tf", "= var.deregistration_delay_seconds", "= 300"),
    ("urls_hold_no_password", "modules/database/main.tf", "postgres://${each.value}@", "postgres://${each.value}:${var.password}@"),
    ("urls_hold_no_password", "modules/database/main.tf", "sslmode=verify-full", "sslmode=require"),
    ("containers_are_closed", "modules/compute/tasks.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false"),
    ("containers_are_closed", "modules/compute/tasks.tf", "initProcessEnabled = true", "initProcessEnabled = false"),
    ("containers_are_closed", "modules/compute/tasks.tf", 'role_secret_arns["server"]}:password::"', 'role_secret_arns["server"]}"'),
    ("containers_are_closed", "modules/compute/tasks.tf", 'QUIRE_LOG_FORMAT ', 'DATABASE_PASSWORD = "x"\n    QUIRE_LOG_FORMAT '),
    ("operators_reach_the_database", "modules/compute/tasks.tf", '      { name = "PGPASSWORD", valueFrom = "${var.role_secret_arns["owner"]}:password::" },\n', ""),
    ("operators_reach_the_database", "modules/compute/tasks.tf", "for volume, path in local.data_writable", "for volume, path in {}"),
    ("operators_reach_the_database", "modules/compute/outputs.tf", ", data = aws_ecs_task_definition.data.family", ""),
    ("nothing_is_kept_on_a_task", "modules/compute/tasks.tf", '= "refuse"', '= "journal"'),
    ("logs_end", "modules/compute/tasks.tf", "  retention_in_days = var.log_retention_days\n", ""),
    ("clients_are_on_record", "modules/compute/load_balancer.tf", "    enabled = true\n", "    enabled = false\n"),
    ("clients_are_on_record", "modules/compute/access_log.tf", "restrict_public_buckets = true", "restrict_public_buckets = false"),
    ("clients_are_on_record", "modules/compute/access_log.tf", "days = var.access_log_retention_days", "days = 3650"),
    ("clients_are_on_record", "modules/compute/tasks.tf", 'QUIRE_TRUSTED_PROXIES ', 'QUIRE_TRUSTED '),
    ("clients_are_on_record", "modules/compute/firewall.tf", "resource_arn = aws_lb.this.arn", "resource_arn = var.web_acl_arn"),
    ("roles_are_for_this_account", "modules/network/flow_logs.tf", '"aws:SourceAccount"', '"aws:SourceArn"'),
    ("roles_are_for_this_account", "modules/database/main.tf", "[data.aws_caller_identity.current.account_id]", '["*"]'),
    ("roles_are_for_this_account", "modules/compute/access_log.tf", "/AWSLogs/${data.aws_caller_identity.current.account_id}/*", "/*"),
    ("roles_are_for_this_account", "modules/compute/roles.tf", 'test     = "StringEquals"', 'test     = "StringLike"'),
    ("partitions_are_asked_for", "modules/database/main.tf", "arn:${data.aws_partition.current.partition}:iam", "arn:aws:iam"),
    ("partitions_are_asked_for", "modules/network/main.tf", "data.aws_vpc_endpoint_service.s3.service_name", '"com.amazonaws.${var.region}.s3"'),
    ("clients_are_encrypted", "modules/compute/load_balancer.tf", "TLS13-1-2-Res-PQ-2025-09", "TLS13-1-2-2021-06"),
    ("clients_are_encrypted", "modules/compute/load_balancer.tf", 'type = "redirect"', 'type = "forward"'),
    ("versions_and_state", "versions.tf", "encrypt      = true", "encrypt      = false"),
    ("versions_and_state", "versions.tf", "use_lockfile = true", ""),
    ("versions_and_state", "staging.tfbackend", "quire/staging.tfstate", "quire/production.tfstate"),
    ("versions_and_state", ".gitignore", "*.tfplan\n", "*.tfplan\n*.tfvars\n"),
    ("versions_and_state", "modules/compute/versions.tf", '"~> 6.25"', '">= 5"'),
    ("inputs_and_outputs_are_described", "outputs.tf", 'output "service_url"', 'output "url"'),
    ("references_lead_somewhere", "main.tf", "module.security.secret_key_arn", "module.security.key_arn"),
    ("references_lead_somewhere", "main.tf", "  certificate_arn                 = var.certificate_arn\n", ""),
    ("references_lead_somewhere", "modules/compute/service.tf", "aws_lb_target_group.this.arn", "aws_lb_target_group.that.arn"),
]


class Rules(unittest.TestCase):
    def test_all_rules_hold(self):
        config = Configuration()
        for name, rule in RULES.items():
            with self.subTest(name):
                self.assertEqual(rule(config), [])

    def test_each_fault_is_noticed_by_its_rule(self):
        for number, (rule, file, good, bad) in enumerate(FAULTS):
            with self.subTest(rule, number=number, bad=bad), tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "terraform"
                shutil.copytree(TERRAFORM, root, ignore=shutil.ignore_patterns(".terraform*"))
                text = (root / file).read_text()
                self.assertIn(good, text, "the fault cannot be made")
                (root / file).write_text(text.replace(good, bad, 1))
                self.assertNotEqual(RULES[rule](Configuration(root)), [], "the fault was not noticed")

    def test_no_rule_is_without_a_fault(self):
        self.assertEqual(set(RULES), {rule for rule, *_ in FAULTS})


if __name__ == "__main__":
    unittest.main()
