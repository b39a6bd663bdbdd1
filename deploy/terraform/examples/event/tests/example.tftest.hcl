# The example with its own terraform.tfvars.example, applied to a mock of AWS.

mock_provider "aws" {
  source = "../../tests/mocks"
}

run "event" {
  assert {
    condition     = output.owl.prefix == "owl" && output.owl.api_url == "https://owl.example.com"
    error_message = "The outputs that feed owl are wrong."
  }

  assert {
    condition     = output.owl.at_rest_usd_month.total < 250
    error_message = "The event's installation costs more than 250 dollars a month with its fleets at 0."
  }
}
