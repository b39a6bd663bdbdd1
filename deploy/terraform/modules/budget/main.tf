# A monthly budget. It warns, hours late, and stops nothing: the alarm `fleet-left-on` is the quick one.

locals {
  warnings = {
    most_spent    = { percent = 80, type = "ACTUAL" }
    spent         = { percent = 100, type = "ACTUAL" }
    will_be_spent = { percent = 100, type = "FORECASTED" }
  }
}

resource "aws_budgets_budget" "this" {
  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(var.monthly_usd)
  limit_unit   = "USD"

  # Counts only what carries the tag, and so nothing at all before the tag is activated for cost allocation.
  dynamic "cost_filter" {
    for_each = var.tag == null ? [] : [var.tag]
    content {
      name   = "TagKeyValue"
      values = [format("user:%s$%s", cost_filter.value.key, cost_filter.value.value)]
    }
  }

  dynamic "notification" {
    for_each = local.warnings
    content {
      comparison_operator       = "GREATER_THAN"
      threshold                 = notification.value.percent
      threshold_type            = "PERCENTAGE"
      notification_type         = notification.value.type
      subscriber_sns_topic_arns = [var.topic_arn]
    }
  }
}
