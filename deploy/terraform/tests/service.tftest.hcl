# One service, as ECS gets it.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name              = "owl"
  service           = "push-worker"
  partition         = "aws"
  region            = "eu-central-1"
  account_id        = "123456789012"
  cluster_arn       = "arn:aws:ecs:eu-central-1:123456789012:cluster/owl"
  cluster_name      = "owl"
  capacity_provider = "FARGATE"
  launch_type       = "FARGATE"
  architecture      = "X86_64"
  image             = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/superb-owl:0.1.0"
  repository_arn    = "arn:aws:ecr:eu-central-1:123456789012:repository/superb-owl"
  user              = "10001:10001"
  cpu               = 2048
  memory_mib        = 4096
  tasks_at_first    = 0
  tasks_max         = 500
  environment       = { OWL_AWS__PREFIX = "owl" }
  secrets           = { OWL_APNS__KEY = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owl/apns-key" }
  statements        = [{ sid = "Some", why = "A reason of more than twenty letters.", actions = ["sqs:GetQueueUrl"], resources = ["arn:aws:sqs:eu-central-1:123456789012:owl-batches"] }]
  subnets           = ["subnet-1"]
  public_address    = true
  security_group    = "sg-1"
  log_days          = 30
  kms_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/0"
}

run "push_worker" {
  module {
    source = "./modules/service"
  }

  variables {
    prescale = [
      { at = "2027-02-14T19:00:00Z", tasks = 300, scale_in = false },
      { at = "2027-02-15T08:00:00Z", tasks = 0, scale_in = true },
    ]
  }

  assert {
    condition     = aws_ecs_service.this.desired_count == 0
    error_message = "A fleet stands at 0 until it is scaled."
  }

  assert {
    condition = alltrue([
      for container in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      container.readonlyRootFilesystem && container.user == "10001:10001" && container.stopTimeout == 30 && container.linuxParameters.capabilities.drop == ["ALL"]
    ])
    error_message = "Read-only root, no root user, no capability, 30 s to stop."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets == [{ name = "OWL_APNS__KEY", valueFrom = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:owl/apns-key" }]
    error_message = "Secrets come by reference."
  }

  assert {
    condition     = aws_ecs_service.this.availability_zone_rebalancing == "DISABLED"
    error_message = "Nothing but us moves tasks."
  }

  assert {
    condition = { for at, action in aws_appautoscaling_scheduled_action.this : action.schedule => [action.scalable_target_action[0].min_capacity, action.scalable_target_action[0].max_capacity] } == {
      "at(2027-02-14T19:00:00)" = ["300", "500"]
      "at(2027-02-15T08:00:00)" = ["0", "0"]
    }
    error_message = "Up: at least 300, and a larger fleet stays. Down: exactly 0."
  }
}

run "scheduled_above_the_maximum" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    prescale = [{ at = "2027-02-14T19:00:00Z", tasks = 501, scale_in = false }]
  }

  expect_failures = [aws_appautoscaling_scheduled_action.this]
}

run "root_user" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    user = "0:0"
  }

  expect_failures = [var.user]
}

run "odd_memory" {
  command = plan

  module {
    source = "./modules/service"
  }

  variables {
    memory_mib = 2048
  }

  expect_failures = [aws_ecs_task_definition.this]
}
