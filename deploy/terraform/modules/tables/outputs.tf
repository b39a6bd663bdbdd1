output "arns" {
  description = "Table ARNs by table (campaigns, ledger, devices, fleet, audit, access, webhooks)."
  value       = { for key, table in aws_dynamodb_table.this : key => table.arn }
}

output "names" {
  description = "Table names by table."
  value       = { for key, table in aws_dynamodb_table.this : key => table.name }
}
