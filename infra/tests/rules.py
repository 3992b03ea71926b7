"""Rules of the infrastructure. Each rule returns what is wrong, and nothing when all is well.

Many of them stand for a line of the table of faults of the first plan; the words behind `fault:` say which.
"""

import re

from configuration import walk

RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


def differ(what, body, wanted):
    return [f"{what}: {key} is {body.get(key)!r}, not {value!r}" for key, value in wanted.items() if body.get(key) != value]


@rule
def database_is_private(config):
    """Private subnets, no public address, reached from the tasks' group only, no way out."""
    wrong = differ("the database", config.one("aws_db_instance"), {
        "publicly_accessible": False,
        "vpc_security_group_ids": ["var.security_group_id"],
        "db_subnet_group_name": "aws_db_subnet_group.this.name",
    })
    group = "aws_security_group.database.id"
    for block in config.blocks("aws_vpc_security_group_ingress_rule"):
        if block.body.get("security_group_id") == group:
            source = block.body.get("referenced_security_group_id")
            if source != "aws_security_group.tasks.id" or block.body.get("from_port") != 5432 or block.body.get("to_port") != 5432:
                wrong.append(f"{block}: lets something else than the tasks' group into the database")
    for block in config.blocks("aws_vpc_security_group_egress_rule"):
        if block.body.get("security_group_id") == group:
            wrong.append(f"{block}: lets the database out")
    for block in config.blocks("aws_security_group"):
        if block.body.get("ingress") or block.body.get("egress"):
            wrong.append(f"{block}: rules inside a group are not looked at here; write them as resources")
    for block in config.blocks("aws_route"):
        if "route_table.database" in block.body.get("route_table_id", ""):
            wrong.append(f"{block}: a way out of the database's subnets")
    if config.root.calls["database"].get("subnet_ids") != "module.network.database_subnet_ids":
        wrong.append("the database is not in the database's subnets")
    return wrong


@rule
def database_is_kept(config):
    """Encrypted, backed up, protected; fault: `engine_version = "16.1"`."""
    wrong = differ("the database", config.one("aws_db_instance"), {
        "engine": "postgres", "engine_version": "16", "engine_lifecycle_support": "open-source-rds-extended-support-disabled", "auto_minor_version_upgrade": True,
        "allow_major_version_upgrade": False, "apply_immediately": False,
        "storage_type": "gp3", "storage_encrypted": True, "max_allocated_storage": "var.max_allocated_storage_gb",
        "backup_retention_period": 7, "backup_window": "03:00-04:00", "delete_automated_backups": False,
        "maintenance_window": "mon:04:00-mon:05:00", "performance_insights_enabled": True,
        "enabled_cloudwatch_logs_exports": ["postgresql", "upgrade"], "deletion_protection": "var.deletion_protection",
        "skip_final_snapshot": False, "multi_az": "var.multi_az", "instance_class": "var.instance_class",
    })
    for name, value in {"deletion_protection": True, "instance_class": "db.t4g.micro", "allocated_storage_gb": 20, "max_connections": 100}.items():
        if config.default("database", name) != value:
            wrong.append(f"the database's {name} is {config.default('database', name)!r} by default, not {value!r}")
    if config.environments["production"].get("multi_az") is not True:
        wrong.append("production has no standby of the database")
    return wrong


@rule
def master_user_is_allowed(config):
    """fault: RDS user `admin`, which is a reserved word."""
    name = config.one("aws_db_instance").get("username", "")
    reserved = {"", "admin", "administrator", "root", "rdsadmin", "rdsrepladmin", "rds_superuser", "user", "master", "postgres"}
    return [f"the master user is called {name!r}"] if name in reserved or name.startswith(("pg_", "rds")) else []


