# Passed on as they are; the modules check them, and their messages say what is wrong. What no module looks at is checked here.

variable "account_id" {
  description = "The AWS account this belongs to; in any other, Terraform refuses."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "name" {
  description = "Begins the name of everything, such as quire-staging; at most 24 characters."
  type        = string
}

variable "region" {
  description = "The region, such as eu-central-1."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of a region, such as eu-central-1."
  }
}

variable "domain_name" {
  description = "The name that clients use, such as api.example.com. Its record is an alias of the output load_balancer."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.domain_name))
    error_message = "domain_name must be a host name, such as api.example.com, without scheme and path."
  }
}

variable "cidr" {
  description = "The network's addresses."
  type        = string
  default     = "10.40.0.0/16"
}

variable "availability_zones" {
  description = "Two zones of the region."
  type        = list(string)
}

variable "nat_in_each_zone" {
  description = "A NAT gateway in each zone."
  type        = bool
}

variable "client_cidrs" {
  description = "From where clients may come."
  type        = list(string)
  default     = ["0.0.0.0/0"]
}

variable "sql_cell_targets" {
  description = "Databases that SQL cells may connect to."
  type        = list(object({ cidr = string, port = number }))
  default     = []
}

variable "role_password_version" {
  description = "Raise it to draw new passwords for the database's roles."
  type        = number
  default     = 1
}

variable "secret_key_version" {
  description = "Raise it to draw a new secret key."
  type        = number
  default     = 1
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

variable "instance_class" {
  description = "The size of the database."
  type        = string
  default     = "db.t4g.micro"
}

variable "allocated_storage_gb" {
  description = "The database's storage to begin with."
  type        = number
  default     = 20
}

variable "max_allocated_storage_gb" {
  description = "Maximum size that the storage grows to."
  type        = number
  default     = 100
}

variable "max_connections" {
  description = "The connections that the database takes."
  type        = number
  default     = 100
}

variable "multi_az" {
  description = "A standby of the database in the other zone."
  type        = bool
}

variable "deletion_protection" {
  description = "Refuse to delete the database and the load balancer."
  type        = bool
  default     = true
}

variable "images" {
  description = "The images to begin with, by digest."
  type        = object({ server = string, migrator = string, tools = string })
}

variable "cpu" {
  description = "Processor of a task, in 1/1024."
  type        = number
  default     = 512
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
  default     = 1024
}

variable "cpu_architecture" {
  description = "Processor architecture of the images."
  type        = string
  default     = "ARM64"
}

variable "min_tasks" {
  description = "Tasks at least. Any number can share the database."
  type        = number
  default     = 1
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
}

variable "allowed_origins" {
  description = "Origins whose pages may use the API."
  type        = list(string)
}

variable "clerk" {
  description = "Clerk: issuer, and the URL of its keys or the key itself."
  type = object({
    issuer          = string
    jwks_url        = optional(string)
    jwt_key         = optional(string)
    publishable_key = optional(string)
  })
}

variable "certificate_arn" {
  description = "The certificate of the load balancer."
  type        = string
}

variable "data_bucket" {
  description = "A bucket that an operator's commands beside the database take files from and put files to, or null for none."
  type        = string
  default     = null
}

variable "access_log_retention_days" {
  description = "Days that the load balancer's access log is kept."
  type        = number
  default     = 30
}

variable "web_acl_arn" {
  description = "A web ACL of the account's for the load balancer, or null for none."
  type        = string
  default     = null
}

variable "max_requests_per_client" {
  description = "Requests of one address in five minutes, above which it is refused; null for no such rule."
  type        = number
  default     = null
}

variable "alarm_topic_arn" {
  description = "The SNS topic that people get alarms from."
  type        = string
}

variable "application_alarms" {
  description = "Alarms on the application's own metrics; see the module monitoring."
  type        = any
  default     = {}
}

