# Superb Owl on AWS: everything, wired together. Use it as a module: examples/rehearsal and examples/event show how.
# At rest it is a load balancer, the api tasks and the endpoints (cost.tf); both fleets stand at 0 until pre-scaled.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition
  region     = data.aws_region.current.region

  # <account>.dkr.ecr.<region>.<suffix>/<repository>:<tag> or @<digest>
  image          = regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[a-z.]+/(?P<repository>[a-z0-9/_.-]+)[:@]", var.image)
  repository_arn = "arn:${local.partition}:ecr:${local.image.region}:${local.image.account}:repository/${local.image.repository}"

  api_url = "https://${var.domain}"
}

module "kms" {
  source = "./modules/kms"

  name       = var.name
  partition  = local.partition
  region     = local.region
  account_id = local.account_id
}

module "queues" {
  source = "./modules/queues"

  name = var.name
}

module "tables" {
  source = "./modules/tables"

  name                = var.name
  kms_key_arn         = module.kms.key_arn
  deletion_protection = var.deletion_protection
  warm_throughput     = var.warm_throughput
}

module "bucket" {
  source = "./modules/bucket"

  bucket      = var.bucket
  kms_key_arn = module.kms.key_arn
  keep_days   = var.keep_days
}

module "secrets" {
  source = "./modules/secrets"

  name        = var.name
  kms_key_arn = module.kms.key_arn
}

module "network" {
  source = "./modules/network"

  name                = var.name
  cidr                = var.vpc_cidr
  zones               = var.zones
  egress              = var.egress
  nat_addresses       = var.nat_addresses
  push_connections    = var.push_worker.tasks_max * var.push_worker.connections_per_task
  interface_endpoints = var.interface_endpoints
  ec2_hosts           = var.capacity.kind == "ec2"
  extra_endpoints     = var.extra_endpoints
}

module "load_balancer" {
  source = "./modules/load_balancer"

  name                = var.name
  vpc_id              = module.network.vpc_id
  subnets             = var.internal ? module.network.private_subnets : module.network.public_subnets
  internal            = var.internal
  allowed_cidrs       = var.allowed_cidrs
  api_security_group  = aws_security_group.tasks["api"].id
  port                = local.port
  domain              = var.domain
  certificate_arn     = var.certificate_arn
  zone_id             = var.zone_id
  deletion_protection = var.deletion_protection
  access_log_bucket   = var.access_log_bucket
}

module "cluster" {
  source = "./modules/cluster"

  name                = var.name
  partition           = local.partition
  capacity            = var.capacity
  subnets             = module.network.private_subnets
  host_security_group = aws_security_group.tasks["interim-worker"].id
}

module "alarms" {
  source = "./modules/alarms"

  name            = var.name
  account_id      = local.account_id
  kms_key_arn     = module.kms.key_arn
  emails          = var.alarm_emails
  queues          = module.queues.names
  tables          = module.tables.names
  cluster         = module.cluster.name
  push_service    = module.service["push-worker"].name
  load_balancer   = module.load_balancer.arn_suffix
  target_group    = module.load_balancer.target_group_arn_suffix
  certificate_arn = var.certificate_arn
  thresholds      = var.alarm_thresholds
}

module "dashboard" {
  source = "./modules/dashboard"

  name          = var.name
  region        = local.region
  queues        = module.queues.names
  tables        = module.tables.names
  cluster       = module.cluster.name
  services      = { for key, service in module.service : key => service.name }
  load_balancer = module.load_balancer.arn_suffix
  alarm_arns    = module.alarms.arns
}

module "budget" {
  source = "./modules/budget"

  name        = var.name
  monthly_usd = var.budget_usd
  tag         = var.budget_tag
  topic_arn   = module.alarms.topic_arn
}
