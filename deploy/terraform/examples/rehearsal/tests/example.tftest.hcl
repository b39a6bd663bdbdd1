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
    condition     = output.owl.gateway_ports == toset([8443, 8444, 8445])
    error_message = "APNs, FCM and FCM's access tokens have a port each."
  }

  assert {
    condition     = length(output.network.public_subnets) == 2 && output.network.push_worker_security_group != ""
    error_message = "The machine with the stand-in gateways has subnets to stand in, and a group to let in."
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

run "reaches_none_of_googles_other_names" {
  command = plan

  variables {
    gateway_host = "accounts.google.com"
  }

  expect_failures = [var.gateway_host]
}

run "reaches_none_of_apples_other_names" {
  command = plan

  variables {
    gateway_host = "icloud.com"
  }

  expect_failures = [var.gateway_host]
}

run "reaches_none_of_apples_addresses" {
  command = plan

  variables {
    gateway_host = "17.188.143.1"
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

run "the_host_is_in_lower_case" {
  command = plan

  variables {
    gateway_host = "Gateways.rehearsal.internal"
  }

  expect_failures = [var.gateway_host]
}

run "the_host_has_no_empty_part" {
  command = plan

  variables {
    gateway_host = "gateways..internal"
  }

  expect_failures = [var.gateway_host]
}

run "the_host_has_no_hyphen_first" {
  command = plan

  variables {
    gateway_host = "-gateways.internal"
  }

  expect_failures = [var.gateway_host]
}

run "the_host_has_no_dot_last" {
  command = plan

  variables {
    gateway_host = "gateways.rehearsal.internal."
  }

  expect_failures = [var.gateway_host]
}

run "another_fruit_is_no_phone" {
  command = plan

  variables {
    gateway_host = "gateways.pineapple.com"
  }
}

run "an_address_is_a_host" {
  command = plan

  variables {
    gateway_host = "10.40.17.5"
  }
}
