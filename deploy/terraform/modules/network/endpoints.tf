# Ways to AWS that cost no NAT bytes. The gateway endpoints are free; an interface endpoint is billed by the hour in each
# zone, so `interface_endpoints` can be off between events: all tasks then stand in public subnets with an address each and
# no way in, and reach SQS and the others at their public names, still without NAT.

locals {
  # ecr.*: images (their layers come through the S3 gateway). logs: log lines and metrics. ecs: `owl fleet scale`.
  # No kms: no service calls KMS itself; S3, DynamoDB and Secrets Manager do, on their side.
  interface_services = concat(
    ["sqs", "ecr.api", "ecr.dkr", "logs", "ecs", "secretsmanager"],
    var.ec2_hosts ? ["ecs-agent", "ecs-telemetry"] : [],
    var.extra_endpoints,
  )
  interface_endpoints = var.interface_endpoints ? toset(local.interface_services) : toset([])
}

resource "aws_vpc_endpoint" "gateway" {
  for_each = toset(["s3", "dynamodb"])

  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${data.aws_region.current.region}.${each.key}"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = concat([aws_route_table.public.id], [for table in aws_route_table.private : table.id])

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = local.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${data.aws_region.current.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints: HTTPS from the tasks"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  description       = "HTTPS from within the VPC"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
