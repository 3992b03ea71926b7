output "service_url" {
  description = "URL of the API."
  value       = "https://${var.domain_name}"
}

output "database_endpoint" {
  description = "Host and port of the database."
  value       = module.database.endpoint
}

output "database_name" {
  description = "The database's name."
  value       = module.database.database_name
}

output "database_instance_id" {
  description = "The database's instance, for snapshots and restores."
  value       = module.database.instance_id
}

output "database_security_group_id" {
  description = "The database's group, for an instance that is restored from a snapshot."
  value       = module.security.database_security_group_id
}

output "database_subnet_group_name" {
  description = "The database's subnet group, for an instance that is restored from a snapshot."
  value       = module.database.subnet_group_name
}

output "database_parameter_group_name" {
  description = "The database's parameter group, for an instance that is restored from a snapshot."
  value       = module.database.parameter_group_name
}

output "url_parameter_names" {
  description = "SSM parameters with the database's URLs, without passwords."
  value       = module.database.url_parameter_names
}

output "secret_arns" {
  description = "Secrets: the master user's (RDS's own), the roles', and the secret key."
  value = merge(
    { master = module.database.master_secret_arn, secret_key = module.security.secret_key_arn },
    module.security.role_secret_arns,
  )
}

output "load_balancer" {
  description = "Target of the alias record of domain_name."
  value       = { dns_name = module.compute.load_balancer_dns_name, zone_id = module.compute.load_balancer_zone_id }
}

output "repository_urls" {
  description = "Repositories that images are pushed to."
  value       = module.compute.repository_urls
}

output "alarm_names" {
  description = "All alarms."
  value       = module.monitoring.alarm_names
}

output "dashboard_name" {
  description = "The dashboard."
  value       = module.monitoring.dashboard_name
}

output "data_bucket" {
  description = "The bucket of an operator's commands beside the database."
  value       = var.data_bucket
}

output "access_log_bucket" {
  description = "The bucket of the load balancer's access log."
  value       = module.compute.access_log_bucket
}

# Values that scripts/deploy reads.
output "deploy" {
  description = "Cluster, service, task families, logs, and the network that jobs run in."
  value = {
    region         = var.region
    cluster        = module.compute.cluster_name
    service        = module.compute.service_name
    families       = module.compute.task_families
    logs           = module.compute.log_group_names
    subnets        = module.network.private_subnet_ids
    security_group = module.security.tasks_security_group_id
    service_url    = "https://${var.domain_name}"
  }
}
