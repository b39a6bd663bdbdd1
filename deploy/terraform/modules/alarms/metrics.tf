# The names that the services write (docs/metrics.md): namespace, metrics, and the dimensions that each always has.
#
#   ready                   gauge 0 or 1                    service
#   gateway_answers         counter                         service, gateway, outcome
#   credential_age_seconds  gauge                           service, gateway
#   breaker                 gauge 0, 1 or 2                 service, gateway
#   audit_lost              counter                         service
#
# CloudWatch finds a metric only by exactly its set of dimensions: one more or less, and an alarm stays silent for ever.

locals {
  own = "SuperbOwl"
  metrics = {
    ready                  = "ready"
    gateway_answers        = "gateway_answers"
    credential_age_seconds = "credential_age_seconds"
    breaker                = "breaker"
    audit_lost             = "audit_lost"
  }

  # Per cent of a gateway's answers within a minute, by the label `outcome`. Dead tokens (`unregistered`) are usual and
  # left out, and so are `credentials_expired` and `not_sent`, which are tried again at once.
  error_percent = {
    misconfigured              = 0.1 # our credentials: wrong for everybody
    payload_too_large          = 0.1 # preflight should have caught it
    bad_request                = 0.5
    bad_device_token           = 5 # usually the wrong environment; Apple disconnects for it
    device_token_not_for_topic = 5
    sender_id_mismatch         = 5
    unavailable                = 2
    throttled                  = 1 # the gateway's quota
    too_many_requests          = 2 # to one device
    ambiguous                  = 1
    unknown_answer             = 0.5
  }

  error_alarms = {
    for pair in setproduct(["apns", "fcm"], keys(local.error_percent)) :
    "${pair[0]}-${replace(pair[1], "_", "-")}" => { gateway = pair[0], outcome = pair[1], percent = local.error_percent[pair[1]] }
  }
}

# Error rate by reason: answers of this outcome against these and the accepted ones; fewer than 100 say nothing yet.
resource "aws_cloudwatch_metric_alarm" "errors" {
  for_each = local.error_alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "More than ${each.value.percent} % of ${each.value.gateway}'s answers are ${each.value.outcome}. docs/runbook.md: ${each.value.outcome}"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.percent
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "percent"
    label       = "${each.value.outcome}, %"
    expression  = "IF(FILL(bad, 0) + FILL(good, 0) >= 100, 100 * FILL(bad, 0) / (FILL(bad, 0) + FILL(good, 0)), 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { bad = each.value.outcome, good = "accepted" }
    content {
      id = metric_query.key

      metric {
        namespace   = local.own
        metric_name = local.metrics.gateway_answers
        dimensions  = { service = "push-worker", gateway = each.value.gateway, outcome = metric_query.value }
        stat        = "Sum"
        period      = 60
      }
    }
  }
}
