"""Limits of requests that AWS documents and its models do not say: characters, values, pairs, and what is inside policies.

Each entry of LIMITS is a way into a request, and what may be there: a pattern, a list of values, or the least and the most.
The words are those of the members' documentation in the same models, unless a comment names another page.
"""

import ipaddress
import json
from functools import lru_cache

import regex

from aws_calls import calls_of
from aws_models import service
from configuration import walk

GROUP_TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}"
RDS_NAME = r"[A-Za-z](-?[A-Za-z0-9])*"
ECS_NAME = r"[A-Za-z0-9_-]{1,255}"
DAYS = [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]
CONTAINER = "RegisterTaskDefinition.containerDefinitions."
LIMITS = {
    "CreateSecurityGroup.GroupName": rf"(?!sg-){GROUP_TEXT}",
    "CreateSecurityGroup.Description": GROUP_TEXT,
    "AuthorizeSecurityGroupIngress.IpPermissions.IpRanges.Description": GROUP_TEXT,
    "AuthorizeSecurityGroupIngress.IpPermissions.UserIdGroupPairs.Description": GROUP_TEXT,
    "AuthorizeSecurityGroupEgress.IpPermissions.IpRanges.Description": GROUP_TEXT,
    "AuthorizeSecurityGroupEgress.IpPermissions.UserIdGroupPairs.Description": GROUP_TEXT,
    "CreateLoadBalancer.Name": r"(?!internal-)(?=.{1,32}$)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
    "CreateTargetGroup.Name": r"(?=.{1,32}$)[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?",
    # "Security policies for your Application Load Balancer": those with TLS 1.2 and 1.3 and keys that quantum computers do not open.
    "CreateListener.SslPolicy": [f"ELBSecurityPolicy-TLS13-1-{policy}-PQ-2025-09" for policy in ("2", "2-Res", "3")],
    "CreateDBInstance.DBInstanceIdentifier": rf"(?=.{{1,63}}$){RDS_NAME}",
    "CreateDBInstance.DBName": r"[A-Za-z][A-Za-z0-9_]{0,62}",
    "CreateDBInstance.MasterUsername": r"[A-Za-z][A-Za-z0-9_]{0,15}",
    "CreateDBInstance.EngineLifecycleSupport": ["open-source-rds-extended-support", "open-source-rds-extended-support-disabled"],
    "CreateDBInstance.PreferredBackupWindow": r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d",
    "CreateDBInstance.PreferredMaintenanceWindow": r"(?i)(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d-(mon|tue|wed|thu|fri|sat|sun):([01]\d|2[0-3]):[0-5]\d",
    "CreateDBInstance.StorageType": ["gp2", "gp3", "io1", "io2", "standard"],
    "CreateDBInstance.EnableCloudwatchLogsExports": ["postgresql", "upgrade", "iam-db-auth-error"],
    "CreateDBInstance.BackupRetentionPeriod": (0, 35),
    "CreateDBInstance.MonitoringInterval": [0, 1, 5, 10, 15, 30, 60],
    "CreateDBParameterGroup.DBParameterGroupName": rf"(?=.{{1,255}}$){RDS_NAME}",
    "CreateDBSubnetGroup.DBSubnetGroupName": r"(?!default$)[A-Za-z][A-Za-z0-9._ -]{0,254}",
    "CreateEventSubscription.SubscriptionName": r".{1,254}",
    "CreateEventSubscription.SourceType": ["db-instance", "db-cluster", "db-parameter-group", "db-security-group", "db-snapshot", "db-cluster-snapshot", "db-proxy", "zero-etl", "custom-engine-version", "blue-green-deployment"],
    # "Amazon RDS event categories and event messages", for instances.
    "CreateEventSubscription.EventCategories": ["availability", "backup", "configuration change", "creation", "deletion", "failover", "failure", "low storage", "maintenance", "notification",
                                                "read replica", "recovery", "restoration", "security", "security patching"],
    "DeleteDBInstance.FinalDBSnapshotIdentifier": rf"(?=.{{1,255}}$){RDS_NAME}",
    "PutRetentionPolicy.retentionInDays": DAYS,
    "CreateSecret.Name": r"(?!.*-.{6}$)[A-Za-z0-9/_+=.@-]{1,512}",
    # Without a path fifteen levels deep at most; a value of the standard tier has 4 KB.
    "PutParameter.Name": r"(?i)(?!/?(aws|ssm))/?[a-z0-9_.-]+(/[a-z0-9_.-]+){0,14}",
    "PutParameter.Value": r"(?s).{1,4096}",
    "CreateCluster.clusterName": ECS_NAME,
    "CreateService.serviceName": ECS_NAME,
    "RegisterTaskDefinition.family": ECS_NAME,
    "RegisterTaskDefinition.volumes.name": ECS_NAME,
    CONTAINER + "name": ECS_NAME,
    CONTAINER + "environment.name": r"[A-Za-z_][A-Za-z0-9_]*",
    CONTAINER + "secrets.name": r"[A-Za-z_][A-Za-z0-9_]*",
    # "Pass sensitive data": the secret, and behind it a key of its JSON, a stage, and a version.
    CONTAINER + "secrets.valueFrom": r"arn:aws[a-z-]*:(ssm:[a-z0-9-]+:\d{12}:parameter/?.+|secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]+(:[^:]*:(AWSCURRENT|AWSPREVIOUS)?:[^:]*)?)",
    CONTAINER + "image": r"[a-z0-9./:_-]+@sha256:[0-9a-f]{64}",
    CONTAINER + "user": r"\d+:\d+",
    CONTAINER + "stopTimeout": (0, 120),
    CONTAINER + "restartPolicy.restartAttemptPeriod": (60, 1800),
    CONTAINER + "healthCheck.interval": (5, 300),
    CONTAINER + "healthCheck.timeout": (2, 60),
    CONTAINER + "healthCheck.retries": (1, 10),
    CONTAINER + "healthCheck.startPeriod": (0, 300),
    CONTAINER + "portMappings.containerPort": (1, 65535),
    # "Bucket naming rules".
    "CreateBucket.Bucket": r"(?!xn--|sthree-|.*(-s3alias|--ol-s3|\.mrap)$|.*\.\.)(?=.{3,63}$)[a-z0-9][a-z0-9.-]*[a-z0-9]",
    # "Quotas": inline policies of a role, and its trust.
    "PutRolePolicy.PolicyDocument": r"(?s).{1,10240}",
    "CreateRole.AssumeRolePolicyDocument": r"(?s).{1,2048}",
    "PutMetricAlarm.Period": [10, 20, 30, *range(60, 86401, 60)],
    "PutMetricAlarm.TreatMissingData": ["breaching", "notBreaching", "ignore", "missing"],
    "CreateWebACL.Rules.Statement.RateBasedStatement.EvaluationWindowSec": [60, 120, 300, 600],
}
# "Task definition parameters for Fargate": for each size of processor, MiB of memory.
FARGATE = {256: [512, 1024, 2048], 512: range(1024, 4097, 1024), 1024: range(2048, 8193, 1024), 2048: range(4096, 16385, 1024), 4096: range(8192, 30721, 1024),
           8192: range(16384, 61441, 4096), 16384: range(32768, 122881, 8192)}
