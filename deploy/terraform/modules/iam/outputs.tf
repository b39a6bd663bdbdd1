output "execution_role_arn" {
  description = "Role of ECS when it starts a task."
  value       = aws_iam_role.this["execution"].arn
  depends_on  = [aws_iam_role_policy.this]
}

output "task_role_arn" {
  description = "Role of the program."
  value       = aws_iam_role.this["task"].arn
  depends_on  = [aws_iam_role_policy.this]
}

output "policies" {
  description = "Both policies as JSON, for the tests."
  value       = local.policies
}
