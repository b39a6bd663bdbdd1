# The example with its own terraform.tfvars.example, applied to a mock of AWS.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "rehearsal" {
  assert {
    condition     = output.owl.prefix == "owl-rehearsal" && output.owl.at_rest_usd_month.total < 150
    error_message = "A rehearsal's installation is small."
  }
}

run "between_rehearsals" {
  variables {
    interface_endpoints = false
  }

  assert {
    condition     = output.owl.at_rest_usd_month.total < 60
    error_message = "Between rehearsals it costs more than 60 dollars a month."
  }
}

run "reaches_no_phone" {
  command = plan

  variables {
    gateway_endpoint = "api.push.apple.com:443"
  }

  expect_failures = [var.gateway_endpoint]
}
