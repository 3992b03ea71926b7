"""Every request that the configuration makes of AWS is one that AWS takes, as far as its models and its documentation say."""

import copy
import json
import shutil
import tempfile
import unittest
from pathlib import Path

from aws_calls import CALLS, NOTHING, calls_of, models_refuse
from aws_documented import LIMITS, documents_refuse
from aws_models import refused, service
from configuration import ROOT, TERRAFORM, walk
from planned import plan, variables

ENVIRONMENTS = ("staging", "production")
# Whatever is made by input only, and the longest name there may be.
ALL = {
    "name": "quire-of-a-long-name-abc", "max_requests_per_client": 2000, "min_tasks": 2, "max_tasks": 4,
    "sql_cell_targets": [{"cidr": "10.50.0.0/16", "port": 5432}], "read_old_secret_key": True,
    "application_alarms": {"journal": {"description": "d", "namespace": "Quire", "metric": "journal_bytes", "threshold": 1, "missing": "breaching"}},
}


def resources(inputs, root=TERRAFORM):
    found, tags = plan(root, inputs)
    return [one for one in found if one.type.startswith("aws_") and one.kind == "resource"], tags


def refusals(found, tags):
    return [wrong for one in found for wrong in models_refuse(one) + documents_refuse(one, tags)]


def inputs_of_everything():
    """Production's inputs, with whatever is optional."""
    return {**variables(TERRAFORM / "production.tfvars"), **ALL}


def change(resource, way, value):
    """The resource with another value at the end of a way through its arguments; JSON and lists of blocks are gone through."""
    first, *rest = way.split(".")

    def into(inner, steps):
        if isinstance(inner, list):
            return [into(item, steps) for item in inner]
        step, *steps = steps
        if not steps:
            return {**inner, step: value}
        given = json.loads(inner[step]) if isinstance(inner[step], str) else inner[step]
        changed = into(given, steps)
        return {**inner, step: json.dumps(changed) if isinstance(inner[step], str) else changed}

    other = copy.copy(resource)
    other.values = into(resource.values, [first, *rest])
    return other