@rule
def no_secret_is_in_state(config):
    """Passwords by write-only arguments, by ephemeral values, or by RDS; never where the state keeps them."""
    wrong = []
    master = config.one("aws_db_instance")
    if master.get("manage_master_user_password") is not True and "password_wo" not in master:
        wrong.append("the master password is neither RDS's own nor a write-only argument")
    kept = {"password", "secret_string", "secret_binary", "master_password", "auth_token"}
    for block in config.blocks():
        if block.type in ("random_password", "random_string"):
            wrong.append(f"{block}: a resource keeps what it draws in the state; draw it with an ephemeral one")
        wrong += [f"{block}: {key} would be in the state; use {key}_wo" for key in block.body if key in kept]
        if block.type == "aws_ssm_parameter" and block.body.get("type") == "SecureString" and "value" in block.body:
            wrong.append(f"{block}: value would be in the state; use value_wo")
    for block in config.blocks("random_password", "ephemeral"):
        if block.body.get("special") is not False:
            wrong.append(f"{block}: special characters do not survive URLs and shells")
    return wrong


@rule
def parameters_apply(config):
    """fault: parameters set without `apply_method`; fault: `{DBInstanceClassMemory/4096}`."""
    wrong = []
    dynamic = config.one("aws_db_parameter_group").get("dynamic", [{}])[0].get("parameter", {}).get("content", [{}])[0]
    if dynamic.get("apply_method") != "parameter.value.apply_method":
        wrong.append("the parameter group does not pass on apply_method")
    parameters = config.modules["database"].locals.get("parameters", {})
    static = ("max_connections", "shared_buffers", "shared_preload_libraries", "rds.force_ssl")
    for name, parameter in parameters.items():
        method = parameter.get("apply_method")
        if method != ("pending-reboot" if name in static else "immediate"):
            wrong.append(f"the parameter {name} has apply_method {method!r}")
    wanted = {
        "max_connections": "tostring(var.max_connections)", "shared_buffers": "{DBInstanceClassMemory/32768}",
        "rds.force_ssl": "1", "log_min_duration_statement": "1000", "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0", "shared_preload_libraries": "pg_stat_statements",
    }
    for name, value in wanted.items():
        if parameters.get(name, {}).get("value") != value:
            wrong.append(f"the parameter {name} is {parameters.get(name, {}).get('value')!r}, not {value!r}")
    for name in ("log_statement", "log_duration"):
        if name in parameters:
            wrong.append(f"the parameter {name} logs all statements")
    return wrong


@rule
def names_are_stable(config):
    """fault: a snapshot name containing the current time."""
    wrong = []
    for module in config:
        for path, value in walk([module.locals] + [block.body for block in module.blocks]):
            if isinstance(value, str) and re.search(r"\b(timestamp|plantimestamp|uuid|formatdate|timeadd)\(", value):
                wrong.append(f"{module.name}: {'.'.join(map(str, path))} changes with every plan: {value}")
    name = config.one("aws_db_instance").get("final_snapshot_identifier", "")
    if "random_id.final_snapshot.hex" not in name:
        wrong.append("the final snapshot's name is the same for the next instance, and collides on the second destroy")
    if any(block.body.get("keepers") for block in config.blocks("random_id")):
        wrong.append("the final snapshot's name would change with its keepers")
    return wrong


