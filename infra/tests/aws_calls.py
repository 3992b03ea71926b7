"""Requests that the provider would send to AWS: for each type of resource the operation, and where each argument goes in it."""

import json

from aws_models import refused, request, service

# The provider's own, or booleans of a second operation.
OWN = dict.fromkeys(("recovery_window_in_days", "skip_destroy", "force_destroy", "force_delete", "skip_final_snapshot", "delete_automated_backups", "apply_immediately",
                     "allow_major_version_upgrade", "secret_string_wo_version", "tags", "final_snapshot_identifier", "map_public_ip_on_launch"))
RULE = {"ip_protocol": "IpProtocol", "from_port": "FromPort", "to_port": "ToPort"}
# type: (service, operation, arguments that are called otherwise there)
CALLS = {
    "aws_appautoscaling_policy": ("application-autoscaling", "PutScalingPolicy", {"name": "PolicyName"}),
    "aws_appautoscaling_target": ("application-autoscaling", "RegisterScalableTarget", {}),
    "aws_cloudwatch_dashboard": ("cloudwatch", "PutDashboard", {}),
    "aws_cloudwatch_log_group": ("logs", "CreateLogGroup", {"name": "logGroupName", "retention_in_days": None}),
    "aws_cloudwatch_metric_alarm": ("cloudwatch", "PutMetricAlarm", {"ok_actions": "OKActions"}),
    "aws_db_event_subscription": ("rds", "CreateEventSubscription", {"name": "SubscriptionName", "sns_topic": "SnsTopicArn"}),
    "aws_db_instance": ("rds", "CreateDBInstance", {
        "identifier": "DBInstanceIdentifier", "instance_class": "DBInstanceClass", "username": "MasterUsername", "parameter_group_name": "DBParameterGroupName",
        "backup_window": "PreferredBackupWindow", "maintenance_window": "PreferredMaintenanceWindow", "enabled_cloudwatch_logs_exports": "EnableCloudwatchLogsExports",
        "ca_cert_identifier": "CACertificateIdentifier", "performance_insights_enabled": "EnablePerformanceInsights"}),
    "aws_db_parameter_group": ("rds", "CreateDBParameterGroup", {"name_prefix": "DBParameterGroupName", "family": "DBParameterGroupFamily", "parameter": None}),
    "aws_db_subnet_group": ("rds", "CreateDBSubnetGroup", {"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"}),
    "aws_ecr_lifecycle_policy": ("ecr", "PutLifecyclePolicy", {"repository": "repositoryName", "policy": "lifecyclePolicyText"}),
    "aws_ecr_repository": ("ecr", "CreateRepository", {"name": "repositoryName"}),
    "aws_ecs_cluster": ("ecs", "CreateCluster", {"name": "clusterName", "setting": "settings"}),
    "aws_ecs_service": ("ecs", "CreateService", {
        "name": "serviceName", "deployment_minimum_healthy_percent": "deploymentConfiguration.minimumHealthyPercent",
        "deployment_maximum_percent": "deploymentConfiguration.maximumPercent", "deployment_circuit_breaker": "deploymentConfiguration.deploymentCircuitBreaker",
        "enable_ecs_managed_tags": "enableECSManagedTags", "network_configuration": "networkConfiguration.awsvpcConfiguration"}),
    "aws_ecs_task_definition": ("ecs", "RegisterTaskDefinition", {"container_definitions": None}),
    "aws_eip": ("ec2", "AllocateAddress", {}),
    "aws_flow_log": ("ec2", "CreateFlowLogs", {"vpc_id": "ResourceIds", "iam_role_arn": "DeliverLogsPermissionArn"}),
    "aws_iam_role": ("iam", "CreateRole", {"name": "RoleName", "assume_role_policy": "AssumeRolePolicyDocument"}),
    "aws_iam_role_policy": ("iam", "PutRolePolicy", {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"}),
    "aws_iam_role_policy_attachment": ("iam", "AttachRolePolicy", {"role": "RoleName"}),
    "aws_internet_gateway": ("ec2", "CreateInternetGateway", {"vpc_id": None}),
    "aws_lb": ("elbv2", "CreateLoadBalancer", {
        "load_balancer_type": "Type", "internal": None, "idle_timeout": None, "drop_invalid_header_fields": None, "enable_deletion_protection": None, "access_logs": None}),
    "aws_lb_listener": ("elbv2", "CreateListener", {"redirect": "RedirectConfig"}),
    "aws_lb_target_group": ("elbv2", "CreateTargetGroup", {"health_check": None, "deregistration_delay": None}),
    "aws_nat_gateway": ("ec2", "CreateNatGateway", {}),
    "aws_route": ("ec2", "CreateRoute", {}),
    "aws_route_table": ("ec2", "CreateRouteTable", {}),
    "aws_route_table_association": ("ec2", "AssociateRouteTable", {}),
    "aws_s3_bucket": ("s3", "CreateBucket", {}),
    "aws_s3_bucket_lifecycle_configuration": ("s3", "PutBucketLifecycleConfiguration", {"rule": "LifecycleConfiguration.Rules"}),
    "aws_s3_bucket_policy": ("s3", "PutBucketPolicy", {}),
    "aws_s3_bucket_public_access_block": ("s3", "PutPublicAccessBlock", {
        name: f"PublicAccessBlockConfiguration.{member}" for name, member in (
            ("block_public_acls", "BlockPublicAcls"), ("block_public_policy", "BlockPublicPolicy"), ("ignore_public_acls", "IgnorePublicAcls"), ("restrict_public_buckets", "RestrictPublicBuckets"))}),
    "aws_secretsmanager_secret": ("secretsmanager", "CreateSecret", {}),
    "aws_secretsmanager_secret_version": ("secretsmanager", "PutSecretValue", {"secret_string_wo": "SecretString"}),
    "aws_security_group": ("ec2", "CreateSecurityGroup", {"name": "GroupName"}),
    "aws_ssm_parameter": ("ssm", "PutParameter", {}),
    "aws_subnet": ("ec2", "CreateSubnet", {}),
    "aws_vpc": ("ec2", "CreateVpc", {"enable_dns_support": None, "enable_dns_hostnames": None}),
    "aws_vpc_endpoint": ("ec2", "CreateVpcEndpoint", {}),
    "aws_vpc_security_group_egress_rule": ("ec2", "AuthorizeSecurityGroupEgress", {}),
    "aws_vpc_security_group_ingress_rule": ("ec2", "AuthorizeSecurityGroupIngress", {}),
    "aws_wafv2_web_acl": ("wafv2", "CreateWebACL", {"rule": "Rules", "cloudwatch_metrics_enabled": "CloudWatchMetricsEnabled"}),
    "aws_wafv2_web_acl_association": ("wafv2", "AssociateWebACL", {}),
}
# Resources without a request: a group that is there already, without rules.
NOTHING = {"aws_default_security_group"}


def rule_of(values):
    """A security group's rule, whose parts are elsewhere in the request."""
    permission = {target: values[name] for name, target in RULE.items()}
    if "cidr_ipv4" in values:
        permission["IpRanges"] = [{"CidrIp": values["cidr_ipv4"], "Description": values["description"]}]
    if "referenced_security_group_id" in values:
        permission["UserIdGroupPairs"] = [{"GroupId": values["referenced_security_group_id"], "Description": values["description"]}]
    return {"GroupId": values["security_group_id"], "IpPermissions": [permission]}


def arguments_of(resource):
    """A resource's arguments, with what the provider adds or takes apart by itself."""
    values = dict(resource.values)
    if resource.type == "aws_db_subnet_group":
        values.setdefault("description", "Managed by Terraform")
    if resource.type == "aws_db_parameter_group":
        values["name_prefix"] += "20260131120000000000000001"
    if resource.type == "aws_flow_log":
        values["resource_type"] = "VPC"
    if resource.type == "aws_lb_target_group":
        (health,) = values["health_check"]
        del values["health_check"]
        for name, target in (("path", "health_check_path"), ("protocol", "health_check_protocol"), ("interval", "health_check_interval_seconds"), ("timeout", "health_check_timeout_seconds"),
                             ("healthy_threshold", "healthy_threshold_count"), ("unhealthy_threshold", "unhealthy_threshold_count")):
            values[target] = health[name]
        values["matcher"] = {"http_code": health["matcher"]}
    if resource.type == "aws_cloudwatch_metric_alarm":
        values["dimensions"] = [{"name": name, "value": value} for name, value in values["dimensions"].items()]
    if resource.type == "aws_ecs_service":
        (network,) = values["network_configuration"]
        values["network_configuration"] = [{**network, "assign_public_ip": "ENABLED" if network["assign_public_ip"] else "DISABLED"}]
    if resource.type == "aws_lb_listener" and "certificate_arn" in values:
        values["certificates"] = [{"certificate_arn": values.pop("certificate_arn")}]
    return values


def calls_of(resource):
    """The requests that a resource is made by, and what could not be put into them."""
    if resource.type in NOTHING:
        return [], []
    if resource.type not in CALLS:
        return [], [f"{resource}: nobody says which request makes it"]
    name, operation, names = CALLS[resource.type]
    shape, unknown = service(name).operation_model(operation).input_shape, []
    if resource.type.startswith("aws_vpc_security_group_"):
        made = [(name, operation, rule_of(resource.values))]
    else:
        made = [(name, operation, request(shape, arguments_of(resource), {**OWN, **names}, str(resource), unknown))]
    values = resource.values
    if resource.type == "aws_ecs_task_definition":
        # Written in ECS's own names.
        made[0][2]["containerDefinitions"] = json.loads(values["container_definitions"])
    if "retention_in_days" in values:
        made.append(("logs", "PutRetentionPolicy", {"logGroupName": values["name"], "retentionInDays": values["retention_in_days"]}))
    if resource.type == "aws_db_parameter_group":
        parameters = [{"ParameterName": one["name"], "ParameterValue": one["value"], "ApplyMethod": one["apply_method"]} for one in values["parameter"]]
        made.append(("rds", "ModifyDBParameterGroup", {"DBParameterGroupName": values["name_prefix"] + "1", "Parameters": parameters}))
    if values.get("final_snapshot_identifier"):
        made.append(("rds", "DeleteDBInstance", {"DBInstanceIdentifier": values["identifier"], "FinalDBSnapshotIdentifier": values["final_snapshot_identifier"]}))
    return made, unknown


def models_refuse(resource):
    """Faults of a resource by the models."""
    made, wrong = calls_of(resource)
    for name, operation, parameters in made:
        wrong = wrong + refused(service(name).operation_model(operation).input_shape, parameters, f"{resource}: {operation}")
    return wrong
