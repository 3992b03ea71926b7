output "service_url" {
  description = "Where clients find the API."
  value       = module.quire.service_url
}

output "database_endpoint" {
  description = "Host and port of the database."
  value       = module.quire.database_endpoint
}

output "database_name" {
  description = "The database's name."
  value       = module.quire.database_name
}

output "database_instance_id" {
  description = "The database's instance."
  value       = module.quire.database_instance_id
}

output "database_security_group_id" {
  description = "The database's security group."
  value       = module.quire.database_security_group_id
}

output "database_subnet_group_name" {
  description = "The database's subnet group."
  value       = module.quire.database_subnet_group_name
}

output "database_parameter_group_name" {
  description = "The database's parameter group."
  value       = module.quire.database_parameter_group_name
}

output "url_parameter_names" {
  description = "SSM parameters with the database's URLs."
  value       = module.quire.url_parameter_names
}

output "secret_arns" {
  description = "Secrets, by what they are for."
  value       = module.quire.secret_arns
}

output "load_balancer" {
  description = "What the alias record of domain_name points to."
  value       = module.quire.load_balancer
}

output "repository_urls" {
  description = "Where images are pushed to."
  value       = module.quire.repository_urls
}

output "alarm_names" {
  description = "All alarms."
  value       = module.quire.alarm_names
}

output "dashboard_name" {
  description = "The dashboard."
  value       = module.quire.dashboard_name
}

output "data_bucket" {
  description = "The bucket of an operator's commands beside the database."
  value       = var.data_bucket
}

output "deploy" {
  description = "What scripts/deploy reads."
  value       = module.quire.deploy
}