@rule
def policies_are_narrow(config):
    """fault: the task role may read the secret. No wildcard actions, one resource wildcard that AWS forces on us."""
    wrong = []
    for block in config.blocks("aws_iam_policy_document", "data"):
        for statement in block.body.get("statement", []):
            actions = statement.get("actions", [])
            if not isinstance(actions, list):
                wrong.append(f"{block}: actions cannot be read")
                continue
            wrong += [f"{block}: the action {action} has a wildcard" for action in actions if "*" in action]
            if "not_actions" in statement or "not_resources" in statement:
                wrong.append(f"{block}: says what is not meant")
            if "sts:AssumeRole" not in actions and "*" in statement.get("resources", ["*"]) and actions != ["ecr:GetAuthorizationToken"]:
                wrong.append(f"{block}: {statement.get('sid')} is for all resources")
    for block in config.blocks("aws_iam_role_policy") + config.blocks("aws_iam_role_policy_attachment"):
        if block.body.get("role") == "aws_iam_role.data.id" and block.body.get("policy") != "data.aws_iam_policy_document.data.json":
            wrong.append(f"{block}: an operator's command may do more than take and put files")
        if "aws_iam_role.task." in block.body.get("role", ""):
            wrong.append(f"{block}: the task role may do nothing; secrets are read by the execution role")
        if block.type == "aws_iam_role_policy" and not block.body.get("policy", "").startswith("data.aws_iam_policy_document."):
            wrong.append(f"{block}: a policy that is not a document is not looked at here")
    for block in config.blocks("aws_ecs_task_definition"):
        role = "aws_iam_role.data.arn" if block.name == "data" else "aws_iam_role.task.arn"
        execution = f"aws_iam_role.execution[{'each.key' if block.name == 'job' else chr(34) + block.name + chr(34)}].arn"
        if block.body.get("execution_role_arn") != execution or block.body.get("task_role_arn") != role:
            wrong.append(f"{block}: not the roles that were meant")
    for block in config.blocks("aws_iam_policy_document", "data"):
        if block.name == "data" and block.module == "compute":
            for statement in block.body["statement"]:
                if not set(statement["actions"]) <= {"s3:ListBucket", "s3:GetObject", "s3:PutObject"}:
                    wrong.append(f"{block}: {statement.get('sid')} is more than taking and putting files")
                if not all(resource.startswith("arn:${data.aws_partition.current.partition}:s3:::${coalesce(var.data_bucket,") for resource in statement["resources"]):
                    wrong.append(f"{block}: {statement.get('sid')} is for other buckets")
    reads = {
        "server": ['var.role_secret_arns["server"]', "var.secret_key_arn"], "migrator": ['var.role_secret_arns["owner"]', "var.secret_key_arn"],
        "tools": ['var.role_secret_arns["owner"]', 'var.role_secret_arns["server"]', "var.master_secret_arn"],
        "data": ['var.role_secret_arns["owner"]', "var.secret_key_arn"],
    }
    found = {name: read.get("secrets") for name, read in config.modules["compute"].locals.get("reads", {}).items()}
    if found != reads:
        wrong.append(f"the tasks are started with other secrets than were meant: {found}")
    return wrong


@rule
def doors_are_few(config):
    """Nothing is open to the world but HTTPS, its redirect, and HTTPS outwards."""
    wrong = []
    for block in config.blocks("aws_vpc_security_group_ingress_rule"):
        if block.body.get("cidr_ipv4", "").endswith("/0") or block.body.get("cidr_ipv6"):
            wrong.append(f"{block}: open to the world, whatever client_cidrs says")
        if "cidr_ipv4" in block.body and block.body.get("from_port") not in (80, 443):
            wrong.append(f"{block}: port {block.body.get('from_port')} is for nobody outside")
    for block in config.blocks("aws_vpc_security_group_egress_rule"):
        ports = (block.body.get("from_port"), block.body.get("to_port"), block.body.get("ip_protocol"))
        if block.body.get("cidr_ipv4", "").endswith("/0") and ports != (443, 443, "tcp"):
            wrong.append(f"{block}: open egress")
        if block.body.get("ip_protocol") == "-1":
            wrong.append(f"{block}: every protocol")
    for block in config.blocks("aws_security_group_rule"):
        wrong.append(f"{block}: rules of this kind are not looked at here")
    if config.one("aws_ecs_service").get("network_configuration", [{}])[0].get("assign_public_ip") is not False:
        wrong.append("the tasks have public addresses")
    return wrong


