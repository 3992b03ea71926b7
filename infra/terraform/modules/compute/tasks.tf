# The tasks: the server, the migrator before each new one, the tools that make the database's roles once, and the commands of an
# operator beside the database, which nothing else reaches.

resource "aws_cloudwatch_log_group" "this" {
  # checkov:skip=CKV_AWS_158: encrypted with the service's own key; no secret and no notebook's content is logged
  # checkov:skip=CKV_AWS_338: a month is enough to look into an incident, and a year multiplies the price by twelve
  for_each          = local.reads
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
}

locals {
  log = {
    for name, group in aws_cloudwatch_log_group.this : name => {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = group.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = name
      }
    }
  }

  # The root is read-only. These paths are written: the first by whatever needs a temporary file, the second by kernels.
  # They are gone with the task, so nothing that must stay is put there (docs/adr/0012-aws.md).
  writable      = { tmp = "/tmp", work = "/var/lib/quire" }
  data_writable = { tmp = "/tmp", work = "/work" }

  clerk = {
    CLERK_ISSUER          = var.clerk.issuer
    CLERK_JWKS_URL        = var.clerk.jwks_url
    CLERK_JWT_KEY         = var.clerk.jwt_key
    CLERK_PUBLISHABLE_KEY = var.clerk.publishable_key
  }

  server_environment = merge({ for name, value in local.clerk : name => value if value != null }, {
    QUIRE_HOST = "0.0.0.0"
    QUIRE_PORT = tostring(var.server_port)
    # The load balancer, which adds the address it was called from to X-Forwarded-For.
    QUIRE_TRUSTED_PROXIES      = "1"
    QUIRE_LOG_FORMAT           = "json"
    ALLOWED_ORIGINS            = join(",", var.allowed_origins)
    QUIRE_DATABASE_CONNECTIONS = tostring(var.pool_size)
    QUIRE_KEEP_ALIVE_MS        = tostring(var.keep_alive_seconds * 1000)
    QUIRE_BODY_TIMEOUT_MS      = tostring(var.body_timeout_seconds * 1000)
    QUIRE_REQUEST_TIMEOUT_MS   = tostring(var.request_timeout_seconds * 1000)
    QUIRE_SHUTDOWN_TIMEOUT_MS  = tostring(var.shutdown_timeout_seconds * 1000)
    QUIRE_READ_ONLY            = tostring(var.read_only)
    # A deployment has the old and the new task beside each other, so even one task is "many". And no write is taken
    # into a journal, nor a notebook mirrored to files, on a disk that dies with the task.
    QUIRE_INSTANCES           = "many"
    QUIRE_WHEN_DATABASE_FAILS = "refuse"
    QUIRE_NO_MIRROR           = "true"
  })

  # A key that was just changed still opens what it has sealed (AWSPREVIOUS), until `quire-migrate reseal` has run.
  secret_keys = concat(
    [{ name = "QUIRE_SECRET_KEY", valueFrom = var.secret_key_arn }],
    var.read_old_secret_key ? [{ name = "QUIRE_SECRET_KEY_OLD", valueFrom = "${var.secret_key_arn}::AWSPREVIOUS:" }] : [],
  )

  server_container = {
    name      = "server"
    image     = var.images.server
    essential = true
    # A server that ran for a minute and fails is started again where it is. One that fails at once ends its task, so that a
    # bad release is noticed and rolled back.
    restartPolicy          = { enabled = true, restartAttemptPeriod = 60 }
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    stopTimeout            = var.stop_timeout_seconds
    portMappings           = [{ containerPort = var.server_port, protocol = "tcp" }]
    environment            = [for name, value in local.server_environment : { name = name, value = value }]
    secrets = concat(local.secret_keys, [
      { name = "DATABASE_URL", valueFrom = var.url_parameter_arns["server"] },
      { name = "DATABASE_PASSWORD", valueFrom = "${var.role_secret_arns["server"]}:password::" },
    ])
    mountPoints      = [for volume, path in local.writable : { sourceVolume = volume, containerPath = path, readOnly = false }]
    healthCheck      = { command = ["CMD", "/usr/local/bin/quire-health", "/livez"], interval = 30, timeout = 5, retries = 3, startPeriod = 30 }
    logConfiguration = local.log["server"]
  }

  migrator_container = {
    name                   = "migrator"
    image                  = var.images.migrator
    essential              = true
    user                   = "10001:10001"
    command                = ["up"]
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    stopTimeout            = var.stop_timeout_seconds
    secrets = concat(local.secret_keys, [
      { name = "DATABASE_URL", valueFrom = var.url_parameter_arns["owner"] },
      { name = "DATABASE_PASSWORD", valueFrom = "${var.role_secret_arns["owner"]}:password::" },
    ])
    logConfiguration = local.log["migrator"]
  }

  tools_container = {
    name                   = "tools"
    image                  = var.images.tools
    essential              = true
    user                   = "10001:10001"
    command                = ["/usr/local/bin/quire-roles", "make"]
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    stopTimeout            = var.stop_timeout_seconds
    environment = [
      { name = "PGHOST", value = var.database_address },
      { name = "PGDATABASE", value = var.database_name },
      { name = "PGSSLMODE", value = "verify-full" },
      { name = "PGSSLROOTCERT", value = "/etc/ssl/certs/rds-bundle.pem" },
    ]
    secrets = [
      { name = "MASTER_USER", valueFrom = "${var.master_secret_arn}:username::" },
      { name = "MASTER_PASSWORD", valueFrom = "${var.master_secret_arn}:password::" },
      { name = "OWNER_PASSWORD", valueFrom = "${var.role_secret_arns["owner"]}:password::" },
      { name = "SERVER_PASSWORD", valueFrom = "${var.role_secret_arns["server"]}:password::" },
    ]
    logConfiguration = local.log["tools"]
  }

  # quire-import and quire-migrate take the database from DATABASE_URL, psql and pg_dump from PG…; both are the owner's.
  data_container = {
    name                   = "data"
    image                  = var.images.tools
    essential              = true
    user                   = "10001:10001"
    command                = ["quire-migrate", "status"]
    workingDirectory       = local.data_writable.work
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    stopTimeout            = var.stop_timeout_seconds
    environment = concat([
      { name = "PGHOST", value = var.database_address },
      { name = "PGDATABASE", value = var.database_name },
      { name = "PGUSER", value = "quire_owner" },
      { name = "PGSSLMODE", value = "verify-full" },
      { name = "PGSSLROOTCERT", value = "/etc/ssl/certs/rds-bundle.pem" },
      { name = "AWS_REGION", value = var.region },
    ], var.data_bucket == null ? [] : [{ name = "DATA_BUCKET", value = var.data_bucket }])
    secrets = concat(local.secret_keys, [
      { name = "DATABASE_URL", valueFrom = var.url_parameter_arns["owner"] },
      { name = "DATABASE_PASSWORD", valueFrom = "${var.role_secret_arns["owner"]}:password::" },
      { name = "PGPASSWORD", valueFrom = "${var.role_secret_arns["owner"]}:password::" },
    ])
    mountPoints      = [for volume, path in local.data_writable : { sourceVolume = volume, containerPath = path, readOnly = false }]
    logConfiguration = local.log["data"]
  }
}

resource "aws_ecs_task_definition" "server" {
  family                   = "${var.name}-server"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.execution["server"].arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([local.server_container])
  # Revisions stay usable when Terraform makes a newer one: the service runs on one of them.
  skip_destroy = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
  dynamic "volume" {
    for_each = local.writable
    content {
      name = volume.key
    }
  }
}

resource "aws_ecs_task_definition" "job" {
  for_each                 = { migrator = local.migrator_container, tools = local.tools_container }
  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([each.value])
  skip_destroy             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
}

# Its volumes are on the task's disk of 20 GB, and gone with it: what is to stay goes to the bucket.
resource "aws_ecs_task_definition" "data" {
  family                   = "${var.name}-data"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 512
  memory                   = 2048
  execution_role_arn       = aws_iam_role.execution["data"].arn
  task_role_arn            = aws_iam_role.data.arn
  container_definitions    = jsonencode([local.data_container])
  skip_destroy             = true

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.cpu_architecture
  }
  dynamic "volume" {
    for_each = local.data_writable
    content {
      name = volume.key
    }
  }
}
