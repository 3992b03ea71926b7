variable "name" {
  description = "Begins the name of everything, such as quire-staging."
  type        = string
}

variable "region" {
  description = "The region, such as eu-central-1."
  type        = string
}

variable "cidr" {
  description = "The network's addresses; a /16 to /20, which is cut into sixteen subnets."
  type        = string
  default     = "10.40.0.0/16"
  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr must be an IPv4 block from /16 to /20, such as 10.40.0.0/16."
  }
  validation {
    condition     = try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "cidr must begin with the block's first address, such as 10.40.0.0/16 and not 10.40.0.1/16: EC2 stores it so, and every later plan would change it."
  }
}

variable "availability_zones" {
  description = "Two zones of the region."
  type        = list(string)
  validation {
    condition     = length(distinct(var.availability_zones)) == 2 && length(var.availability_zones) == 2
    error_message = "availability_zones must name two different zones: RDS and the load balancer refuse fewer."
  }
  validation {
    condition     = alltrue([for zone in var.availability_zones : startswith(zone, var.region)])
    error_message = "availability_zones must be zones of the region ${var.region}, such as ${var.region}a."
  }
}

variable "nat_in_each_zone" {
  description = "A NAT gateway in each zone, so that the loss of one zone does not cut off the other's tasks."
  type        = bool
}

variable "flow_log_retention_days" {
  description = "Days that refused connections stay in the log."
  type        = number
  default     = 30
}