APOSTROPHE = "Quire's own database"
BAD_NAME = "quire--staging"
# (the type, the way to the argument, what a mistake would write, what the check names)
FAULTS = [
    # Limits of the models: patterns, lengths, enumerations, numbers, types, names of members.
    ("aws_iam_role", "name", "quire staging", "CreateRole.RoleName: 'quire staging' is not as"),
    ("aws_iam_role", "name", "q" * 65, "is above the most, 64"),
    ("aws_iam_role", "description", "„quoted“", "CreateRole.Description"),
    ("aws_cloudwatch_log_group", "name", "/quire staging", "logGroupName"),
    ("aws_cloudwatch_metric_alarm", "comparison_operator", "Above", "is none of"),
    ("aws_cloudwatch_metric_alarm", "alarm_description", "x" * 1025, "is above the most, 1024"),
    ("aws_cloudwatch_metric_alarm", "evaluation_periods", 0, "is below the least, 1"),
    ("aws_ecr_repository", "name", "Quire/server", "repositoryName"),
    ("aws_ecr_repository", "image_tag_mutability", "FIXED", "imageTagMutability"),
    ("aws_ecs_task_definition", "network_mode", "vpc", "networkMode"),
    ("aws_ecs_task_definition", "container_definitions.readOnlyRootFilesystem", True, "there is no readOnlyRootFilesystem"),
    ("aws_ecs_task_definition", "container_definitions.stopTimeout", "100", "is no integer"),
    ("aws_ecs_task_definition", "container_definitions.logConfiguration.logDriver", "cloudwatch", "logDriver"),
    ("aws_flow_log", "traffic_type", "REJECTED", "TrafficType"),
    ("aws_lb_target_group", "health_check.path", "", "HealthCheckPath"),
    ("aws_secretsmanager_secret", "description", "x" * 2049, "Description"),
    ("aws_ssm_parameter", "type", "Text", "Type"),
    ("aws_wafv2_web_acl", "name", "quire staging", "CreateWebACL.Name"),
    ("aws_vpc", "cidr", "10.0.0.0/16", "nobody says where cidr goes"),
    # Limits that are documented beside them.
    ("aws_security_group", "name", "sg-quire", "CreateSecurityGroup.GroupName"),
    ("aws_security_group", "description", APOSTROPHE, "CreateSecurityGroup.Description"),
    ("aws_vpc_security_group_ingress_rule", "description", APOSTROPHE, "AuthorizeSecurityGroupIngress.IpPermissions.IpRanges.Description"),
    ("aws_vpc_security_group_ingress_rule", "description", APOSTROPHE, "AuthorizeSecurityGroupIngress.IpPermissions.UserIdGroupPairs.Description"),
    ("aws_vpc_security_group_egress_rule", "description", APOSTROPHE, "AuthorizeSecurityGroupEgress.IpPermissions.IpRanges.Description"),
    ("aws_vpc_security_group_egress_rule", "description", APOSTROPHE, "AuthorizeSecurityGroupEgress.IpPermissions.UserIdGroupPairs.Description"),
    ("aws_lb", "name", "internal-quire", "CreateLoadBalancer.Name"),
    ("aws_lb_target_group", "name", "quire-", "CreateTargetGroup.Name"),
    ("aws_lb_listener", "ssl_policy", "ELBSecurityPolicy-2016-08", "CreateListener.SslPolicy"),
    ("aws_db_instance", "identifier", BAD_NAME, "CreateDBInstance.DBInstanceIdentifier"),
    ("aws_db_instance", "db_name", "quire-db", "CreateDBInstance.DBName"),
    ("aws_db_instance", "username", "quire_master_of_all", "CreateDBInstance.MasterUsername"),
    ("aws_db_instance", "engine_lifecycle_support", "none", "CreateDBInstance.EngineLifecycleSupport"),
    ("aws_db_instance", "backup_window", "3:00-4:00", "CreateDBInstance.PreferredBackupWindow"),
    ("aws_db_instance", "maintenance_window", "monday:04:00-monday:05:00", "CreateDBInstance.PreferredMaintenanceWindow"),
    ("aws_db_instance", "storage_type", "ssd", "CreateDBInstance.StorageType"),
    ("aws_db_instance", "enabled_cloudwatch_logs_exports", ["error"], "CreateDBInstance.EnableCloudwatchLogsExports"),
    ("aws_db_instance", "backup_retention_period", 36, "CreateDBInstance.BackupRetentionPeriod"),
    ("aws_db_instance", "monitoring_interval", 90, "CreateDBInstance.MonitoringInterval"),
    ("aws_db_instance", "final_snapshot_identifier", "quire--final", "DeleteDBInstance.FinalDBSnapshotIdentifier"),
    ("aws_db_parameter_group", "name_prefix", "quire--", "CreateDBParameterGroup.DBParameterGroupName"),
    ("aws_db_subnet_group", "name", "default", "CreateDBSubnetGroup.DBSubnetGroupName"),
    ("aws_db_event_subscription", "name", "q" * 255, "CreateEventSubscription.SubscriptionName"),
    ("aws_db_event_subscription", "source_type", "instance", "CreateEventSubscription.SourceType"),
    ("aws_db_event_subscription", "event_categories", ["storage"], "CreateEventSubscription.EventCategories"),
    ("aws_cloudwatch_log_group", "retention_in_days", 31, "PutRetentionPolicy.retentionInDays"),
    ("aws_secretsmanager_secret", "name", "quire/secret-server", "CreateSecret.Name"),
    ("aws_ssm_parameter", "name", "/aws/quire", "PutParameter.Name"),
    ("aws_ssm_parameter", "value", "x" * 4097, "PutParameter.Value"),
    ("aws_ecs_cluster", "name", "quire.staging", "CreateCluster.clusterName"),
    ("aws_ecs_service", "name", "quire/server", "CreateService.serviceName"),
    ("aws_ecs_task_definition", "family", "quire staging", "RegisterTaskDefinition.family"),
    ("aws_ecs_task_definition", "volume.name", "/tmp", "RegisterTaskDefinition.volumes.name"),
    ("aws_ecs_task_definition", "container_definitions.name", "the server", "containerDefinitions.name"),
    ("aws_ecs_task_definition", "container_definitions.environment.name", "QUIRE-PORT", "containerDefinitions.environment.name"),
    ("aws_ecs_task_definition", "container_definitions.secrets.name", "DATABASE URL", "containerDefinitions.secrets.name"),
    ("aws_ecs_task_definition", "container_definitions.secrets.valueFrom", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-abcdef:password", "containerDefinitions.secrets.valueFrom"),
    ("aws_ecs_task_definition", "container_definitions.image", "quire/server:latest", "containerDefinitions.image"),
    ("aws_ecs_task_definition", "container_definitions.user", "-1:0", "containerDefinitions.user"),
    ("aws_ecs_task_definition", "container_definitions.stopTimeout", 121, "containerDefinitions.stopTimeout"),
    ("aws_ecs_task_definition", "container_definitions.restartPolicy.restartAttemptPeriod", 30, "restartPolicy.restartAttemptPeriod"),
    ("aws_ecs_task_definition", "container_definitions.healthCheck.interval", 1, "healthCheck.interval"),
    ("aws_ecs_task_definition", "container_definitions.healthCheck.timeout", 1, "healthCheck.timeout"),
    ("aws_ecs_task_definition", "container_definitions.healthCheck.retries", 11, "healthCheck.retries"),
    ("aws_ecs_task_definition", "container_definitions.healthCheck.startPeriod", 301, "healthCheck.startPeriod"),
    ("aws_ecs_task_definition", "container_definitions.portMappings.containerPort", 70000, "portMappings.containerPort"),
    ("aws_ecs_task_definition", "container_definitions.mountPoints.sourceVolume", "data", "there is no volume data"),
    ("aws_ecs_task_definition", "container_definitions.environment.name", "QUIRE_PORT", "QUIRE_PORT is given twice"),
    ("aws_ecs_task_definition", "memory", 512, "Fargate has no task with 512 and 512"),
    ("aws_s3_bucket", "bucket", "Quire-log", "CreateBucket.Bucket"),
    ("aws_iam_role_policy", "policy", '{"Statement": []}' + " " * 10240, "PutRolePolicy.PolicyDocument"),
    ("aws_iam_role", "assume_role_policy", '{"Statement": []}' + " " * 2048, "CreateRole.AssumeRolePolicyDocument"),
    ("aws_cloudwatch_metric_alarm", "period", 90, "PutMetricAlarm.Period"),
    ("aws_cloudwatch_metric_alarm", "treat_missing_data", "bad", "PutMetricAlarm.TreatMissingData"),
    ("aws_wafv2_web_acl", "rule.statement.rate_based_statement.evaluation_window_sec", 100, "RateBasedStatement.EvaluationWindowSec"),
    ("aws_iam_role_policy", "policy.Statement.Action", "logs:WriteLog", "AWS knows no action logs:WriteLog"),
    ("aws_iam_role_policy", "policy.Statement.Sid", "Write-it", "more than letters and digits"),
    ("aws_iam_role_policy", "policy.Statement.Resource", "quire", "quire names no resource"),
    ("aws_iam_role", "assume_role_policy.Statement.Principal.Service", "ecs-tasks", "ecs-tasks is no service"),
    ("aws_subnet", "cidr_block", "10.40.0.1/20", "has host bits set"),
    ("aws_cloudwatch_dashboard", "dashboard_body.widgets.x", 20, "is not on the grid"),
    ("aws_vpc", "tags.Name", "Quire's", "has characters that not every service takes"),
]


class Requests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.everything, cls.tags = resources(inputs_of_everything())

    def test_aws_takes_each_environment(self):
        for name in ENVIRONMENTS:
            with self.subTest(name):
                found, tags = resources(variables(TERRAFORM / f"{name}.tfvars"))
                self.assertGreater(len(found), 80)
                self.assertEqual(tags["Environment"], f"quire-{name}")
                self.assertEqual(refusals(found, tags), [])

    def test_aws_takes_everything_that_inputs_can_add(self):
        self.assertEqual(refusals(self.everything, self.tags), [])
        self.assertEqual({one.type for one in self.everything}, set(CALLS) | NOTHING, "each type is looked at, and none is listed in vain")

    def test_the_cost_counts_the_alarms(self):
        alarms = [one for one in resources(variables(TERRAFORM / "staging.tfvars"))[0] if one.type == "aws_cloudwatch_metric_alarm"]
        self.assertIn(f"\n| alarms | {len(alarms)} | ", (ROOT / "docs/cost.md").read_text())

    def test_each_fault_is_noticed(self):
        for type_, way, value, words in FAULTS:
            with self.subTest(type_, way=way, value=str(value)[:40]):
                found = []
                for one in (one for one in self.everything if one.type == type_):
                    try:
                        other = change(one, way, value)
                    except (KeyError, IndexError):
                        # Not every task has each part.
                        continue
                    found += models_refuse(other) + documents_refuse(other, self.tags)
                self.assertIn(words, "\n".join(found))

    def test_no_limit_is_without_a_fault_and_without_use(self):
        """A way that leads nowhere would check nothing."""
        used = {".".join((operation, *map(str, path))) for one in self.everything for _, operation, parameters in calls_of(one)[0] for path, _ in walk(parameters)}
        self.assertEqual(set(LIMITS) - used, set())
        self.assertEqual([way for way in LIMITS if not any(way.endswith(words) for *_, words in FAULTS)], [])

    def test_the_fault_in_the_files_is_noticed(self):
        """The apostrophe for which EC2 refused the tasks' only way to the database."""
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "terraform"
            shutil.copytree(TERRAFORM, root, ignore=shutil.ignore_patterns(".terraform*"))
            file = root / "modules/security/groups.tf"
            text = file.read_text()
            self.assertIn('"The database of Quire"', text)
            file.write_text(text.replace('"The database of Quire"', f'"{APOSTROPHE}"'))
            found = refusals(*resources(inputs_of_everything(), root))
        self.assertEqual(len(found), 1, found)
        self.assertIn("aws_vpc_security_group_egress_rule.to_database", found[0])

    def test_every_kind_of_limit_of_the_models_is_looked_at(self):
        role = service("iam").operation_model("CreateRole").input_shape
        good = {"RoleName": "quire", "AssumeRolePolicyDocument": "{}"}
        self.assertEqual(refused(role, good, "r"), [])
        for bad, words in (({"RoleName": "quire"}, "AssumeRolePolicyDocument is missing"), ({**good, "MaxSessionDuration": 60}, "below the least"), ({**good, "RoleName": 5}, "is no string"),
                           ({**good, "RoleName": "q" * 65}, "above the most"), ({**good, "Name": "q"}, "there is no Name"), ({**good, "Tags": [{"Key": "a"}]}, "Value is missing")):
            self.assertIn(words, str(refused(role, bad, "r")))


if __name__ == "__main__":
    unittest.main()
