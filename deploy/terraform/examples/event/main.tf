# The event: 4M people in 5 seconds. Copy this folder, fill in terraform.tfvars, then
#
#   terraform init -backend-config=bucket=<your state bucket> -backend-config=region=<its region>
#   terraform plan -out=event.plan && terraform apply event.plan
#
# `owl fleet plan --users 4000000 --seconds 5 --tfvars > event.auto.tfvars` computes the sizes for the audience that it gets.

terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.66"
    }
  }

  backend "s3" {
    key          = "superb-owl/event.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Project = "superb-owl", Stage = "event" }
  }
}

module "owl" {
  source = "../.."

  name            = "owl"
  bucket          = var.bucket
  image           = var.image
  domain          = var.domain
  certificate_arn = var.certificate_arn
  allowed_cidrs   = var.allowed_cidrs
  alarm_emails    = var.alarm_emails
  budget_usd      = 3000

  apns = var.apns
  fcm  = {}

  zones               = ["a", "b", "c"]
  egress              = "public"
  interface_endpoints = true

  api            = { cpu = 1024, memory_mib = 2048, tasks = 2 }
  interim_worker = var.interim_worker
  push_worker    = var.push_worker

  warm_throughput = var.warm_throughput

  prescale = var.prescale
}
