# One key: bucket, secrets, log groups, alarm topic, and the tables with personal data. Queues and hot tables don't use it
# (see there).

resource "aws_kms_key" "this" {
  description             = "Superb Owl (${var.name}): bucket, secrets, logs, alarm topic, devices and audit tables"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  # In a key policy, Resource "*" is this key.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Without this nobody could administer the key, and the roles' own policies would count for nothing.
        Sid       = "AccountAdministersAndDelegates"
        Effect    = "Allow"
        Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        # CloudWatch Logs encrypts our log groups, and no others, by itself.
        Sid       = "LogGroups"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = {
          ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account_id}:log-group:/${var.name}/*" }
        }
      },
      {
        # Alarms and budgets publish to the encrypted topic; without this they are lost in silence.
        Sid       = "AlarmsReachTheTopic"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
    ]
  })
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
