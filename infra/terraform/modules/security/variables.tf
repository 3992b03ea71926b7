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
}

variable "sql_cell_targets" {
  description = "Databases that SQL cells may connect to, beside nothing."
  type        = list(object({ cidr = string, port = number }))
  default     = []
  validation {
    condition     = alltrue([for target in var.sql_cell_targets : can(cidrnetmask(target.cidr)) && target.cidr != "0.0.0.0/0"])
    error_message = "sql_cell_targets must be IPv4 blocks, and not 0.0.0.0/0: a cell is code of a user."
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
