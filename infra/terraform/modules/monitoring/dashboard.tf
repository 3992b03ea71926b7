# One page for the first look: is it up, is it fast, is the database well, and what did the log say.

locals {
  graphs = [
    { title = "Requests and errors", metrics = [
      ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.service.load_balancer_arn_suffix, { stat = "Sum" }],
      ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.service.load_balancer_arn_suffix, { stat = "Sum" }],
      ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", var.service.load_balancer_arn_suffix, { stat = "Sum" }],
    ] },
    { title = "Response time", metrics = [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.service.load_balancer_arn_suffix, { stat = "p50" }],
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.service.load_balancer_arn_suffix, { stat = "p95" }],
    ] },
    { title = "Tasks", metrics = [
      ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.service.cluster_name, "ServiceName", var.service.service_name],
      ["AWS/ECS", "CPUUtilization", "ClusterName", var.service.cluster_name, "ServiceName", var.service.service_name],
      ["AWS/ECS", "MemoryUtilization", "ClusterName", var.service.cluster_name, "ServiceName", var.service.service_name],
    ] },
    { title = "Database: processor and credits", metrics = [
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database.instance_id],
      ["AWS/RDS", "CPUCreditBalance", "DBInstanceIdentifier", var.database.instance_id, { yAxis = "right" }],
    ] },
    { title = "Database: connections", metrics = [
      ["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.database.instance_id, { stat = "Maximum" }],
    ] },
    { title = "Database: memory and storage", metrics = [
      ["AWS/RDS", "FreeableMemory", "DBInstanceIdentifier", var.database.instance_id],
      ["AWS/RDS", "FreeStorageSpace", "DBInstanceIdentifier", var.database.instance_id, { yAxis = "right" }],
    ] },
    { title = "Database: reads and writes", metrics = [
      ["AWS/RDS", "ReadLatency", "DBInstanceIdentifier", var.database.instance_id],
      ["AWS/RDS", "WriteLatency", "DBInstanceIdentifier", var.database.instance_id],
    ] },
    { title = "Database: transaction ids in use", metrics = [
      ["AWS/RDS", "MaximumUsedTransactionIDs", "DBInstanceIdentifier", var.database.instance_id, { stat = "Maximum" }],
    ] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [for index, graph in local.graphs : {
        type       = "metric", x = (index % 2) * 12, y = floor(index / 2) * 6, width = 12, height = 6
        properties = { title = graph.title, metrics = graph.metrics, region = var.region, period = 60 }
      }],
      [for index, alarm in keys(var.application_alarms) : {
        type = "metric", x = (index % 2) * 12, y = 24 + floor(index / 2) * 6, width = 12, height = 6
        properties = {
          title = alarm, region = var.region, period = 60
          metrics = [concat(
            [var.application_alarms[alarm].namespace, var.application_alarms[alarm].metric],
            flatten([for dimension, value in var.application_alarms[alarm].dimensions : [dimension, value]]),
          )]
        }
      }],
      [{
        type = "log", x = 0, y = 24 + ceil(length(var.application_alarms) / 2) * 6, width = 24, height = 6
        properties = {
          title = "Warnings and errors", region = var.region
          query = "SOURCE '${var.service.log_group_name}' | fields @timestamp, level, message | filter level in ['WARN', 'ERROR'] | sort @timestamp desc | limit 50"
        }
      }],
    )
  })
}
