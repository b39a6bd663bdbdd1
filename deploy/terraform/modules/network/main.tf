# The VPC: public and private subnets in each zone, and the ways out.
#
# To AWS: SQS, DynamoDB, S3 and what ECS needs are reached through endpoints, never through NAT.
# To APNs and FCM, by `egress`:
#   public  push workers stand in public subnets with an address each. Nothing on the way counts connections, drops idle
#           ones or sends a bill by the byte. They accept nothing: their security group has no way in.
#   nat     push workers stand in private subnets behind a NAT gateway in each zone. One gateway address carries 55,000
#           connections to one destination (address, port, protocol). 500 workers x 40 connections = 20,000 in all, over
#           three zones 6,700 a gateway: enough even if Apple's name gave every worker the same address. The limit is
#           checked against `push_connections` below. A NAT gateway cuts connections that are silent for 350 s: the
#           workers must send HTTP/2 PINGs more often than that while they wait, armed, for the press.
#           The bytes: 4M pushes of at most 5 KB are 20 GB, about a dollar.

data "aws_region" "current" {}

locals {
  # Named, not asked for: a zone that AWS adds, or calls unavailable on a bad day, must not move subnets about.
  zones = [for letter in var.zones : "${data.aws_region.current.region}${letter}"]
  # A /16 gives subnets of 4,091 addresses: far more than the tasks, one address each, of the largest fleet.
  public_cidrs  = { for n, zone in local.zones : zone => cidrsubnet(var.cidr, 4, n) }
  private_cidrs = { for n, zone in local.zones : zone => cidrsubnet(var.cidr, 4, n + 8) }
}

resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # private names of the interface endpoints

  tags = { Name = var.name }
}

# What forgets to name a security group gets this one: it lets nothing in or out.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-default-closed" }
}

resource "aws_internet_gateway" "this" {
  vpc_id = aws_vpc.this.id

  tags = { Name = var.name }
}

resource "aws_subnet" "public" {
  for_each = local.public_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value

  tags = { Name = "${var.name}-public-${each.key}" }
}

resource "aws_subnet" "private" {
  for_each = local.private_cidrs

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = each.value

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-public" }
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.this.id
}

resource "aws_route_table_association" "public" {
  for_each = aws_subnet.public

  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table" "private" {
  for_each = local.private_cidrs

  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private[each.key].id
}
