# What pages somebody. Each alarm's key is its heading in docs/runbook.md. Metrics of our own (metrics.tf) come from the
# services' log lines (Embedded Metric Format); the others from AWS.
#
# missing: what silence means. Silent workers are usual (none runs at rest), a silent API is not.

locals {
  queue_alarms = merge(
    {
      shards-old = {
        what      = "Shard envelopes wait: interim workers are missing or stuck"
        namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum"
        dims      = { QueueName = var.queues.shards }
        op        = "GreaterThanThreshold", threshold = var.thresholds.shard_age_seconds, periods = 1
      }
      batches-old = {
        what      = "Batch envelopes wait: push workers are missing, stuck, or held back by a gateway"
        namespace = "AWS/SQS", metric = "ApproximateAgeOfOldestMessage", stat = "Maximum"
        dims      = { QueueName = var.queues.batches }
        op        = "GreaterThanThreshold", threshold = var.thresholds.batch_age_seconds, periods = 1
      }
    },
    {
      for queue in ["shards", "batches"] : "${queue}-in-flight" => {
        what      = "Near SQS's 120,000 messages in flight: receives come back empty above it"
        namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesNotVisible", stat = "Maximum"
        dims      = { QueueName = var.queues[queue] }
        op        = "GreaterThanThreshold", threshold = var.thresholds.in_flight, periods = 1
      }
    },
    {
      for queue in ["shards", "batches"] : "${queue}-dead" => {
        what      = "Dead letters: look before `owl redrive`"
        namespace = "AWS/SQS", metric = "ApproximateNumberOfMessagesVisible", stat = "Maximum"
        dims      = { QueueName = var.queues["${queue}_dead"] }
        op        = "GreaterThanThreshold", threshold = 0, periods = 1
      }
    },
  )

  table_alarms = {
    for pair in setproduct(keys(var.tables), ["Read", "Write"]) : "${pair[0]}-${lower(pair[1])}-throttled" => {
      what      = "DynamoDB throttles ${lower(pair[1])}s of the ${pair[0]} table: warm throughput, or a hot key"
      namespace = "AWS/DynamoDB", metric = "${pair[1]}ThrottleEvents", stat = "Sum"
      dims      = { TableName = var.tables[pair[0]] }
      op        = "GreaterThanThreshold", threshold = 0, periods = 1
    }
  }

  service_alarms = {
    api-not-ready = {
      what      = "No api task could do its part of a press, or none speaks"
      namespace = local.own, metric = local.metrics.ready, stat = "Maximum"
      dims      = { service = "api" }
      op        = "LessThanThreshold", threshold = 1, periods = 3, missing = "breaching"
    }
    interim-workers-not-ready = {
      what      = "More than 5 % of the interim workers are not ready"
      namespace = local.own, metric = local.metrics.ready, stat = "Average"
      dims      = { service = "interim-worker" }
      op        = "LessThanThreshold", threshold = 0.95, periods = 3
    }
    push-workers-not-ready = {
      what      = "More than 5 % of the push workers are not ready"
      namespace = local.own, metric = local.metrics.ready, stat = "Average"
      dims      = { service = "push-worker" }
      op        = "LessThanThreshold", threshold = 0.95, periods = 3
    }
    api-unhealthy = {
      what      = "The load balancer calls an api task unhealthy"
      namespace = "AWS/ApplicationELB", metric = "UnHealthyHostCount", stat = "Maximum"
      dims      = { LoadBalancer = var.load_balancer, TargetGroup = var.target_group }
      op        = "GreaterThanThreshold", threshold = 0, periods = 3
    }
    api-errors = {
      what      = "The API answers 5xx"
      namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", stat = "Sum"
      dims      = { LoadBalancer = var.load_balancer }
      op        = "GreaterThanThreshold", threshold = 5, periods = 1
    }
    certificate-age = {
      what      = "The API's certificate ends soon: ACM did not renew it"
      namespace = "AWS/CertificateManager", metric = "DaysToExpiry", stat = "Minimum"
      dims      = { CertificateArn = var.certificate_arn }
      op        = "LessThanThreshold", threshold = var.thresholds.certificate_days, periods = 1, period = 86400
    }
    apns-token-age = {
      what      = "A push worker's APNs token is older than Apple takes (60 min): minting fails, or a clock is wrong"
      namespace = local.own, metric = local.metrics.credential_age_seconds, stat = "Maximum"
      dims      = { service = "push-worker", gateway = "apns" }
      op        = "GreaterThanThreshold", threshold = 3000, periods = 2
    }
    fcm-token-age = {
      what      = "A push worker's FCM bearer is close to its hour: the token endpoint does not answer, or refuses"
      namespace = local.own, metric = local.metrics.credential_age_seconds, stat = "Maximum"
      dims      = { service = "push-worker", gateway = "fcm" }
      op        = "GreaterThanThreshold", threshold = 3500, periods = 2
    }
    audit-lost = {
      what      = "Audit entries were not written: who did what is missing"
      namespace = local.own, metric = local.metrics.audit_lost, stat = "Sum"
      dims      = { service = "api" }
      op        = "GreaterThanThreshold", threshold = 0, periods = 1
    }
    fleet-left-on = {
      what      = "Push workers have been running for ${var.thresholds.fleet_hours} hours: forgotten after an event?"
      namespace = "ECS/ContainerInsights", metric = "RunningTaskCount", stat = "Minimum"
      dims      = { ClusterName = var.cluster, ServiceName = var.push_service }
      op        = "GreaterThanThreshold", threshold = 0, periods = var.thresholds.fleet_hours, period = 3600
    }
  }

  breaker_alarms = {
    for gateway in ["apns", "fcm"] : "${gateway}-breaker" => {
      what      = "The whole fleet has given up on ${gateway}: answers without one success"
      namespace = local.own, metric = local.metrics.breaker, stat = "Maximum"
      dims      = { service = "push-worker", gateway = gateway }
      op        = "GreaterThanThreshold", threshold = 1, periods = 1
    }
  }

  alarms = merge(local.breaker_alarms, local.queue_alarms, local.table_alarms, local.service_alarms)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.what}. docs/runbook.md: ${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  statistic           = each.value.stat
  dimensions          = each.value.dims
  comparison_operator = each.value.op
  threshold           = each.value.threshold
  period              = try(each.value.period, 60)
  evaluation_periods  = each.value.periods
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
