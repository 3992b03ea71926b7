output "cluster_name" {
  description = "The cluster."
  value       = aws_ecs_cluster.this.name
}

output "service_name" {
  description = "The service."
  value       = aws_ecs_service.this.name
}

output "task_families" {
  description = "The families of task definitions: server, migrator, tools, data."
  value       = merge({ server = aws_ecs_task_definition.server.family, data = aws_ecs_task_definition.data.family }, { for name, task in aws_ecs_task_definition.job : name => task.family })
}

output "log_group_names" {
  description = "The logs of server, migrator, tools and data."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}

output "repository_urls" {
  description = "Repositories of the images of server, migrator and tools."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "load_balancer_dns_name" {
  description = "DNS name of the load balancer, the target of the service's name."
  value       = aws_lb.this.dns_name
}

output "load_balancer_zone_id" {
  description = "The zone of that name, for an alias record."
  value       = aws_lb.this.zone_id
}

output "load_balancer_arn_suffix" {
  description = "The load balancer as metrics name it."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "The target group as metrics name it."
  value       = aws_lb_target_group.this.arn_suffix
}

output "connections_needed" {
  description = "The connections in use at most: all pools, twice during a deployment, and the reserve."
  value       = var.max_tasks * (var.pool_size + 1) * 2 + var.reserved_connections
}

output "access_log_bucket" {
  description = "The bucket of the load balancer's access log."
  value       = aws_s3_bucket.access_log.id
}
