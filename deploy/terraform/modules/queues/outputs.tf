output "urls" {
  description = "Queue URLs: shards, batches, shards_dead, batches_dead."
  value       = { for key, queue in local.queues : key => queue.url }
}

output "arns" {
  description = "Queue ARNs by the same keys."
  value       = { for key, queue in local.queues : key => queue.arn }
}

output "names" {
  description = "Queue names by the same keys, as CloudWatch's QueueName."
  value       = { for key, queue in local.queues : key => queue.name }
}