ALARMS = {
    "database": {
        "database-cpu": {"metric": "CPUUtilization", "threshold": 80, "period": 300, "periods": 2, "comparison": "GreaterThanThreshold"},
        "database-connections": {"metric": "DatabaseConnections", "statistic": "Maximum", "threshold": "floor(var.connections_needed * 0.8)"},
        "database-storage": {"metric": "FreeStorageSpace", "threshold": "2 * pow(1000, 3)", "comparison": "LessThanThreshold"},
        "database-storage-ceiling": {"metric": "FreeStorageSpace", "comparison": "LessThanThreshold"},
        "database-memory": {"metric": "FreeableMemory", "threshold": "floor(var.database.memory_bytes * 0.1)"},
        "database-wraparound": {"metric": "MaximumUsedTransactionIDs", "threshold": "500 * pow(1000, 2)"},
        "database-credits": {"metric": "CPUCreditBalance", "comparison": "LessThanThreshold"},
    },
    "service": {
        "service-5xx": {"metric": "HTTPCode_Target_5XX_Count"},
        "load-balancer-5xx": {"metric": "HTTPCode_ELB_5XX_Count"},
        "service-p95": {"metric": "TargetResponseTime", "extended": "p95"},
        "service-unhealthy": {"metric": "UnHealthyHostCount"},
        "service-memory": {"metric": "MemoryUtilization", "threshold": 85, "comparison": "GreaterThanThreshold"},
        "service-tasks": {"metric": "RunningTaskCount", "missing": "breaching"},
    },
}


@rule
def alarms_tell_somebody(config):
    """fault: alarms without actions. Every alarm has a topic, says what missing data means, and what to look at."""
    wrong = []
    for block in config.blocks("aws_cloudwatch_metric_alarm"):
        if block.body.get("alarm_actions") != ["var.alarm_topic_arn"]:
            wrong.append(f"{block}: nobody is told")
        for key in ("treat_missing_data", "alarm_description"):
            if key not in block.body:
                wrong.append(f"{block}: no {key}")
    text = config.modules["monitoring"].text
    for name in (name for alarms in ALARMS.values() for name in alarms):
        body = re.search(rf'"{name}" = \{{(.*?)\n    \}}', text, re.DOTALL)
        if not body:
            wrong.append(f"there is no alarm {name}")
            continue
        for key in ("description", "missing"):
            if not re.search(rf"\b{key}\s*= \"", body[1]):
                wrong.append(f"the alarm {name} has no {key}")
        group = "database" if name in ALARMS["database"] else "service"
        for key, value in ALARMS[group][name].items():
            shown = re.search(rf"\b{key}\s*= (\"[^\"]*\"|[^,\n]*\([^\n]*?\)|[^,\n]*)", body[1])
            if not shown or shown[1].strip().strip('"') != str(value):
                wrong.append(f"the alarm {name}: {key} is {shown and shown[1]!r}, not {value!r}")
    if not config.variable("monitoring", "alarm_topic_arn").get("validation"):
        wrong.append("an alarm topic may be empty")
    events = config.one("aws_db_event_subscription")
    if events.get("sns_topic") != "var.alarm_topic_arn" or not {"failover", "low storage"} <= set(events.get("event_categories", [])):
        wrong.append("nobody is told of a failover or of full storage")
    return wrong


@rule
def images_are_digests(config):
    """fault: image `:latest`."""
    wrong = []
    for block in config.blocks("aws_ecr_repository"):
        scanning = block.body.get("image_scanning_configuration", [{}])[0]
        if block.body.get("image_tag_mutability") != "IMMUTABLE" or scanning.get("scan_on_push") is not True:
            wrong.append(f"{block}: tags can be moved, or images are not scanned")
    validation = str(config.variable("compute", "images").get("validation"))
    if "@sha256:[0-9a-f]{64}$" not in validation:
        wrong.append("images need not be named by digest")
    for module in config:
        for name, container in module.locals.items():
            if isinstance(container, dict) and "image" in container and not container["image"].startswith("var.images."):
                wrong.append(f"{module.name}: {name} runs {container['image']}")
    return wrong


def evaluate(condition, **values):
    """An arithmetic condition of Terraform's, which is one of Python's once its variables have values."""
    expression = re.sub(r"\bvar\.(\w+)", lambda match: repr(values[match[1]]), condition).replace("&&", "and").replace("||", "or")
    if not re.fullmatch(r"[\d\s.()*+<>=and or-]*", expression):
        raise ValueError(f"not arithmetic: {expression}")
    return bool(eval(expression, {"__builtins__": {}}))  # noqa: S307 - digits and operators only


