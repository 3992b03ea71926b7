# Alarms on the database. Each says what missing data means: a database that sends none is as bad as one that is full,
# except for what only some instances send.

locals {
  database_alarms = merge({
    "database-cpu" = {
      description = "The database's processor was above 80 % for ten minutes: see slow_statements.sql."
      metric      = "CPUUtilization", statistic = "Average", comparison = "GreaterThanThreshold", threshold = 80
      period      = 300, periods = 2, missing = "breaching"
    }
    "database-connections" = {
      description = "More than 80 % of the connections that all tasks may hold in a deployment are in use: see connections.sql."
      metric      = "DatabaseConnections", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = floor(var.connections_needed * 0.8)
      period      = 60, periods = 5, missing = "breaching"
    }
    "database-storage" = {
      description = "Less than 2 GB of storage are free: it stopped growing, or grows too slowly. See sizes.sql."
      metric      = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold", threshold = 2 * pow(1000, 3)
      period      = 300, periods = 1, missing = "breaching"
    }
    # CloudWatch knows what is free, not what there is; what there is comes from the last plan, which RDS's event about
    # grown storage is the time for. Below four fifths of the ceiling this is the alarm above.
    "database-storage-ceiling" = {
      description = "More than 80 % of the storage that the database may grow to (${var.database.max_allocated_storage_gb} GB) are used: raise max_allocated_storage_gb."
      metric      = "FreeStorageSpace", statistic = "Minimum", comparison = "LessThanThreshold"
      threshold   = max(2, var.database.allocated_storage_gb - 0.8 * var.database.max_allocated_storage_gb) * pow(1000, 3)
      period      = 300, periods = 3, missing = "breaching"
    }
    "database-memory" = {
      description = "Less than a tenth of the database's memory is free: it will use swap, or lose its cache."
      metric      = "FreeableMemory", statistic = "Average", comparison = "LessThanThreshold", threshold = floor(var.database.memory_bytes * 0.1)
      period      = 300, periods = 3, missing = "breaching"
    }
    # The age of the oldest transaction id, in transactions. At 200 million PostgreSQL begins to vacuum against it by itself, and
    # at 2 billion it takes no writes. How many minutes the oldest transaction is open is another thing, which CloudWatch does not
    # know: that alarm needs a metric of the application's (application_alarms), and until there is one, connections.sql.
    "database-wraparound" = {
      description = "500 million transaction ids are in use, and vacuum does not free them: at 2 billion the database takes no writes. See vacuum.sql and connections.sql."
      metric      = "MaximumUsedTransactionIDs", statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 500 * pow(1000, 2)
      period      = 300, periods = 3, missing = "missing"
    }
    }, startswith(var.database.instance_class, "db.t") ? {
    "database-credits" = {
      description = "The database's processor credits are nearly used up: from then on it costs more, or is slow. Take a larger or another class."
      metric      = "CPUCreditBalance", statistic = "Minimum", comparison = "LessThanThreshold", threshold = 30
      period      = 300, periods = 3, missing = "missing"
    }
  } : {})
}

resource "aws_cloudwatch_metric_alarm" "database" {
  for_each            = local.database_alarms
  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/RDS"
  dimensions          = { DBInstanceIdentifier = var.database.instance_id }
  metric_name         = each.value.metric
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

# Events that no metric shows: a failover, a storage that is to reach its ceiling, a failure, maintenance. Not the category backup, which
# sends two messages a night that all is well, until they are no longer read; the checklist looks at the time of the last backup instead. The
# topic has to let events.rds.amazonaws.com publish.
resource "aws_db_event_subscription" "this" {
  name             = "${var.name}-database"
  sns_topic        = var.alarm_topic_arn
  source_type      = "db-instance"
  source_ids       = [var.database.instance_id]
  event_categories = ["availability", "configuration change", "failover", "failure", "low storage", "maintenance", "notification", "recovery"]
}
