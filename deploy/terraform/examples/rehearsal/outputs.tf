output "owl" {
  description = "What `owl` and the people at it need."
  value       = module.owl
}

output "api_url" {
  description = "Where the API answers: OWL_SERVER."
  value       = module.owl.api_url
}

output "cluster" {
  description = "ECS cluster, for the commands in docs/runbook.md."
  value       = module.owl.cluster
}

output "network" {
  description = "Where the machine with the stand-in gateways stands: VPC, subnets, and the push workers' security group, to let in."
  value       = module.owl.network
}