@rule
def connections_suffice(config):
    """fault: a pool of 30 for each task, 100 connections in all. The servers' pools and one for health, twice, and a reserve."""
    conditions = [v.get("condition") for v in config.variable("compute", "database_max_connections").get("validation", [])]
    if len(conditions) != 1:
        return ["the number of connections is not checked"]
    wrong = []
    for tasks, pool, reserve, limit in ((1, 10, 12, 100), (4, 10, 12, 100), (4, 10, 13, 100), (5, 10, 12, 100), (1, 30, 12, 100), (2, 30, 12, 100), (2, 30, 10, 134), (2, 30, 10, 133)):
        fits = tasks * (pool + 1) * 2 + reserve <= limit
        values = {"max_tasks": tasks, "pool_size": pool, "reserved_connections": reserve, "database_max_connections": limit}
        try:
            if evaluate(conditions[0], **values) != fits:
                wrong.append(f"{tasks} tasks with a pool of {pool} and {reserve} in reserve: {limit} connections are {'enough' if fits else 'too few'}")
        except (KeyError, ValueError, SyntaxError) as error:
            return [f"the check of connections cannot be read: {error}"]
    if config.modules["compute"].outputs["connections_needed"]["value"].replace(" ", "") not in conditions[0].replace(" ", ""):
        wrong.append("the alarm counts connections by another formula")
    call = config.root.calls["compute"]
    if call.get("database_max_connections") != "module.database.max_connections":
        wrong.append("the check of connections is not about the database's number")
    return wrong


@rule
def deployments_are_safe(config):
    """New tasks before old ones go, back when they are not well, and revisions left to scripts/deploy."""
    service = config.one("aws_ecs_service")
    wrong = differ("the service", service, {
        "deployment_minimum_healthy_percent": 100, "deployment_maximum_percent": 200,
        "deployment_circuit_breaker": [{"enable": True, "rollback": True}],
    })
    if "task_definition" not in service.get("lifecycle", [{}])[0].get("ignore_changes", []):
        wrong.append("Terraform would take back what scripts/deploy has rolled out")
    for block in config.blocks("aws_ecs_task_definition"):
        if block.body.get("skip_destroy") is not True:
            wrong.append(f"{block}: the revision that is running would be deregistered")
    wrong += differ("the probe", config.one("aws_lb_target_group").get("health_check", [{}])[0], {
        "path": "/readyz", "matcher": "200", "interval": 30, "timeout": 5})
    # ECS ends a task that either of them finds unwell, so neither may ask the database: a new task could not even start then.
    command = config.modules["compute"].locals.get("server_container", {}).get("healthCheck", {}).get("command")
    if command != ["CMD", "/usr/local/bin/quire-health", "/livez"]:
        wrong.append(f"the container is well by {command}")
    restart = config.modules["compute"].locals.get("server_container", {}).get("restartPolicy")
    if restart != {"enabled": True, "restartAttemptPeriod": 60}:
        wrong.append(f"a server that fails is started again by {restart}")
    if service.get("enable_ecs_managed_tags") is not True:
        wrong.append("the bill cannot be split by service")
    return wrong


