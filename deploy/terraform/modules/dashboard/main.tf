# One page for the evening: from the press at the top to the phones at the bottom. Figures here are a minute old; the
# console shows the second.

locals {
  own = "SuperbOwl"

  # Title, then metrics in CloudWatch's form; `search` instead where the dimensions' values are not known beforehand.
  graphs = [
    {
      title = "Queues: waiting", stat = "Maximum"
      metrics = [for queue in ["shards", "batches"] :
      ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queues[queue], { label = queue }]]
    },
    {
      title = "Queues: in flight (SQS stops at 120,000)", stat = "Maximum"
      metrics = [for queue in ["shards", "batches"] :
      ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.queues[queue], { label = queue }]]
    },
    {
      title = "Queues: age of the oldest, s", stat = "Maximum"
      metrics = [for queue in ["shards", "batches"] :
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queues[queue], { label = queue }]]
    },
    {
      title = "Dead letters", stat = "Maximum"
      metrics = concat(
        [for queue in ["shards_dead", "batches_dead"] : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queues[queue], { label = queue }]],
        [[{ expression = "SEARCH('{${local.own},service,queue} MetricName=\"dead_letters\"', 'Maximum', 60)", label = "seen by" }]],
      )
    },
    {
      title = "Share of each service that is ready", stat = "Average"
      metrics = [for service in ["api", "interim-worker", "push-worker"] :
      [local.own, "ready", "service", service, { label = service }]]
    },
    {
      title = "Tasks running", stat = "Average"
      metrics = [for service in values(var.services) :
      ["ECS/ContainerInsights", "RunningTaskCount", "ClusterName", var.cluster, "ServiceName", service, { label = service }]]
    },
    {
      title   = "APNs: answers a minute, by outcome", stat = "Sum"
      metrics = [[{ expression = "SEARCH('{${local.own},service,gateway,outcome} MetricName=\"gateway_answers\" gateway=\"apns\"', 'Sum', 60)" }]]
    },
    {
      title   = "FCM: answers a minute, by outcome", stat = "Sum"
      metrics = [[{ expression = "SEARCH('{${local.own},service,gateway,outcome} MetricName=\"gateway_answers\" gateway=\"fcm\"', 'Sum', 60)" }]]
    },
    {
      title = "Age of credentials, s", stat = "Maximum"
      metrics = [for gateway in ["apns", "fcm"] :
      [local.own, "credential_age_seconds", "service", "push-worker", "gateway", gateway, { label = gateway }]]
    },
    {
      title = "Tables: write units a minute", stat = "Sum"
      metrics = [for table in values(var.tables) :
      ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", table, { label = table }]]
    },
    {
      title = "Tables: read units a minute", stat = "Sum"
      metrics = [for table in values(var.tables) :
      ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", table, { label = table }]]
    },
    {
      title = "Tables: throttled", stat = "Sum"
      metrics = concat(
        [for table in values(var.tables) : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", table, { label = "${table} writes" }]],
        [for table in values(var.tables) : ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", table, { label = "${table} reads" }]],
      )
    },
    {
      title = "API: requests and 5xx", stat = "Sum"
      metrics = [
        ["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.load_balancer, { label = "requests" }],
        ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.load_balancer, { label = "5xx" }],
      ]
    },
    {
      title = "API: slowest 1 %, s", stat = "p99"
      metrics = [
        ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.load_balancer, { label = "p99" }],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{
        type       = "alarm", x = 0, y = 0, width = 24, height = 4
        properties = { title = "Alarms", alarms = var.alarm_arns }
      }],
      [for n, graph in local.graphs : {
        type = "metric", x = 8 * (n % 3), y = 4 + 6 * floor(n / 3), width = 8, height = 6
        properties = {
          title   = graph.title
          region  = var.region
          view    = "timeSeries"
          period  = 60
          stat    = graph.stat
          metrics = graph.metrics
          yAxis   = { left = { min = 0 } }
        }
      }],
    )
  })
}
