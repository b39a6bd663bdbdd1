# What the roles may do. The statements themselves are in permissions.tf and modules/iam.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Names that the assertions look for; all other ARNs are made up.
override_resource {
  target = module.queues.aws_sqs_queue.shards
  values = { arn = "arn:aws:sqs:eu-central-1:123456789012:owl-shards.fifo" }
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

run "least_privilege" {
  assert {
    condition = alltrue(flatten([
      for service in values(output.policies) : [
        for policy in values(service) : [
          for statement in jsondecode(policy).Statement : [for action in flatten([statement.Action]) : !strcontains(action, "*")]
        ]
      ]
    ]))
    error_message = "An action with a wildcard."
  }

  assert {
    condition = toset(flatten([
      for service in values(output.policies) : [
        for policy in values(service) : [
          for statement in jsondecode(policy).Statement : statement.Action if contains(flatten([statement.Resource]), "*")
        ]
      ]
    ])) == toset(["ecr:GetAuthorizationToken"])
    error_message = "Only ECR's sign-in has no resource."
  }

  # Who may send to the shard queue can press.
  assert {
    condition = [
      for service, policies in output.policies : service if anytrue([
        for statement in jsondecode(policies.task).Statement :
        contains(statement.Action, "sqs:SendMessage") && contains(statement.Resource, "arn:aws:sqs:eu-central-1:123456789012:owl-shards.fifo")
      ])
    ] == ["api"]
    error_message = "Only the api may press."
  }

  assert {
    condition = alltrue([
      for service in ["interim-worker", "push-worker"] : alltrue([
        for statement in jsondecode(output.policies[service].task).Statement : !contains(statement.Action, "ecs:UpdateService") && !contains(statement.Action, "s3:DeleteObject")
      ])
    ])
    error_message = "A worker scales no fleet and deletes no object."
  }

  assert {
    condition = {
      for service in ["interim-worker", "push-worker"] : service => flatten([
        for statement in jsondecode(output.policies[service].task).Statement : [
          for resource in statement.Resource : replace(resource, "/^[^/]*/", "")
        ] if contains(statement.Action, "s3:PutObject")
      ])
    } == { interim-worker = [], push-worker = ["/campaigns/*/tests/*"] }
    error_message = "A push worker writes what came of tests, and no worker any other object."
  }

  assert {
    condition = [
      for service, policies in output.policies : service if anytrue([
        for statement in jsondecode(policies.task).Statement : anytrue([for resource in statement.Resource : endswith(resource, "/testers/*")])
      ])
    ] == ["api"]
    error_message = "Only the api sees the lists of testers."
  }

  assert {
    condition = [
      for service, policies in output.policies : service if anytrue([
        for statement in jsondecode(policies.execution).Statement : contains(statement.Action, "secretsmanager:GetSecretValue")
      ])
    ] == ["api", "push-worker"]
    error_message = "The api gets the administrator's token, push workers the gateways' secrets, interim workers none."
  }

  # Who may read webhooks has what their messages are signed with.
  assert {
    condition = [
      for service, policies in output.policies : service if anytrue([
        for statement in jsondecode(policies.task).Statement : statement.Sid == "Webhooks"
      ])
    ] == ["api"]
    error_message = "Only the api touches webhooks."
  }

  # Who may write tokens may make an administrator.
  assert {
    condition = [
      for service, policies in output.policies : service if anytrue([
        for statement in jsondecode(policies.task).Statement : statement.Sid == "Tokens"
      ])
    ] == ["api"]
    error_message = "Only the api touches tokens."
  }
}