@rule
def timeouts_are_in_order(config):
    """Idle before keep-alive, leaving before stopping, stopping before killing."""
    names = ("keep_alive_seconds", "idle_timeout_seconds", "body_timeout_seconds", "request_timeout_seconds", "shutdown_timeout_seconds", "deregistration_delay_seconds", "stop_timeout_seconds")
    values = {name: config.default("compute", name) for name in names}
    wrong = []
    orders = {
        "keep_alive_seconds": [(75, 60, True), (60, 60, False), (65, 70, False)],
    }
    for name in ("keep_alive_seconds", "deregistration_delay_seconds", "stop_timeout_seconds"):
        conditions = [v.get("condition") for v in config.variable("compute", name).get("validation", [])]
        if not conditions:
            wrong.append(f"{name} is not checked")
        for condition in conditions:
            try:
                if not evaluate(condition, **values):
                    wrong.append(f"{name} is {values[name]} by default, against {condition}")
                for keep, idle, fits in orders.get(name, []):
                    if evaluate(condition, **{**values, "keep_alive_seconds": keep, "idle_timeout_seconds": idle}) != fits:
                        wrong.append(f"keep-alive {keep} s with idle {idle} s is judged wrongly")
            except (KeyError, ValueError, SyntaxError, TypeError) as error:
                wrong.append(f"{name}: {error}")
    if not (values["body_timeout_seconds"] + values["request_timeout_seconds"] <= values["deregistration_delay_seconds"] < values["stop_timeout_seconds"] <= 120):
        wrong.append("deregistration delay and stop time-out are not in order")
    if values["stop_timeout_seconds"] <= values["shutdown_timeout_seconds"] + 10:
        wrong.append("a task is killed while it stores queued edits")
    for name, variable in {"QUIRE_BODY_TIMEOUT_MS": "body", "QUIRE_REQUEST_TIMEOUT_MS": "request", "QUIRE_SHUTDOWN_TIMEOUT_MS": "shutdown"}.items():
        if not re.search(rf"\b{name}\s*= tostring\(var\.{variable}_timeout_seconds \* 1000\)", config.modules["compute"].text):
            wrong.append(f"the server does not get {name}, which the order is about")
    if config.one("aws_lb").get("idle_timeout") != "var.idle_timeout_seconds":
        wrong.append("the load balancer's idle time-out is another")
    if config.one("aws_lb_target_group").get("deregistration_delay") != "var.deregistration_delay_seconds":
        wrong.append("the target group's deregistration delay is another")
    return wrong


@rule
def urls_hold_no_password(config):
    """fault: a random password with every special character inside a URL."""
    wrong = []
    for block in config.blocks("aws_ssm_parameter"):
        value = block.body.get("value", "")
        if "password" in value or re.search(r"://[^@/]*:[^@/]*@", value.replace("${", "").replace("}", "")):
            wrong.append(f"{block}: a password in a parameter")
        if "postgres://" in value and "sslmode=verify-full&sslrootcert=" not in value:
            wrong.append(f"{block}: the database's certificate is not checked")
    return wrong


@rule
def containers_are_closed(config):
    """Read-only root, no root user, secrets injected, never in the environment."""
    wrong = []
    containers = {name: c for name, c in config.modules["compute"].locals.items() if name.endswith("_container")}
    if len(containers) != 4:
        wrong.append("not the four containers that were meant")
    for name, container in containers.items():
        wrong += differ(name, container, {"readonlyRootFilesystem": True, "user": "10001:10001", "stopTimeout": "var.stop_timeout_seconds"})
        linux = container.get("linuxParameters", {})
        if linux.get("initProcessEnabled") is not True or linux.get("capabilities") != {"drop": ["ALL"]}:
            wrong.append(f"{name}: no init process, or capabilities")
        environment = str(container.get("environment", ""))
        if "server_environment" in environment:
            environment += str(config.modules["compute"].locals["server_environment"])
        for secret in ("PASSWORD", "SECRET_KEY", "DATABASE_URL"):
            if secret in environment:
                wrong.append(f"{name}: {secret} is in the environment, which everybody reads who may describe the task")
        secrets = str(container.get("secrets", ""))
        for variable in re.findall(r"[\"']?(\w*PASSWORD)[\"']?[^{}]*?valueFrom", secrets):
            if not re.search(variable + r"[^{}]*valueFrom[^{}]*\$\{[^{}]*\}:password::", secrets):
                wrong.append(f"{name}: {variable} is not taken from its secret by key")
        if "PASSWORD" not in secrets:
            wrong.append(f"{name}: has no password")
    return wrong


