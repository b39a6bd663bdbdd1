# A dress rehearsal: the same system, smaller, sending to a stand-in gateway of your own (`owl gateways`) and to no phone.
# Copy this folder, fill in terraform.tfvars, then
#
#   terraform init -backend-config=bucket=<your state bucket> -backend-config=region=<its region>
#   terraform plan -out=rehearsal.plan && terraform apply rehearsal.plan
#
# Then the machine that the push workers send to, in the VPC that is there now (docs/rehearsals.md, "On AWS").
#
# Between rehearsals set interface_endpoints = false: what is left costs about 60 dollars a month.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.66"
    }
  }

  backend "s3" {
    key          = "superb-owl/rehearsal.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "superb-owl", Stage = "rehearsal" }
  }
}

locals {
  # A gateway of kind "rehearsal" trusts only the CA in this file (it is in the image) and refuses Apple's and Google's
  # hosts, whatever else is set.
  gateway = {
    OWL_APNS__ENDPOINT = "${var.gateway_host}:${var.gateway_ports.apns}"
    OWL_APNS__CA_FILE  = var.gateway_ca_file
    OWL_FCM__ENDPOINT  = "${var.gateway_host}:${var.gateway_ports.fcm}"
    OWL_FCM__CA_FILE   = var.gateway_ca_file
  }
}

module "owl" {
  source = "../.."

  name            = "owl-rehearsal"
  bucket          = var.bucket
  image           = var.image
  domain          = var.domain
  certificate_arn = var.certificate_arn
  allowed_cidrs   = var.allowed_cidrs
  alarm_emails    = var.alarm_emails
  budget_usd      = 300

  # What `owl gateways` takes; the keys themselves are in its directory: apns-key.p8 and fcm-service-account.json.
  apns          = { kind = "rehearsal", key_id = "OWLKEY0001", team_id = "OWLTEAM001", topic = "com.example.superb-owl" }
  fcm           = { kind = "rehearsal" }
  gateway_ports = values(var.gateway_ports)
  environment   = { push-worker = local.gateway }

  zones               = ["a", "b"]
  interface_endpoints = var.interface_endpoints

  api            = { tasks = 1 }
  interim_worker = { tasks_max = 10 }
  push_worker    = { tasks_max = 50 }

  deletion_protection = false
  keep_days           = 14
  log_days            = 14
}
