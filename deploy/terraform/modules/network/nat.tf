# Only with egress = "nat": a NAT gateway in each zone, so that a lost zone takes no other's way out with it.

locals {
  nat_zones = var.egress == "nat" ? local.zones : []
  # nat_addresses addresses in each zone; the first is the gateway's own, the others are added to it.
  nat_addresses = { for pair in setproduct(local.nat_zones, range(var.nat_addresses)) : "${pair[0]}-${pair[1]}" => pair[0] }
  # AWS: simultaneous connections of one NAT address to one destination address, port and protocol.
  nat_connections_max = 55000
}

resource "aws_eip" "nat" {
  for_each = local.nat_addresses

  domain = "vpc"

  tags = { Name = "${var.name}-nat-${each.key}" }
}

resource "aws_nat_gateway" "this" {
  for_each = toset(local.nat_zones)

  subnet_id                = aws_subnet.public[each.key].id
  allocation_id            = aws_eip.nat["${each.key}-0"].id
  secondary_allocation_ids = var.nat_addresses == 1 ? null : [for n in range(1, var.nat_addresses) : aws_eip.nat["${each.key}-${n}"].id]

  tags = { Name = "${var.name}-${each.key}" }

  lifecycle {
    # The worst case: all connections to one of Apple's addresses, one zone lost.
    precondition {
      condition     = var.push_connections <= local.nat_connections_max * var.nat_addresses * (length(var.zones) - 1)
      error_message = "push_connections is more than the NAT gateways that are left after a zone is lost can carry to one destination (55,000 for each address): raise nat_addresses or use egress = \"public\"."
    }
  }

  depends_on = [aws_internet_gateway.this]
}

resource "aws_route" "nat" {
  for_each = aws_nat_gateway.this

  route_table_id         = aws_route_table.private[each.key].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = each.value.id
}