# Actions that are not called like the operation that they allow.
ACTIONS = {"s3:ListBucket", "s3:AbortMultipartUpload"}
# "Tag your resources": what every service takes.
TAG = regex.compile(r"(?!aws:)[\p{L}\p{Z}\p{N}_.:/=+\-@]*")


def limits(resource):
    """Values in a resource's requests that are none of what is documented for them."""
    wrong = []
    for _, operation, parameters in calls_of(resource)[0]:
        for path, value in walk(parameters):
            way = ".".join((operation, *map(str, path)))
            limit = LIMITS.get(way)
            if isinstance(limit, str):
                fits = isinstance(value, str) and regex.fullmatch(limit, value)
            elif isinstance(limit, tuple):
                fits = isinstance(value, int) and limit[0] <= value <= limit[1]
            else:
                fits = limit is None or value in limit
            if not fits:
                wrong.append(f"{resource}: {way}: {value!r} is not as AWS documents it")
    return wrong


@lru_cache(maxsize=None)
def knows(action):
    """Tells whether a policy's action is one of AWS's."""
    prefix, _, name = action.partition(":")
    return action in ACTIONS or name in service(prefix).operation_names


def policies(resource):
    """Policies are JSON, with names, actions and principals that exist."""
    wrong = []
    for argument in ("policy", "assume_role_policy"):
        if resource.type == "aws_ecr_lifecycle_policy" or argument not in resource.values:
            continue
        for statement in json.loads(resource.values[argument])["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            wrong += [f"{resource}: AWS knows no action {action}" for action in actions if not knows(action)]
            if not regex.fullmatch(r"[A-Za-z0-9]*", statement.get("Sid", "")):
                wrong.append(f"{resource}: the name {statement['Sid']!r} of a statement has more than letters and digits")
            named = statement.get("Resource", [])
            wrong += [f"{resource}: {name} names no resource" for name in (named if isinstance(named, list) else [named]) if name != "*" and not regex.fullmatch(r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:(\d{12})?:.+", name)]
            services = statement.get("Principal", {}).get("Service", [])
            wrong += [f"{resource}: {name} is no service" for name in (services if isinstance(services, list) else [services]) if not regex.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", name)]
    return wrong


def tasks(resource):
    """Task definitions that Fargate takes, whose containers mount volumes of theirs."""
    if resource.type != "aws_ecs_task_definition":
        return []
    wrong, values = [], resource.values
    if int(values["memory"]) not in FARGATE.get(int(values["cpu"]), []):
        wrong.append(f"{resource}: Fargate has no task with {values['cpu']} and {values['memory']}")
    volumes = {volume["name"] for volume in values.get("volume", [])}
    for container in json.loads(values["container_definitions"]):
        names = [one["name"] for one in container.get("environment", []) + container.get("secrets", [])]
        wrong += [f"{resource}: {name} is given twice" for name in sorted(set(names)) if names.count(name) > 1]
        wrong += [f"{resource}: there is no volume {mount['sourceVolume']}" for mount in container.get("mountPoints", []) if mount["sourceVolume"] not in volumes]
        wrong += [f"{resource}: the variable {one['name']} has no text" for one in container.get("environment", []) if not isinstance(one["value"], str)]
    return wrong


def networks(resource):
    """Blocks of addresses as EC2 stores them: with the first address."""
    wrong = []
    for argument in ("cidr_block", "cidr_ipv4", "destination_cidr_block"):
        block = resource.values.get(argument)
        if block is not None:
            try:
                ipaddress.IPv4Network(block)
            except ValueError as error:
                wrong.append(f"{resource}: {argument}: {error}")
    return wrong


def dashboards(resource):
    """Widgets inside the grid of 24 columns."""
    if resource.type != "aws_cloudwatch_dashboard":
        return []
    widgets = json.loads(resource.values["dashboard_body"])["widgets"]
    return [f"{resource}: {one['properties']['title']} is not on the grid" for one in widgets if one["x"] + one["width"] > 24 or one["height"] < 1]


def tags(resource, common):
    """Tags with characters that every service takes, and no more than fifty."""
    given = {**common, **resource.values.get("tags", {})}
    wrong = [f"{resource}: the tag {key} = {value!r} has characters that not every service takes" for key, value in given.items()
             if not TAG.fullmatch(key) or not TAG.fullmatch(value) or not 1 <= len(key) <= 128 or len(value) > 256]
    return wrong + ([f"{resource}: more than fifty tags"] if len(given) > 50 else [])


def documents_refuse(resource, common):
    return limits(resource) + policies(resource) + tasks(resource) + networks(resource) + dashboards(resource) + tags(resource, common)
