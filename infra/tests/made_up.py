"""Values that only AWS knows of a thing that it made, in the form that they have: for planned.py, and for the stand-in of the provider."""

import json

ACCOUNT, REGION, PARTITION = "123456789012", "eu-central-1", "aws"


def policy(statements):
    """The JSON that a policy document comes to."""
    def short(values):
        return values[0] if len(values) == 1 else values

    found = []
    for statement in statements:
        one = {"Effect": statement.get("effect") or "Allow", "Action": short(statement["actions"])}
        if statement.get("sid"):
            one["Sid"] = statement["sid"]
        if statement.get("resources"):
            one["Resource"] = short(statement["resources"])
        for principal in statement.get("principals") or []:
            one.setdefault("Principal", {})[principal["type"]] = short(principal["identifiers"])
        for condition in statement.get("condition") or []:
            one.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = short(condition["values"])
        found.append(one)
    return json.dumps({"Version": "2012-10-17", "Statement": found})


def made_up(type_, values, attribute):
    """An attribute's value that only AWS knows, in its form. Data sources and ephemeral ones have their kind before their type."""
    kind = type_.rpartition(".")[2].partition("_")[2]
    name = values.get("name") or values.get("identifier") or values.get("bucket") or kind
    special = {
        "data.aws_caller_identity.account_id": ACCOUNT,
        "data.aws_partition.partition": PARTITION,
        "data.aws_vpc_endpoint_service.service_name": f"com.amazonaws.{REGION}.s3",
        "aws_ecs_task_definition.arn": f"arn:{PARTITION}:ecs:{REGION}:{ACCOUNT}:task-definition/{values.get('family')}:1",
        "aws_iam_role.arn": f"arn:{PARTITION}:iam::{ACCOUNT}:role/{name}",
        "aws_iam_role.id": name,
        "aws_s3_bucket.arn": f"arn:{PARTITION}:s3:::{name}",
        "aws_s3_bucket.id": name,
        "aws_wafv2_web_acl.arn": f"arn:{PARTITION}:wafv2:{REGION}:{ACCOUNT}:regional/webacl/{name}/{'0' * 36}",
        "aws_lb.arn": f"arn:{PARTITION}:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{name}/{'0' * 16}",
        "aws_lb.arn_suffix": f"app/{name}/{'0' * 16}",
        "aws_lb_target_group.arn": f"arn:{PARTITION}:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/{'0' * 16}",
        "aws_lb_target_group.arn_suffix": f"targetgroup/{name}/{'0' * 16}",
        "aws_lb.dns_name": f"{name}-1234567890.{REGION}.elb.amazonaws.com",
        "aws_lb.zone_id": "Z0123456789ABCDEFGHIJ",
        "aws_db_instance.address": f"{name}.0123456789ab.{REGION}.rds.amazonaws.com",
        "aws_db_instance.endpoint": f"{name}.0123456789ab.{REGION}.rds.amazonaws.com:5432",
        "aws_db_instance.master_user_secret": [{"secret_arn": f"arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-{'0' * 36}-abcdef"}],
        "aws_db_parameter_group.name": f"{values.get('name_prefix')}20260131120000000000000001",
        "aws_ecr_repository.repository_url": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}",
        "aws_secretsmanager_secret.arn": f"arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-abcdef",
        "aws_ssm_parameter.arn": f"arn:{PARTITION}:ssm:{REGION}:{ACCOUNT}:parameter{name}",
        "aws_cloudwatch_log_group.arn": f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:{name}",
        "random_id.hex": "0a1b2c3d",
        "ephemeral.random_password.result": "a" * (values.get("length") or 0),
    }
    found = special.get(f"{type_}.{attribute}")
    if found is not None:
        return found
    if (type_, attribute) == ("data.aws_iam_policy_document", "json"):
        return policy(values["statement"])
    if attribute == "arn":
        return f"arn:{PARTITION}:{kind.split('_')[0]}:{REGION}:{ACCOUNT}:{name}"
    if attribute == "id":
        return f"{kind.split('_')[-1]}-0123456789abcdef0"
    raise KeyError(f"nobody knows the {attribute} of {type_} before it is made")
