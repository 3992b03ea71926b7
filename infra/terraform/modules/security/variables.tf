variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "server_port" {
  description = "The port the server listens on."
  type        = number
}

variable "client_cidrs" {
  description = "From where clients may come."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  validation {
    condition     = length(var.client_cidrs) > 0 && alltrue([for cidr in var.client_cidrs : can(cidrnetmask(cidr))])
    error_message = "client_cidrs must be IPv4 blocks, such as 203.0.113.0/24; 0.0.0.0/0 is everybody."
  }
  validation {
    condition     = alltrue([for cidr in var.client_cidrs : try(cidrhost(cidr, 0) == split("/", cidr)[0], false)])
    error_message = "client_cidrs must begin with their first address, such as 203.0.113.0/24 and not 203.0.113.7/24."
  }
}

variable "sql_cell_targets" {
  description = "Databases that SQL cells may connect to, beside nothing."
  type        = list(object({ cidr = string, port = number }))
  default     = []
  # Each as narrow as the widest VPC, so that no two halves of everything are let in either.
  validation {
    condition     = alltrue([for target in var.sql_cell_targets : can(cidrnetmask(target.cidr)) && try(tonumber(split("/", target.cidr)[1]) >= 16, false)])
    error_message = "sql_cell_targets must be IPv4 blocks of /16 or narrower, such as 10.50.0.0/16: a cell is code of a user."
  }
  validation {
    condition     = alltrue([for target in var.sql_cell_targets : try(cidrhost(target.cidr, 0) == split("/", target.cidr)[0], false)])
    error_message = "sql_cell_targets must begin with their first address, such as 10.50.0.0/16 and not 10.50.0.1/16."
  }
  validation {
    condition     = alltrue([for target in var.sql_cell_targets : target.port >= 1 && target.port <= 65535 && floor(target.port) == target.port])
    error_message = "sql_cell_targets must have ports from 1 to 65535."
  }
}

variable "role_password_version" {
  description = "Raise it to draw new passwords for the database's roles; then run scripts/deploy with --roles."
  type        = number
  default     = 1
}

variable "secret_key_version" {
  description = "Raise it to draw a new secret key; the one before stays readable as AWSPREVIOUS."
  type        = number
  default     = 1
}
