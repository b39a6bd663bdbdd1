output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "capacity_provider" {
  description = "Capacity provider of the services. Known only once the cluster has it, so that no service starts before."
  value       = local.capacity_provider
  depends_on  = [aws_ecs_cluster_capacity_providers.this]
}
