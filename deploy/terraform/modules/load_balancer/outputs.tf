output "security_group" {
  description = "Security group of the load balancer."
  value       = aws_security_group.this.id
}

output "dns_name" {
  description = "AWS's name of the load balancer."
  value       = aws_lb.this.dns_name
}

output "target_group_arn" {
  description = "Target group of the api tasks. Known only once a listener uses it, as ECS demands."
  value       = aws_lb_target_group.api.arn
  depends_on  = [aws_lb_listener.https]
}

output "arn_suffix" {
  description = "Dimension LoadBalancer in CloudWatch."
  value       = aws_lb.this.arn_suffix
}

output "target_group_arn_suffix" {
  description = "Dimension TargetGroup in CloudWatch."
  value       = aws_lb_target_group.api.arn_suffix
}
