# The ECS cluster, on Fargate or on EC2 hosts of its own (ec2.tf).

locals {
  ec2               = var.capacity.kind == "ec2"
  capacity_provider = local.ec2 ? aws_ecs_capacity_provider.ec2[0].name : "FARGATE"
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled" # task counts for the alarm on a fleet that was left running; nothing to bill while nothing runs
  }
}

# FARGATE and never FARGATE_SPOT: AWS takes spot tasks back with two minutes' notice, in the minute that matters too.
resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = [local.capacity_provider]

  default_capacity_provider_strategy {
    capacity_provider = local.capacity_provider
    weight            = 1
  }
}
