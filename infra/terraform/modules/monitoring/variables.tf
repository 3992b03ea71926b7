variable "name" {
  description = "Begins the name of everything."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "alarm_topic_arn" {
  description = "The SNS topic that people get alarms from. CloudWatch and events.rds.amazonaws.com must be allowed to publish."
  type        = string
  validation {
    condition     = can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:.+$", var.alarm_topic_arn))
    error_message = "alarm_topic_arn must be the ARN of an SNS topic: without one, nobody is told."
  }
}

variable "database" {
  description = "The database: its identifier, class, memory and storage."
  type = object({
    instance_id              = string
    instance_class           = string
    memory_bytes             = number
    allocated_storage_gb     = number
    max_allocated_storage_gb = number
  })
}

variable "connections_needed" {
  description = "The connections in use at most."
  type        = number
}

variable "service" {
  description = "The service, as metrics name its parts."
  type = object({
    cluster_name             = string
    service_name             = string
    load_balancer_arn_suffix = string
    target_group_arn_suffix  = string
    log_group_name           = string
    min_tasks                = number
  })
}

variable "p95_seconds" {
  description = "Nineteen answers of twenty are quicker than this."
  type        = number
  default     = 0.5
}

variable "application_alarms" {
  description = "Alarms on the application's own metrics; each is drawn on the dashboard too."
  type = map(object({
    description    = string
    namespace      = string
    metric         = string
    dimensions     = optional(map(string), {})
    statistic      = optional(string, "Maximum")
    comparison     = optional(string, "GreaterThanThreshold")
    threshold      = number
    period_seconds = optional(number, 60)
    periods        = optional(number, 5)
    missing        = string
  }))
  default = {}
  validation {
    condition     = alltrue([for alarm in values(var.application_alarms) : contains(["breaching", "notBreaching", "ignore", "missing"], alarm.missing)])
    error_message = "missing, of each alarm in application_alarms, must be breaching, notBreaching, ignore or missing."
  }
}
