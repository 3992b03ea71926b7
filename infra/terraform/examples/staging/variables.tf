variable "account_id" {
  description = "The AWS account this belongs to; in any other, Terraform refuses."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "The region, such as eu-central-1."
  type        = string
  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of a region, such as eu-central-1."
  }
}

variable "availability_zones" {
  description = "Two zones of the region."
  type        = list(string)
}

variable "domain_name" {
  description = "The name that clients use, such as api.example.com."
  type        = string
  validation {
    condition     = can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", var.domain_name))
    error_message = "domain_name must be a host name, such as api.example.com, without scheme and path."
  }
}

variable "certificate_arn" {
  description = "The certificate for that name, in ACM and in this region."
  type        = string
}

variable "allowed_origins" {
  description = "Origins whose pages may use the API."
  type        = list(string)
}

variable "clerk_issuer" {
  description = "Clerk's issuer, such as https://clerk.example.com."
  type        = string
}

variable "clerk_publishable_key" {
  description = "Clerk's publishable key."
  type        = string
}

variable "alarm_topic_arn" {
  description = "The SNS topic that people get alarms from."
  type        = string
}

variable "data_bucket" {
  description = "A bucket that an operator's commands beside the database take files from and put files to, or null for none."
  type        = string
  default     = null
}

variable "images" {
  description = "The images to begin with, by digest."
  type        = object({ server = string, migrator = string, tools = string })
}
