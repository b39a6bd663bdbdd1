# The shard queue (FIFO: the small gate), the batch queue (standard: the wide pipe), and a dead-letter queue beside each.
# The services look the queues up by these names.

locals {
  visibility_seconds     = 10               # a dead worker's envelopes come back this soon; leases are the ledger's
  live_retention_seconds = 4 * 3600         # the longest deadline of a campaign: an older envelope is worthless
  dead_retention_seconds = 14 * 24 * 3600   # the most that SQS keeps
  message_bytes_max      = 1024 * 1024      # SQS's limit since August 2025; the provider's default is 256 KiB
  receives_max           = var.receives_max # common::limits::RECEIVES_MAX

  queues = {
    shards       = aws_sqs_queue.shards
    batches      = aws_sqs_queue.batches
    shards_dead  = aws_sqs_queue.shards_dead
    batches_dead = aws_sqs_queue.batches_dead
  }
}

# SSE-SQS and not SSE-KMS on all four: no KMS call, quota or throttle between the press and the phones.
resource "aws_sqs_queue" "shards" {
  name                        = "${var.name}-shards.fifo"
  fifo_queue                  = true
  content_based_deduplication = false # the deduplication id is campaign, epoch, shard and attempt
  # High throughput: one group for each shard, so neither limit is shared between shards.
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  visibility_timeout_seconds = local.visibility_seconds
  message_retention_seconds  = local.live_retention_seconds
  max_message_size           = local.message_bytes_max
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.shards_dead.arn
    maxReceiveCount     = local.receives_max
  })
}

resource "aws_sqs_queue" "batches" {
  name                       = "${var.name}-batches"
  visibility_timeout_seconds = local.visibility_seconds
  message_retention_seconds  = local.live_retention_seconds
  max_message_size           = local.message_bytes_max
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.batches_dead.arn
    maxReceiveCount     = local.receives_max
  })
}

# The dead letters of a FIFO queue need a FIFO queue.
resource "aws_sqs_queue" "shards_dead" {
  name                      = "${var.name}-shards-dead.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = local.dead_retention_seconds
  max_message_size          = local.message_bytes_max
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "batches_dead" {
  name                      = "${var.name}-batches-dead"
  message_retention_seconds = local.dead_retention_seconds
  max_message_size          = local.message_bytes_max
  sqs_managed_sse_enabled   = true
}

# No other queue may use ours for its dead letters: the alarm on them would then speak of somebody else's.
resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  for_each = { shards_dead = "shards", batches_dead = "batches" }

  queue_url = local.queues[each.key].url
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queues[each.value].arn]
  })
}

# SQS answers on plain HTTP too. Nobody is allowed in by this policy: that is the roles' part.
resource "aws_sqs_queue_policy" "tls_only" {
  for_each = local.queues

  queue_url = each.value.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = each.value.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
