locals {
  # Memory of each class as AWS lists it; the alarm on free memory is a share of it.
  memory_gib = {
    "db.t4g.micro"  = 1
    "db.t4g.small"  = 2
    "db.t4g.medium" = 4
    "db.t4g.large"  = 8
    "db.m7g.large"  = 8
    "db.m7g.xlarge" = 16
    "db.r7g.large"  = 16
    "db.r7g.xlarge" = 32
  }
}

output "endpoint" {
  description = "Host and port of the database."
  value       = aws_db_instance.this.endpoint
}

output "address" {
  description = "Host of the database."
  value       = aws_db_instance.this.address
}

output "database_name" {
  description = "The database's name."
  value       = aws_db_instance.this.db_name
}

output "instance_id" {
  description = "The instance's identifier, as metrics and events name it."
  value       = aws_db_instance.this.identifier
}

output "instance_arn" {
  description = "The instance."
  value       = aws_db_instance.this.arn
}

output "master_secret_arn" {
  description = "The secret in which RDS keeps the master user's password."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "url_parameter_names" {
  description = "Parameters with the URLs, without passwords, of the roles owner and server."
  value       = { for role, parameter in aws_ssm_parameter.url : role => parameter.name }
}

output "url_parameter_arns" {
  description = "The same parameters, as policies name them."
  value       = { for role, parameter in aws_ssm_parameter.url : role => parameter.arn }
}

output "parameter_group_name" {
  description = "The parameter group."
  value       = aws_db_parameter_group.this.name
}

output "max_connections" {
  description = "The connections that the database takes."
  value       = var.max_connections
}

output "memory_bytes" {
  description = "The instance's memory."
  value       = local.memory_gib[var.instance_class] * pow(1024, 3)
}

output "allocated_storage_gb" {
  description = "The storage there is at the moment; it grows."
  value       = aws_db_instance.this.allocated_storage
}

output "max_allocated_storage_gb" {
  description = "The ceiling of that growth."
  value       = var.max_allocated_storage_gb
}

output "subnet_group_name" {
  description = "The subnet group."
  value       = aws_db_subnet_group.this.name
}
