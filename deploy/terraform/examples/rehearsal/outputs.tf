output "owl" {
  description = "What `owl` and the people at it need."
  value       = module.owl
}
