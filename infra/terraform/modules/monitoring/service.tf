# Alarms on the service, as its clients see it.

locals {
  load_balancer = { LoadBalancer = var.service.load_balancer_arn_suffix }
  targets       = { LoadBalancer = var.service.load_balancer_arn_suffix, TargetGroup = var.service.target_group_arn_suffix }
  tasks         = { ClusterName = var.service.cluster_name, ServiceName = var.service.service_name }

  service_alarms = {
    "service-5xx" = {
      description = "The server answered with 5xx more than ten times in five minutes: see its log."
      namespace   = "AWS/ApplicationELB", dimensions = local.targets, metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", extended = null
      comparison  = "GreaterThanThreshold", threshold = 10, period = 300, periods = 1, missing = "notBreaching"
    }
    "load-balancer-5xx" = {
      description = "The load balancer answered with 5xx itself more than ten times in five minutes: no task was there to answer, or it closed connections."
      namespace   = "AWS/ApplicationELB", dimensions = local.load_balancer, metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", extended = null
      comparison  = "GreaterThanThreshold", threshold = 10, period = 300, periods = 1, missing = "notBreaching"
    }
    "service-p95" = {
      description = "One answer in twenty took more than ${var.p95_seconds} s for a quarter of an hour."
      namespace   = "AWS/ApplicationELB", dimensions = local.targets, metric = "TargetResponseTime", statistic = null, extended = "p95"
      comparison  = "GreaterThanThreshold", threshold = var.p95_seconds, period = 300, periods = 3, missing = "notBreaching"
    }
    "service-unhealthy" = {
      description = "A task does not pass the probe on /readyz."
      namespace   = "AWS/ApplicationELB", dimensions = local.targets, metric = "UnHealthyHostCount", statistic = "Maximum", extended = null
      comparison  = "GreaterThanThreshold", threshold = 0, period = 60, periods = 3, missing = "notBreaching"
    }
    # A kernel or a large notebook can fill a task, which is then ended in the middle of its work.
    "service-memory" = {
      description = "The tasks used more than 85 % of their memory for a quarter of an hour: raise memory_mib."
      namespace   = "AWS/ECS", dimensions = local.tasks, metric = "MemoryUtilization", statistic = "Maximum", extended = null
      comparison  = "GreaterThanThreshold", threshold = 85, period = 300, periods = 3, missing = "notBreaching"
    }
    "service-tasks" = {
      description = "Fewer than ${var.service.min_tasks} tasks are running."
      namespace   = "ECS/ContainerInsights", dimensions = local.tasks, metric = "RunningTaskCount", statistic = "Minimum", extended = null
      comparison  = "LessThanThreshold", threshold = var.service.min_tasks, period = 60, periods = 5, missing = "breaching"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "service" {
  for_each            = local.service_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  dimensions          = each.value.dimensions
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  extended_statistic  = each.value.extended
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

# The application's own metrics, once there are some that are worth an alarm: their names and thresholds are an input.
resource "aws_cloudwatch_metric_alarm" "application" {
  for_each            = var.application_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  dimensions          = each.value.dimensions
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period_seconds
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
