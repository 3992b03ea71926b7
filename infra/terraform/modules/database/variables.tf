variable "name" {
  description = "Begins the name of everything, and names the instance."
  type        = string
}

variable "database_name" {
  description = "The database's name."
  type        = string
  default     = "quire"
  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name must be a lower-case letter, then letters, digits and _, 63 characters at most."
  }
}

variable "subnet_ids" {
  description = "The database's subnets, in two zones."
  type        = list(string)
}

variable "security_group_id" {
  description = "The database's group."
  type        = string
}

variable "instance_class" {
  description = "The size of the instance."
  type        = string
  default     = "db.t4g.micro"
  validation {
    condition     = contains(keys(local.memory_gib), var.instance_class)
    error_message = "instance_class must be one whose memory is known to this module: ${join(", ", sort(keys(local.memory_gib)))}; add it to memory_gib in modules/database/outputs.tf."
  }
}

variable "allocated_storage_gb" {
  description = "Storage to begin with, in GB."
  type        = number
  default     = 20
  validation {
    condition     = var.allocated_storage_gb >= 20
    error_message = "allocated_storage_gb must be at least 20, the least that gp3 has."
  }
}

variable "max_allocated_storage_gb" {
  description = "Storage grows by itself up to this, in GB."
  type        = number
  default     = 100
  validation {
    # AWS asks for a tenth more; with less than a quarter, the first growth is the last.
    condition     = var.max_allocated_storage_gb >= var.allocated_storage_gb * 1.25
    error_message = "max_allocated_storage_gb must be at least a quarter above allocated_storage_gb (${var.allocated_storage_gb}), or there is nothing to grow into."
  }
}

variable "max_connections" {
  description = "The connections that the database takes."
  type        = number
  default     = 100
  validation {
    condition     = var.max_connections >= 20 && var.max_connections <= 1000
    error_message = "max_connections must be from 20 to 1000; each costs memory, so take a larger instance with more."
  }
}

variable "multi_az" {
  description = "A standby in another zone, to which RDS fails over."
  type        = bool
}

variable "deletion_protection" {
  description = "Refuse to delete the instance."
  type        = bool
  default     = true
}

variable "log_retention_days" {
  description = "Days that the database's log is kept."
  type        = number
  default     = 30
}
