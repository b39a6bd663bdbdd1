# The seven tables, on demand. docs/aws.md states what is under which key, and why no key becomes hot.

locals {
  # sort: has a sort key `sk`. ttl: items carry `expires_at`. restore: point-in-time recovery.
  # own_key: encrypted under our KMS key. Not for those that the press and the sending need: DynamoDB asks KMS again
  # every few minutes, and a KMS that throttles or a key disabled by mistake must not stop a press. AWS's own key encrypts
  # those at no charge. Devices (push tokens), audit and webhooks (the secrets
  # that messages are signed with) hold what is worth a key policy and a trail of its uses.
  tables = {
    campaigns = { sort = true, ttl = false, restore = true, own_key = false }
    ledger    = { sort = true, ttl = true, restore = true, own_key = false }
    devices   = { sort = false, ttl = false, restore = true, own_key = true }
    fleet     = { sort = true, ttl = true, restore = false, own_key = false } # seconds old at most; rebuilt by the workers
    audit     = { sort = true, ttl = false, restore = true, own_key = true }
    access    = { sort = true, ttl = false, restore = true, own_key = false } # hashes of random bits: worth nothing to a reader
    webhooks  = { sort = true, ttl = true, restore = true, own_key = true }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name                        = "${var.name}-${each.key}"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = each.value.sort ? "sk" : null
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = each.value.sort ? ["pk", "sk"] : ["pk"]
    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "ttl" {
    for_each = each.value.ttl ? ["expires_at"] : []
    content {
      enabled        = true
      attribute_name = ttl.value
    }
  }

  point_in_time_recovery {
    enabled = each.value.restore
  }

  # Without this block DynamoDB uses a key that AWS owns.
  dynamic "server_side_encryption" {
    for_each = each.value.own_key ? [var.kms_key_arn] : []
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  dynamic "warm_throughput" {
    for_each = contains(keys(var.warm_throughput), each.key) ? [var.warm_throughput[each.key]] : []
    content {
      read_units_per_second  = warm_throughput.value.read
      write_units_per_second = warm_throughput.value.write
    }
  }
}
