# The whole of an installation, applied to a mock of AWS.

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
  apns            = { key_id = "ABC1234567", team_id = "DEF1234567", topic = "com.example.app" }
  fcm             = {}
}

run "what_owl_is_told" {
  assert {
    condition     = output.api_url == "https://owl.example.com" && output.prefix == "owl" && output.cluster == "owl" && output.bucket == "example-owl" && output.region == "eu-central-1"
    error_message = "Outputs that feed owl are wrong."
  }

  assert {
    condition     = output.services == { api = "owl-api", interim-worker = "owl-interim-worker", push-worker = "owl-push-worker" }
    error_message = "The ECS services have the names that `owl fleet scale` uses."
  }

  assert {
    condition     = toset(keys(output.queue_urls)) == toset(["shards", "batches", "shards_dead", "batches_dead"])
    error_message = "Four queues."
  }
}

# Fleets at 0, no NAT, and nothing unforeseen: a new item that costs much at rest shows here.
run "costs_little_at_rest" {
  assert {
    condition     = toset(keys(output.at_rest_usd_month)) == toset(["alarms", "api", "dashboard", "interface_endpoints", "key", "load_balancer", "secrets", "total"])
    error_message = "The items that cost at rest have changed."
  }

  assert {
    condition     = output.at_rest_usd_month.total < 220
    error_message = "At rest it costs more than 220 dollars a month."
  }
}

run "costs_less_without_endpoints" {
  variables {
    interface_endpoints = false
    api                 = { tasks = 1 }
  }

  assert {
    condition     = !contains(keys(output.at_rest_usd_month), "interface_endpoints") && output.at_rest_usd_month.total < 60
    error_message = "Between events it costs more than 60 dollars a month."
  }
}
