output "load_balancer_security_group_id" {
  description = "The load balancer's group."
  value       = aws_security_group.load_balancer.id
}

output "tasks_security_group_id" {
  description = "The tasks' group, the only one that reaches the database."
  value       = aws_security_group.tasks.id
}

output "database_security_group_id" {
  description = "The database's group."
  value       = aws_security_group.database.id
}

output "role_secret_arns" {
  description = "The secrets of the database's roles: owner and server."
  value       = { for role, secret in aws_secretsmanager_secret.role : role => secret.arn }
}

output "secret_key_arn" {
  description = "The secret that holds QUIRE_SECRET_KEY."
  value       = aws_secretsmanager_secret.secret_key.arn
}
