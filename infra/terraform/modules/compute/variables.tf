variable "name" {
  description = "Begins the name of everything; at most 24 characters, since names of load balancers have 32."
  type        = string
  validation {
    condition     = can(regex("^[a-z](-?[a-z0-9])+$", var.name)) && length(var.name) >= 3 && length(var.name) <= 24
    error_message = "name must be 3 to 24 lower-case letters, digits and single hyphens, such as quire-staging."
  }
  validation {
    condition     = !startswith(var.name, "internal-")
    error_message = "name must not begin with internal-, which load balancers keep for themselves."
  }
}

variable "region" {
  description = "The region."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "load_balancer_security_group_id" {
  description = "The load balancer's group."
  type        = string
}

variable "tasks_security_group_id" {
  description = "The tasks' group."
  type        = string
}

variable "role_secret_arns" {
  description = "The secrets of the database's roles: owner and server."
  type        = map(string)
}

variable "secret_key_arn" {
  description = "The secret that holds QUIRE_SECRET_KEY."
  type        = string
}

variable "read_old_secret_key" {
  description = "Read the secret key before the present one too, until quire-migrate reseal has run."
  type        = bool
  default     = false
}

variable "read_only" {
  description = "Servers refuse every change and go on reading, as on the way back to files."
  type        = bool
  default     = false
}

variable "master_secret_arn" {
  description = "The secret of the database's master user."
  type        = string
}

variable "url_parameter_arns" {
  description = "The parameters with the database's URLs: owner and server."
  type        = map(string)
}

variable "database_address" {
  description = "The database's host."
  type        = string
}

variable "database_name" {
  description = "The database's name."
  type        = string
}

variable "images" {
  description = "The images to begin with, by digest; scripts/deploy rolls out later ones."
  type        = object({ server = string, migrator = string, tools = string })
  validation {
    condition     = alltrue([for image in values(var.images) : can(regex("^([^@:/]+(:[0-9]+)?/)?[^@:]+@sha256:[0-9a-f]{64}$", image))])
    error_message = "images must be named by digest, as REPOSITORY@sha256:…, without a tag: a tag can mean another image tomorrow."
  }
}

variable "server_port" {
  description = "The port the server listens on."
  type        = number
}

variable "cpu" {
  description = "Processor of a task, in 1/1024."
  type        = number
  default     = 512
  validation {
    condition     = contains(keys(local.fargate_memory_gib), tostring(var.cpu))
    error_message = "cpu must be one of ${join(", ", keys(local.fargate_memory_gib))}, which are the sizes of Fargate's tasks."
  }
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
  default     = 1024
  validation {
    condition     = contains([for gib in lookup(local.fargate_memory_gib, tostring(var.cpu), []) : gib * 1024], var.memory_mib)
    error_message = "memory_mib (${var.memory_mib}) must be what Fargate has for cpu = ${var.cpu}: ${join(", ", [for gib in lookup(local.fargate_memory_gib, tostring(var.cpu), []) : gib * 1024])}."
  }
}

locals {
  # Pairs that Fargate takes: for each size of processor, GiB of memory.
  fargate_memory_gib = {
    "256"   = [0.5, 1, 2]
    "512"   = range(1, 5)
    "1024"  = range(2, 9)
    "2048"  = range(4, 17)
    "4096"  = range(8, 31)
    "8192"  = range(16, 61, 4)
    "16384" = range(32, 121, 8)
  }
}

variable "cpu_architecture" {
  description = "Processor architecture of the images."
  type        = string
  default     = "ARM64"
  validation {
    condition     = contains(["ARM64", "X86_64"], var.cpu_architecture)
    error_message = "cpu_architecture must be ARM64 or X86_64."
  }
}

variable "min_tasks" {
  description = "Tasks at least. Any number can share the database."
  type        = number
  default     = 1
  validation {
    condition     = var.min_tasks >= 1 && var.min_tasks <= var.max_tasks
    error_message = "min_tasks (${var.min_tasks}) must be at least 1 and at most max_tasks (${var.max_tasks})."
  }
}

variable "max_tasks" {
  description = "Tasks at most."
  type        = number
  default     = 1
}

variable "pool_size" {
  description = "Connections to the database that a server holds at most, beside one for its health."
  type        = number
  default     = 10
  validation {
    condition     = var.pool_size >= 1 && var.pool_size <= 30
    error_message = "pool_size must be from 1 to 30, which is what the server takes."
  }
}

variable "reserved_connections" {
  description = "Connections left for the migrator, operators, and RDS itself."
  type        = number
  default     = 12
  validation {
    condition     = var.reserved_connections >= 10
    error_message = "reserved_connections must be at least 10: PostgreSQL and RDS keep some for themselves, and the migrator and an operator need one each."
  }
}

variable "database_max_connections" {
  description = "The connections that the database takes."
  type        = number
  validation {
    # The servers' pools, one connection more in each for its health, all of it twice during a deployment.
    condition     = var.max_tasks * (var.pool_size + 1) * 2 + var.reserved_connections <= var.database_max_connections
    error_message = "During a deployment ${var.max_tasks} tasks are ${var.max_tasks * 2}, each with ${var.pool_size} + 1 connections; with ${var.reserved_connections} in reserve that is ${var.max_tasks * (var.pool_size + 1) * 2 + var.reserved_connections}, and the database takes ${var.database_max_connections}: lower max_tasks or pool_size, or raise max_connections with a larger instance."
  }
}

variable "allowed_origins" {
  description = "Origins whose pages may use the API."
  type        = list(string)
  validation {
    condition     = length(var.allowed_origins) > 0 && alltrue([for origin in var.allowed_origins : can(regex("^https://[a-z0-9.-]+(:[0-9]+)?$", origin))])
    error_message = "allowed_origins must be origins as browsers send them, such as https://app.example.com: no path, no wildcard, no plain HTTP."
  }
}

variable "clerk" {
  description = "Clerk: issuer, and the URL of its keys or the key itself. None of it is secret."
  type = object({
    issuer          = string
    jwks_url        = optional(string)
    jwt_key         = optional(string)
    publishable_key = optional(string)
  })
  validation {
    condition     = can(regex("^https://[^/]+$", var.clerk.issuer))
    error_message = "clerk.issuer must be a URL with https and without a path, such as https://clerk.example.com."
  }
}

variable "certificate_arn" {
  description = "The certificate of the load balancer, in ACM and in this region."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:${var.region}:[0-9]{12}:certificate/.+$", var.certificate_arn))
    error_message = "certificate_arn must be the ARN of a certificate in ACM in the region ${var.region}."
  }
}

