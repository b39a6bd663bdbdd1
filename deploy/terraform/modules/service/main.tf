# One of the three services: log group, roles, task definition, ECS service. Its scheduled sizes are in prescale.tf.

locals {
  full_name = "${var.name}-${var.service}"
  ec2       = var.launch_type == "EC2"
  port      = 8080
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/${var.service}"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

module "iam" {
  source = "../iam"

  name           = local.full_name
  partition      = var.partition
  region         = var.region
  account_id     = var.account_id
  statements     = var.statements
  repository_arn = var.repository_arn
  log_group_arn  = aws_cloudwatch_log_group.this.arn
  secret_arns    = values(var.secrets)
  kms_key_arn    = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.full_name
  requires_compatibilities = [var.launch_type]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = module.iam.execution_role_arn
  task_role_arn            = module.iam.task_role_arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([{
    name                   = var.service
    image                  = var.image
    entryPoint             = [var.service]
    command                = []
    essential              = true
    user                   = var.user
    readonlyRootFilesystem = true
    stopTimeout            = 30 # SIGTERM, then this long, then SIGKILL; the services drain in less than 20 s
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
    ulimits      = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
    portMappings = [{ name = "http", containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    environment  = [for key in sort(keys(var.environment)) : { name = key, value = var.environment[key] }]
    secrets      = [for key in sort(keys(var.secrets)) : { name = key, valueFrom = var.secrets[key] }]
    mountPoints  = []
    volumesFrom  = []
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = var.service
        # A slow CloudWatch costs log lines, and never a push.
        "mode"            = "non-blocking"
        "max-buffer-size" = "25m"
      }
    }
  }])

  lifecycle {
    precondition {
      condition     = local.ec2 || (contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu) && var.memory_mib >= 2 * var.cpu && var.memory_mib <= 8 * var.cpu)
      error_message = "Fargate: cpu is 256, 512, 1024, 2048, 4096, 8192 or 16384, and memory (MiB) 2 to 8 times as much."
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = local.full_name
  cluster         = var.cluster_arn
  task_definition = aws_ecs_task_definition.this.arn
  desired_count   = var.tasks_at_first

  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  enable_execute_command             = false
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = var.target_group_arn == null ? null : 60

  # Rebalancing stops tasks to even zones out, at a time of its own choosing.
  availability_zone_rebalancing = "DISABLED"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  capacity_provider_strategy {
    capacity_provider = var.capacity_provider
    weight            = 1
  }

  # Zones first, then as few hosts as possible. Fargate spreads over zones by itself and takes no strategy.
  dynamic "ordered_placement_strategy" {
    for_each = local.ec2 ? [{ type = "spread", field = "attribute:ecs.availability-zone" }, { type = "binpack", field = "cpu" }] : []
    content {
      type  = ordered_placement_strategy.value.type
      field = ordered_placement_strategy.value.field
    }
  }

  network_configuration {
    subnets          = var.subnets
    security_groups  = [var.security_group]
    assign_public_ip = var.public_address
  }

  dynamic "load_balancer" {
    for_each = var.target_group_arn == null ? [] : [var.target_group_arn]
    content {
      target_group_arn = load_balancer.value
      container_name   = var.service
      container_port   = local.port
    }
  }

  # `owl fleet scale` and the scheduled sizes change it: an apply in the hour of the event must not.
  lifecycle {
    ignore_changes = [desired_count]
  }
}
