# The example with its own terraform.tfvars.example, applied to a mock of AWS.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "rehearsal" {
  assert {
    condition     = output.owl.prefix == "owl-rehearsal" && output.owl.at_rest_usd_month.total < 150
    error_message = "A rehearsal's installation is small."
  }

  assert {
    condition     = output.owl.gateway_ports == tolist(["8443", "8444", "8445"])
    error_message = "APNs, FCM and FCM's access tokens have a port each."
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
    gateway_host = "api.push.apple.com"
  }

  expect_failures = [var.gateway_host]
}

run "reaches_no_google" {
  command = plan

  variables {
    gateway_host = "fcm.googleapis.com."
  }

  expect_failures = [var.gateway_host]
}

run "the_host_is_without_a_port" {
  command = plan

  variables {
    gateway_host = "gateways.rehearsal.internal:8443"
  }

  expect_failures = [var.gateway_host]
}
