# Only with capacity.kind = "ec2": hosts that ECS adds for the tasks and takes away when they are empty. At rest there is
# none. Worth it where tasks are packed tightly or a host type is wanted that Fargate lacks; Fargate starts sooner.
#
# Tasks with an address of their own: without `awsvpcTrunking` (an account setting of ECS, set once by hand) a host of a
# small type holds two or three of them.

resource "aws_iam_role" "host" {
  count = local.ec2 ? 1 : 0

  name = "${var.name}-host"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# AWS's own policy for the agent on a host: register, poll, report. The tasks' rights are in their own roles.
resource "aws_iam_role_policy_attachment" "host" {
  count = local.ec2 ? 1 : 0

  role       = aws_iam_role.host[0].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
}

resource "aws_iam_instance_profile" "host" {
  count = local.ec2 ? 1 : 0

  name = "${var.name}-host"
  role = aws_iam_role.host[0].name
}

resource "aws_launch_template" "host" {
  count = local.ec2 ? 1 : 0

  name                   = "${var.name}-host"
  image_id               = var.capacity.image_id
  instance_type          = var.capacity.instance_type
  vpc_security_group_ids = [var.host_security_group]
  ebs_optimized          = true

  user_data = base64encode(<<-CONFIG
    #!/bin/sh
    cat >> /etc/ecs/ecs.config <<EOF
    ECS_CLUSTER=${var.name}
    ECS_CONTAINER_STOP_TIMEOUT=30s
    ECS_AWSVPC_BLOCK_IMDS=true
    EOF
  CONFIG
  )

  iam_instance_profile {
    arn = aws_iam_instance_profile.host[0].arn
  }

  # One hop: a container must not reach the host's credentials.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/xvda"

    ebs {
      volume_type = "gp3"
      volume_size = 30
      encrypted   = true
    }
  }

  tag_specifications {
    resource_type = "instance"
    tags          = { Name = "${var.name}-host" }
  }
}

resource "aws_autoscaling_group" "host" {
  count = local.ec2 ? 1 : 0

  name                  = "${var.name}-host"
  min_size              = 0
  max_size              = var.capacity.hosts_max
  vpc_zone_identifier   = var.subnets
  protect_from_scale_in = true # ECS decides which host is empty
  suspended_processes   = ["AZRebalance"]

  launch_template {
    id      = aws_launch_template.host[0].id
    version = aws_launch_template.host[0].latest_version
  }

  dynamic "tag" {
    for_each = { AmazonECSManaged = "true", Name = "${var.name}-host" }
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    ignore_changes = [desired_capacity] # ECS's managed scaling sets it
  }
}

resource "aws_ecs_capacity_provider" "ec2" {
  count = local.ec2 ? 1 : 0

  name = "${var.name}-ec2"

  auto_scaling_group_provider {
    auto_scaling_group_arn         = aws_autoscaling_group.host[0].arn
    managed_termination_protection = "ENABLED"
    managed_draining               = "ENABLED"

    managed_scaling {
      status                    = "ENABLED"
      target_capacity           = 100 # pack hosts full: the fleet is scaled hours before, so no spare host is kept
      minimum_scaling_step_size = 1
      maximum_scaling_step_size = 100
      instance_warmup_period    = 60
    }
  }
}
