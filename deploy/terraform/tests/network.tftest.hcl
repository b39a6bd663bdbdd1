# Ways in and out.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                = "owl"
  cidr                = "10.40.0.0/16"
  zones               = ["a", "b", "c"]
  egress              = "public"
  nat_addresses       = 1
  push_connections    = 20000
  interface_endpoints = true
  ec2_hosts           = false
}

run "endpoints_and_no_nat" {
  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_vpc_endpoint.gateway) == 2
    error_message = "S3 and DynamoDB by gateway endpoints, no NAT."
  }

  assert {
    condition     = contains(output.interface_services, "sqs") && length(output.interface_services) == 6
    error_message = "SQS has an interface endpoint; six in all, each with its hourly price."
  }

  assert {
    condition     = keys(aws_subnet.private) == ["eu-central-1a", "eu-central-1b", "eu-central-1c"] && length(distinct(concat(values(aws_subnet.private)[*].cidr_block, values(aws_subnet.public)[*].cidr_block))) == 6
    error_message = "A private and a public subnet in each zone."
  }

  assert {
    condition     = length(aws_vpc_endpoint.gateway["s3"].route_table_ids) == 4
    error_message = "Every route table leads to S3 through its endpoint."
  }
}

run "nat_in_each_zone" {
  module {
    source = "./modules/network"
  }

  variables {
    egress        = "nat"
    nat_addresses = 2
  }

  assert {
    condition     = length(aws_nat_gateway.this) == 3 && length(aws_eip.nat) == 6 && length(aws_route.nat) == 3
    error_message = "A gateway with two addresses in each zone."
  }
}

run "too_many_connections_for_nat" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress           = "nat"
    push_connections = 110001
  }

  expect_failures = [aws_nat_gateway.this]
}

run "as_many_as_nat_carries" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    egress           = "nat"
    push_connections = 110000
  }
}

run "same_zone_twice" {
  command = plan

  module {
    source = "./modules/network"
  }

  variables {
    zones = ["a", "a", "b"]
  }

  expect_failures = [var.zones]
}
