# The two roles of one service.
# Execution: what ECS does before the program runs (pull the image, open the log stream, read the secrets).
# Task: what the program itself may do; the caller gives the statements, each with the reason why it is needed.

locals {
  execution = concat(
    [
      {
        sid       = "EcrLogin"
        why       = "Signing in to ECR knows no resource; it gives no right to any image."
        actions   = ["ecr:GetAuthorizationToken"]
        resources = ["*"]
      },
      {
        sid       = "PullImage"
        why       = "To fetch the one image."
        actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        resources = [var.repository_arn]
      },
      {
        sid       = "WriteLogs"
        why       = "Log lines and metrics (EMF) go to this service's own log group."
        actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        resources = ["${var.log_group_arn}:*"]
      },
    ],
    length(var.secret_arns) == 0 ? [] : [
      {
        sid       = "ReadSecrets"
        why       = "ECS puts the values into the container's environment."
        actions   = ["secretsmanager:GetSecretValue"]
        resources = var.secret_arns
      },
      {
        sid       = "DecryptSecrets"
        why       = "The secrets are encrypted under our key."
        actions   = ["kms:Decrypt"]
        resources = [var.kms_key_arn]
      },
    ],
  )

  # `why` is for people: IAM knows no such field.
  policies = {
    for role, statements in { execution = local.execution, task = var.statements } : role => jsonencode({
      Version = "2012-10-17"
      Statement = [
        for statement in statements : {
          Sid      = statement.sid
          Effect   = "Allow"
          Action   = statement.actions
          Resource = statement.resources
        }
      ]
    })
  }
}

resource "aws_iam_role" "this" {
  for_each = local.policies

  name        = "${var.name}-${each.key}"
  description = "Superb Owl: ${each.key} role of ${var.name}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      # No other account's ECS may be talked into using the role.
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:${var.partition}:ecs:${var.region}:${var.account_id}:*" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = local.policies

  name   = each.key
  role   = aws_iam_role.this[each.key].id
  policy = each.value
}
