# What an installation refuses: each is a mistake that somebody could make in a hurry.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  bucket          = "example-owl"
  image           = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/superb-owl:0.1.0"
  domain          = "owl.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/0"
  allowed_cidrs   = ["10.8.0.0/24"]
  budget_usd      = 100
  fcm             = {}
}

run "everybody_may_press" {
  command = plan
  variables {
    allowed_cidrs = ["0.0.0.0/0"]
  }
  expect_failures = [var.allowed_cidrs]
}

run "a_wide_range_may_press_from_outside" {
  command = plan
  variables {
    internal      = false
    allowed_cidrs = ["203.0.0.0/16"]
  }
  expect_failures = [var.allowed_cidrs]
}

run "image_that_moves" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/superb-owl:latest"
  }
  expect_failures = [var.image]
}

run "no_gateway" {
  command = plan
  variables {
    fcm = null
  }
  expect_failures = [var.fcm]
}

run "secret_in_the_state" {
  command = plan
  variables {
    environment = { push-worker = { OWL_APNS__KEY = "-----BEGIN PRIVATE KEY-----" } }
  }
  expect_failures = [var.environment]
}

run "fleet_never_scaled_down" {
  command = plan
  variables {
    prescale = [{ at = "2027-02-14T19:00:00Z", interim = 20, push = 500 }]
  }
  expect_failures = [var.prescale]
}

run "local_time" {
  command = plan
  variables {
    prescale = [
      { at = "2027-02-14T19:00:00+01:00", interim = 20, push = 500 },
      { at = "2027-02-15T08:00:00Z", interim = 0, push = 0, scale_in = true },
    ]
  }
  expect_failures = [var.prescale]
}

run "ec2_tasks_with_public_addresses" {
  command = plan
  variables {
    capacity = { kind = "ec2" }
  }
  expect_failures = [var.capacity]
}

run "sqs_through_nat" {
  command = plan
  variables {
    egress              = "nat"
    interface_endpoints = false
  }
  expect_failures = [var.interface_endpoints]
}

run "ec2_behind_nat" {
  command = plan
  variables {
    capacity = { kind = "ec2", hosts_max = 10 }
    egress   = "nat"
  }
}
