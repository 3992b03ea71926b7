# The five modules, wired together once, so that what staging tries is what production runs. An environment is a file of
# inputs, a state, and nothing else; scripts/terraform keeps each with its own.

locals {
  server_port = 8000
}

module "network" {
  source             = "./modules/network"
  name               = var.name
  region             = var.region
  cidr               = var.cidr
  availability_zones = var.availability_zones
  nat_in_each_zone   = var.nat_in_each_zone
}

module "security" {
  source                = "./modules/security"
  name                  = var.name
  vpc_id                = module.network.vpc_id
  server_port           = local.server_port
  client_cidrs          = var.client_cidrs
  sql_cell_targets      = var.sql_cell_targets
  role_password_version = var.role_password_version
  secret_key_version    = var.secret_key_version
}

module "database" {
  source                   = "./modules/database"
  name                     = var.name
  subnet_ids               = module.network.database_subnet_ids
  security_group_id        = module.security.database_security_group_id
  instance_class           = var.instance_class
  allocated_storage_gb     = var.allocated_storage_gb
  max_allocated_storage_gb = var.max_allocated_storage_gb
  max_connections          = var.max_connections
  multi_az                 = var.multi_az
  deletion_protection      = var.deletion_protection
}

module "compute" {
  source                          = "./modules/compute"
  name                            = var.name
  region                          = var.region
  vpc_id                          = module.network.vpc_id
  public_subnet_ids               = module.network.public_subnet_ids
  private_subnet_ids              = module.network.private_subnet_ids
  load_balancer_security_group_id = module.security.load_balancer_security_group_id
  tasks_security_group_id         = module.security.tasks_security_group_id
  role_secret_arns                = module.security.role_secret_arns
  secret_key_arn                  = module.security.secret_key_arn
  read_old_secret_key             = var.read_old_secret_key
  read_only                       = var.read_only
  master_secret_arn               = module.database.master_secret_arn
  url_parameter_arns              = module.database.url_parameter_arns
  database_address                = module.database.address
  database_name                   = module.database.database_name
  database_max_connections        = module.database.max_connections
  images                          = var.images
  server_port                     = local.server_port
  cpu                             = var.cpu
  memory_mib                      = var.memory_mib
  cpu_architecture                = var.cpu_architecture
  min_tasks                       = var.min_tasks
  max_tasks                       = var.max_tasks
  pool_size                       = var.pool_size
  allowed_origins                 = var.allowed_origins
  clerk                           = var.clerk
  certificate_arn                 = var.certificate_arn
  data_bucket                     = var.data_bucket
  access_log_retention_days       = var.access_log_retention_days
  web_acl_arn                     = var.web_acl_arn
  max_requests_per_client         = var.max_requests_per_client
  deletion_protection             = var.deletion_protection
}

module "monitoring" {
  source             = "./modules/monitoring"
  name               = var.name
  region             = var.region
  alarm_topic_arn    = var.alarm_topic_arn
  connections_needed = module.compute.connections_needed
  application_alarms = var.application_alarms
  database = {
    instance_id              = module.database.instance_id
    instance_class           = var.instance_class
    memory_bytes             = module.database.memory_bytes
    allocated_storage_gb     = module.database.allocated_storage_gb
    max_allocated_storage_gb = module.database.max_allocated_storage_gb
  }
  service = {
    cluster_name             = module.compute.cluster_name
    service_name             = module.compute.service_name
    load_balancer_arn_suffix = module.compute.load_balancer_arn_suffix
    target_group_arn_suffix  = module.compute.target_group_arn_suffix
    log_group_name           = module.compute.log_group_names["server"]
    min_tasks                = var.min_tasks
  }
}