@rule
def operators_reach_the_database(config):
    """The database is private, so there is one way in: a task with everything that the checklist's commands need."""
    container = config.modules["compute"].locals.get("data_container", {})
    wrong = differ("the container", container, {"image": "var.images.tools", "workingDirectory": "local.data_writable.work"})
    given = str(container.get("environment")) + str(container.get("secrets"))
    for name in ("PGHOST", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "DATABASE_URL", "DATABASE_PASSWORD", "DATA_BUCKET"):
        if name not in re.findall(r"\w+", given):
            wrong.append(f"the container does not get {name}")
    if "local.secret_keys" not in given or "verify-full" not in given:
        wrong.append("the container has no secret key, or does not check the database's certificate")
    if "local.data_writable" not in str(container.get("mountPoints")) or set(config.modules["compute"].locals["data_writable"].values()) != {"/tmp", "/work"}:
        wrong.append("nothing can be written there")
    task = config.one("aws_ecs_task_definition", "data")
    if "local.data_container" not in str(task.get("container_definitions")) or not task.get("dynamic"):
        wrong.append("the container is not what the task runs, or its volumes are missing")
    if "data = aws_ecs_task_definition.data.family" not in config.modules["compute"].outputs["task_families"]["value"]:
        wrong.append("scripts/deploy does not find the task")
    return wrong


@rule
def nothing_is_kept_on_a_task(config):
    """fault: fall-back files on a Fargate task's disk."""
    environment = config.modules["compute"].locals.get("server_environment", "")
    text = config.modules["compute"].text
    wanted = {"QUIRE_WHEN_DATABASE_FAILS": "refuse", "QUIRE_NO_MIRROR": "true", "QUIRE_INSTANCES": "many"}
    return [f"{name} is not {value}" for name, value in wanted.items()
            if not environment or not re.search(rf'\b{name}\s*= "{value}"', text)]


@rule
def logs_end(config):
    """Every log group is made here, with an end to what it keeps."""
    return [f"{block}: keeps its log for ever" for block in config.blocks("aws_cloudwatch_log_group") if not block.body.get("retention_in_days")]


@rule
def clients_are_encrypted(config):
    """HTTPS with a certificate from outside; HTTP only says where to go."""
    wrong = differ("the HTTPS listener", config.one("aws_lb_listener", "https"), {"protocol": "HTTPS", "port": 443, "certificate_arn": "var.certificate_arn"})
    if config.one("aws_lb_listener", "https").get("ssl_policy") != "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09":
        wrong.append("the HTTPS listener takes old versions of TLS, or weak ciphers")
    for block in config.blocks("aws_lb_listener"):
        action = block.body.get("default_action", [{}])[0]
        if block.body.get("protocol") != "HTTPS" and (action.get("type") != "redirect" or action.get("redirect", [{}])[0].get("protocol") != "HTTPS"):
            wrong.append(f"{block}: serves without encryption")
    return wrong


