# HTTPS in front of the api service. Internal unless told otherwise.
#
# Whoever reaches it still needs a token; tokens leak, and then this fence is what is left. So it takes connections from
# `allowed_cidrs` only (a VPN, an office), and never from everywhere.

resource "aws_security_group" "this" {
  name        = "${var.name}-load-balancer"
  description = "Load balancer of the API"
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-load-balancer" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each = var.allowed_cidrs

  security_group_id = aws_security_group.this.id
  description       = "HTTPS from those who may press"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "api" {
  security_group_id            = aws_security_group.this.id
  description                  = "To the api tasks"
  referenced_security_group_id = var.api_security_group
  ip_protocol                  = "tcp"
  from_port                    = var.port
  to_port                      = var.port
}

resource "aws_lb" "this" {
  name                       = "${var.name}-api"
  internal                   = var.internal
  load_balancer_type         = "application"
  security_groups            = [aws_security_group.this.id]
  subnets                    = var.subnets
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "strictest"
  enable_deletion_protection = var.deletion_protection
  idle_timeout               = 120 # an upload that waits for its disk, a page that polls slowly

  dynamic "access_logs" {
    for_each = var.access_log_bucket == null ? [] : [var.access_log_bucket]
    content {
      enabled = true
      bucket  = access_logs.value
      prefix  = "${var.name}-api"
    }
  }
}

# Plain HTTP stays inside the VPC, between load balancer and task.
resource "aws_lb_target_group" "api" {
  name                 = "${var.name}-api"
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.port
  deregistration_delay = 20 # the api drains in less

  # /readyz is 503 while SQS, S3 or DynamoDB do not answer. ECS replaces a task that the load balancer calls unhealthy,
  # which helps against nothing of that kind, so it takes 100 s of failure. Until then, and while all are unhealthy, the
  # load balancer goes on sending requests to them: a press is still tried.
  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 10
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_route53_record" "api" {
  count = var.zone_id == null ? 0 : 1

  zone_id = var.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
