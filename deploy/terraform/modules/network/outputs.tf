output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "public_subnets" {
  description = "Public subnets."
  value       = [for subnet in aws_subnet.public : subnet.id]
}

output "private_subnets" {
  description = "Private subnets."
  value       = [for subnet in aws_subnet.private : subnet.id]
}

output "interface_services" {
  description = "Services that have an interface endpoint."
  value       = sort(keys(aws_vpc_endpoint.interface))
}

output "nat_gateways" {
  description = "Number of NAT gateways."
  value       = length(aws_nat_gateway.this)
}
