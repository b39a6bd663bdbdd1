output "arns" {
  description = "Secret ARNs: apns_key, fcm_service_account, admin_token."
  value       = { for key, secret in aws_secretsmanager_secret.this : key => secret.arn }
}

output "names" {
  description = "Secret names by the same keys."
  value       = { for key, secret in aws_secretsmanager_secret.this : key => secret.name }
}