variable "data_bucket" {
  description = "A bucket that an operator's commands beside the database take files from and put files to, or null for none."
  type        = string
  default     = null
  validation {
    condition     = var.data_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.data_bucket))
    error_message = "data_bucket must be a bucket's name, such as example-quire-data: no ARN, no URL, no path."
  }
}

variable "access_log_retention_days" {
  description = "Days that the load balancer's access log is kept. It holds addresses of clients, so no longer than it is of use."
  type        = number
  default     = 30
  validation {
    condition     = var.access_log_retention_days >= 1 && floor(var.access_log_retention_days) == var.access_log_retention_days
    error_message = "access_log_retention_days must be a whole number of days, at least 1."
  }
}

variable "web_acl_arn" {
  description = "A web ACL of the account's for the load balancer, or null for none."
  type        = string
  default     = null
  validation {
    condition     = var.web_acl_arn == null || can(regex("^arn:aws[a-z-]*:wafv2:${var.region}:[0-9]{12}:regional/webacl/.+$", var.web_acl_arn))
    error_message = "web_acl_arn must be the ARN of a regional web ACL of WAFv2 in the region ${var.region}."
  }
}

variable "max_requests_per_client" {
  description = "Requests of one address in five minutes, above which it is refused with 429; null for no such rule. It costs about 6 dollars a month, and 0.60 for a million requests."
  type        = number
  default     = null
  validation {
    condition     = var.max_requests_per_client == null || try(var.max_requests_per_client >= 10 && var.max_requests_per_client <= 2000000000, false)
    error_message = "max_requests_per_client must be from 10 to 2000000000, which is what WAF takes, or null."
  }
  validation {
    condition     = var.max_requests_per_client == null || var.web_acl_arn == null
    error_message = "max_requests_per_client makes a web ACL, and a load balancer takes one: put the rule into the one that web_acl_arn names."
  }
}

variable "deletion_protection" {
  description = "Refuse to delete the load balancer; without it, images and access log are deleted with the rest."
  type        = bool
  default     = true
}

variable "idle_timeout_seconds" {
  description = "Seconds after which the load balancer closes an idle connection. WebSockets are pinged every 20 s."
  type        = number
  default     = 60
}

variable "keep_alive_seconds" {
  description = "Time after which the server closes an idle connection."
  type        = number
  default     = 75
  validation {
    condition     = var.keep_alive_seconds > var.idle_timeout_seconds && var.keep_alive_seconds > 60
    error_message = "keep_alive_seconds (${var.keep_alive_seconds}) must be above idle_timeout_seconds (${var.idle_timeout_seconds}) and above 60, or requests are lost on connections that the server is closing."
  }
}

variable "body_timeout_seconds" {
  description = "Maximum time in which a client sends the body of a request."
  type        = number
  default     = 60
}

variable "request_timeout_seconds" {
  description = "Maximum time of handling a request, from when its body is there."
  type        = number
  default     = 30
}

variable "shutdown_timeout_seconds" {
  description = "Maximum time that the server waits for requests in flight when it is told to stop; queued edits get 10 s more."
  type        = number
  default     = 30
}

variable "deregistration_delay_seconds" {
  description = "Time in which a task that leaves the load balancer finishes requests before it is told to stop."
  type        = number
  default     = 90
  validation {
    condition     = var.deregistration_delay_seconds >= var.body_timeout_seconds + var.request_timeout_seconds && var.deregistration_delay_seconds < var.stop_timeout_seconds
    error_message = "deregistration_delay_seconds (${var.deregistration_delay_seconds}) must be at least body_timeout_seconds + request_timeout_seconds (${var.body_timeout_seconds + var.request_timeout_seconds}) and below stop_timeout_seconds (${var.stop_timeout_seconds})."
  }
}

variable "stop_timeout_seconds" {
  description = "Time between a task's being told to stop and its being killed; Fargate allows 120 s."
  type        = number
  default     = 100
  validation {
    condition     = var.stop_timeout_seconds > var.shutdown_timeout_seconds + 10 && var.stop_timeout_seconds <= 120
    error_message = "stop_timeout_seconds (${var.stop_timeout_seconds}) must be above shutdown_timeout_seconds + 10 (${var.shutdown_timeout_seconds + 10}), or queued edits are lost, and at most 120, which is what Fargate allows."
  }
}

variable "log_retention_days" {
  description = "Days that the tasks' logs are kept."
  type        = number
  default     = 30
}
