output "topic_arn" {
  description = "Topic of the alarms."
  value       = aws_sns_topic.alarms.arn
}

output "names" {
  description = "Names of all alarms."
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.this)[*].alarm_name, values(aws_cloudwatch_metric_alarm.errors)[*].alarm_name))
}

output "metrics_watched" {
  description = "Number of metrics that the alarms look at: what CloudWatch bills."
  value       = length(local.alarms) + 2 * length(local.error_alarms)
}

output "arns" {
  description = "ARNs of all alarms."
  value       = sort(concat(values(aws_cloudwatch_metric_alarm.this)[*].arn, values(aws_cloudwatch_metric_alarm.errors)[*].arn))
}
