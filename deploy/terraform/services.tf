# The three services: what each is given. What each may do is in permissions.tf.

locals {
  port = 8080
  ec2  = var.capacity.kind == "ec2"

  # Without interface endpoints a private subnet has no way to SQS, so all tasks stand in public ones, closed to the world.
  outside = {
    api            = !var.interface_endpoints
    interim-worker = !var.interface_endpoints
    push-worker    = !var.interface_endpoints || var.egress == "public"
  }

  settings = {
    OWL_LISTEN         = "0.0.0.0:${local.port}"
    OWL_AWS__REGION    = local.region
    OWL_AWS__PREFIX    = var.name
    OWL_AWS__BUCKET    = module.bucket.name
    OWL_TELEMETRY__LOG = var.log_level
  }

  gateway_settings = merge(
    var.apns == null ? {} : {
      OWL_APNS__KIND    = var.apns.kind
      OWL_APNS__KEY_ID  = var.apns.key_id
      OWL_APNS__TEAM_ID = var.apns.team_id
      OWL_APNS__TOPIC   = var.apns.topic
    },
    var.fcm == null ? {} : {
      OWL_FCM__KIND = var.fcm.kind
    },
  )

  services = {
    api = {
      size        = var.api
      tasks_first = var.api.tasks
      tasks_max   = 0 # no scheduled sizes
      prescale    = []
      target      = module.load_balancer.target_group_arn
      secrets     = { OWL_ACCESS__ADMIN_TOKEN = module.secrets.arns.admin_token }
      # The port is open to the load balancer alone, which has the TLS and stands somewhere in the VPC: its word about a
      # client's address and scheme is taken.
      environment = {
        OWL_AWS__CLUSTER            = module.cluster.name
        OWL_ACCESS__TRUSTED_PROXIES = var.vpc_cidr
        OWL_API__ALLOWED_HOSTS      = var.domain
      }
    }

    interim-worker = {
      size        = var.interim_worker
      tasks_first = 0
      tasks_max   = var.interim_worker.tasks_max
      prescale    = [for item in var.prescale : { at = item.at, tasks = item.interim, scale_in = item.scale_in }]
      target      = null
      secrets     = {}
      environment = {}
    }

    push-worker = {
      size        = var.push_worker
      tasks_first = 0
      tasks_max   = var.push_worker.tasks_max
      prescale    = [for item in var.prescale : { at = item.at, tasks = item.push, scale_in = item.scale_in }]
      target      = null
      secrets = merge(
        var.apns == null ? {} : { OWL_APNS__KEY = module.secrets.arns.apns_key },
        var.fcm == null ? {} : { OWL_FCM__SERVICE_ACCOUNT = module.secrets.arns.fcm_service_account },
      )
      # Every worker reads all rows of the fleet this often; with hundreds of them the usual 2 s is too much (docs/aws.md).
      environment = merge({ OWL_PUSH__FLEET_EVERY_MS = "10000" }, local.gateway_settings)
    }
  }
}

module "service" {
  source   = "./modules/service"
  for_each = local.services

  name              = var.name
  service           = each.key
  partition         = local.partition
  region            = local.region
  account_id        = local.account_id
  cluster_arn       = module.cluster.arn
  cluster_name      = module.cluster.name
  capacity_provider = module.cluster.capacity_provider
  launch_type       = local.ec2 ? "EC2" : "FARGATE"
  architecture      = var.architecture
  image             = var.image
  repository_arn    = local.repository_arn
  user              = var.image_user
  cpu               = each.value.size.cpu
  memory_mib        = each.value.size.memory_mib
  tasks_at_first    = each.value.tasks_first
  tasks_max         = each.value.tasks_max
  prescale          = each.value.prescale
  environment       = merge(local.settings, each.value.environment, lookup(var.environment, each.key, {}))
  secrets           = each.value.secrets
  statements        = local.permissions[each.key]
  subnets           = local.outside[each.key] ? module.network.public_subnets : module.network.private_subnets
  public_address    = local.outside[each.key]
  security_group    = aws_security_group.tasks[each.key].id
  target_group_arn  = each.value.target
  log_days          = var.log_days
  kms_key_arn       = module.kms.key_arn
}

# A security group for each service. Only the api has a way in, from the load balancer.
resource "aws_security_group" "tasks" {
  for_each = toset(["api", "interim-worker", "push-worker"])

  name        = "${var.name}-${each.key}"
  description = "Tasks of ${each.key}"
  vpc_id      = module.network.vpc_id

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_vpc_security_group_ingress_rule" "api" {
  security_group_id            = aws_security_group.tasks["api"].id
  description                  = "From the load balancer"
  referenced_security_group_id = module.load_balancer.security_group
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

# 443: AWS, FCM and APNs. Names are resolved by the VPC's own resolver, which no security group hinders.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each = aws_security_group.tasks

  security_group_id = each.value.id
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Further ports of the push workers: 2197 (APNs' other one), or a rehearsal gateway's.
resource "aws_vpc_security_group_egress_rule" "gateways" {
  for_each = { for port in var.gateway_ports : tostring(port) => port }

  security_group_id = aws_security_group.tasks["push-worker"].id
  description       = "Gateways"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}
