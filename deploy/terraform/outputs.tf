# What `owl` and the people at it need.

output "api_url" {
  description = "Where the API answers: OWL_SERVER."
  value       = local.api_url
}

output "api_dns_name" {
  description = "AWS's name of the load balancer: where `domain` must point when zone_id is null."
  value       = module.load_balancer.dns_name
}

output "region" {
  description = "AWS region."
  value       = local.region
}

output "prefix" {
  description = "Prefix of tables and queues: aws.prefix."
  value       = var.name
}

output "bucket" {
  description = "Bucket: aws.bucket."
  value       = module.bucket.name
}

output "queue_urls" {
  description = "Queue URLs: shards, batches, shards_dead, batches_dead."
  value       = module.queues.urls
}

output "tables" {
  description = "Table names."
  value       = module.tables.names
}

output "cluster" {
  description = "ECS cluster: aws.cluster."
  value       = module.cluster.name
}

output "services" {
  description = "Names of the ECS services."
  value       = { for key, service in module.service : key => service.name }
}

output "log_groups" {
  description = "Log groups of the services."
  value       = { for key, service in module.service : key => service.log_group }
}

output "secrets" {
  description = "Secrets whose values are put by hand (modules/secrets says how)."
  value       = module.secrets.names
}

output "network" {
  description = "Where a machine stands that the tasks reach or that reaches them, such as a rehearsal's stand-in gateways: VPC, subnets, and the push workers' security group, to let in."
  value = {
    vpc_id                     = module.network.vpc_id
    public_subnets             = module.network.public_subnets
    private_subnets            = module.network.private_subnets
    push_worker_security_group = aws_security_group.tasks["push-worker"].id
  }
}

output "gateway_ports" {
  description = "Ports besides 443 that push workers may reach."
  value       = toset([for rule in aws_vpc_security_group_egress_rule.gateways : rule.from_port])
}

output "alarm_topic" {
  description = "Topic of the alarms, for the pager."
  value       = module.alarms.topic_arn
}

output "alarms" {
  description = "Names of the alarms; docs/runbook.md has a heading for each."
  value       = module.alarms.names
}

output "dashboard" {
  description = "Name of the CloudWatch dashboard."
  value       = module.dashboard.name
}

output "policies" {
  description = "Policies of every role by service, for review and tests."
  value       = { for key, service in module.service : key => service.policies }
}

output "at_rest_usd_month" {
  description = "Estimate of what a month costs with both fleets at 0, by item (cost.tf)."
  value       = local.at_rest
}
