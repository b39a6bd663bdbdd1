output "name" {
  description = "Name of the ECS service."
  value       = aws_ecs_service.this.name
}

output "log_group" {
  description = "Log group of the service."
  value       = aws_cloudwatch_log_group.this.name
}

output "policies" {
  description = "Policies of both roles, for the tests."
  value       = module.iam.policies
}
