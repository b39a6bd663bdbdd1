# Scheduled sizes. There is no scaling policy, so Application Auto Scaling acts at these times only, and in between leaves
# alone what `owl fleet scale` sets, inside or outside of minimum and maximum.
#
#   usual     minimum N: a smaller fleet grows to N, a larger one (somebody scaled by hand) stays as it is
#   scale_in  minimum and maximum N: the fleet becomes N. Tasks under protection (campaign armed, sending or stopping) go
#             on until it ends, then they are stopped; none that dies meanwhile is replaced. So: hours after the event.

resource "aws_appautoscaling_target" "this" {
  count = var.tasks_max == 0 ? 0 : 1

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = 0
  max_capacity       = var.tasks_max

  # A scheduled action writes its own into the target. Putting these back during an event would be a surprise.
  lifecycle {
    ignore_changes = [min_capacity, max_capacity]
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = var.tasks_max == 0 ? {} : { for item in var.prescale : item.at => item }

  name               = "${local.full_name}-${formatdate("YYYYMMDD-hhmm", each.key)}"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  schedule           = "at(${formatdate("YYYY-MM-DD'T'hh:mm:ss", each.key)})" # UTC: `at` ends in Z

  scalable_target_action {
    min_capacity = each.value.tasks
    max_capacity = each.value.scale_in ? each.value.tasks : var.tasks_max
  }

  lifecycle {
    precondition {
      condition     = each.value.tasks <= var.tasks_max
      error_message = "A scheduled size is above the fleet's maximum."
    }
  }
}