@rule
def clients_are_on_record(config):
    """The load balancer writes an access log into a closed bucket that ends what it keeps, and the server believes the one proxy there is."""
    wrong = differ("the access log", config.one("aws_lb").get("access_logs", [{}])[0], {"bucket": "aws_s3_bucket.access_log.id", "enabled": True})
    wrong += differ("the access log's bucket", config.one("aws_s3_bucket_public_access_block", "access_log"), dict.fromkeys(
        ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"), True))
    rules = config.one("aws_s3_bucket_lifecycle_configuration", "access_log").get("rule", [{}])
    if rules[0].get("expiration") != [{"days": "var.access_log_retention_days"}] or rules[0].get("status") != "Enabled":
        wrong.append("addresses of clients are kept for ever")
    if not re.search(r'\bQUIRE_TRUSTED_PROXIES\s*= "1"', config.modules["compute"].text):
        wrong.append("the server takes the load balancer's address for its clients'")
    if config.one("aws_wafv2_web_acl_association").get("resource_arn") != "aws_lb.this.arn":
        wrong.append("a firewall that is asked for stands before nothing")
    return wrong


@rule
def roles_are_for_this_account(config):
    """fault: a service that acts for somebody else's account takes our role or writes to our bucket."""
    wrong = []
    for block in config.blocks("aws_iam_policy_document", "data"):
        for statement in block.body.get("statement", []):
            if "principals" not in statement:
                continue
            if statement.get("actions") == ["s3:PutObject"] and statement.get("resources") == ["${aws_s3_bucket.access_log.arn}/AWSLogs/${data.aws_caller_identity.current.account_id}/*"]:
                # The folder says whose load balancer it is.
                continue
            conditions = [condition for condition in statement.get("condition", []) if condition.get("variable") == "aws:SourceAccount"]
            if not conditions or conditions[0].get("values") != ["data.aws_caller_identity.current.account_id"] or conditions[0].get("test") != "StringEquals":
                wrong.append(f"{block}: services act for other accounts too")
    return wrong


@rule
def partitions_are_asked_for(config):
    """fault: arn:aws, which is another word in China and for the government."""
    return [f"{module.name}: {'.'.join(map(str, path))} names a partition: {value}" for module in config
            for path, value in walk([module.locals] + [block.body for block in module.blocks])
            if isinstance(value, str) and re.search(r"arn:aws\b|\bcom\.amazonaws\.\$", value)]


@rule
def versions_and_state(config):
    """Terraform and providers pinned; the state in encrypted and locked S3."""
    wrong = []
    for module in config:
        settings = {key: value for entry in module.terraform for key, value in entry.items()}
        if not settings.get("required_version", "").startswith(">= 1.11"):
            wrong.append(f"{module.name}: write-only arguments need Terraform 1.11")
        providers = settings.get("required_providers", [{}])[0]
        if not providers or any(not str(provider.get("version", "")).startswith("~> ") for provider in providers.values()):
            wrong.append(f"{module.name}: a provider's version is not pinned")
    backend = next((entry["backend"][0].get("s3", {}) for entry in config.root.terraform if "backend" in entry), {})
    wrong += differ("the state", backend, {"encrypt": True, "use_lockfile": True})
    for name in config.environments:
        wrong += differ(f"{name}: the state", config.backends.get(name, {}), {"key": f"quire/{name}.tfstate"})
    ignored = (config.root.folder / ".gitignore").read_text().split()
    if any("tfvars" in line or "tfbackend" in line for line in ignored):
        wrong.append("what an environment is made from is on one machine only")
    return wrong


@rule
def inputs_and_outputs_are_described(config):
    wrong = []
    for module in config:
        for kind, named in (("variable", module.variables), ("output", module.outputs)):
            wrong += [f"{module.name}: the {kind} {name} has no description" for name, body in named.items() if not body.get("description")]
    for name in ("service_url", "database_endpoint", "database_name", "url_parameter_names", "database_security_group_id", "database_instance_id", "deploy"):
        if name not in config.root.outputs:
            wrong.append(f"no output {name}")
    return wrong


@rule
def references_lead_somewhere(config):
    """Every variable, local, resource and output that is named exists; every module gets what it asks for."""
    wrong = []
    for module in config:
        code = re.sub(r"(?m)^\s*#.*$", "", module.text)
        known = {f"{'data.' if b.kind == 'data' else 'ephemeral.' if b.kind == 'ephemeral' else ''}{b.type}.{b.name}" for b in module.blocks}
        for name in set(re.findall(r"\bvar\.(\w+)", code)) - set(module.variables):
            wrong.append(f"{module.name}: there is no variable {name}")
        for name in set(module.variables) - set(re.findall(r"\bvar\.(\w+)", code)):
            wrong.append(f"{module.name}: the variable {name} is used nowhere")
        for name in set(re.findall(r"\blocal\.(\w+)", code)) - set(module.locals):
            wrong.append(f"{module.name}: there is no local {name}")
        for name in set(re.findall(r"(?<![\w.:/\"])((?:data\.|ephemeral\.)?(?:aws|random)_\w+\.\w+)", code)) - known:
            wrong.append(f"{module.name}: there is no {name}")
        for call, body in module.calls.items():
            called = config.modules[body["source"].rsplit("/", 1)[-1]]
            given = set(body) - {"source"}
            for name in given - set(called.variables):
                wrong.append(f"{module.name}: {call} has no variable {name}")
            for name in {n for n, v in called.variables.items() if "default" not in v} - given:
                wrong.append(f"{module.name}: {call} does not get {name}")
            for name in set(re.findall(rf"\bmodule\.{call}\.(\w+)", code)) - set(called.outputs):
                wrong.append(f"{module.name}: {call} has no output {name}")
    return wrong
