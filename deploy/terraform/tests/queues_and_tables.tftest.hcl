# What the code relies on in queues, tables and bucket.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "queues" {
  module {
    source = "./modules/queues"
  }

  variables {
    name = "owl"
  }

  assert {
    condition = alltrue([
      for queue in [aws_sqs_queue.shards, aws_sqs_queue.batches] :
      jsondecode(queue.redrive_policy).maxReceiveCount == 20 && queue.visibility_timeout_seconds == 10 && queue.message_retention_seconds == 14400
    ])
    error_message = "20 receives (common::limits::RECEIVES_MAX), 10 s hidden, 4 h kept."
  }

  assert {
    condition     = jsondecode(aws_sqs_queue.shards.redrive_policy).deadLetterTargetArn == aws_sqs_queue.shards_dead.arn && jsondecode(aws_sqs_queue.batches.redrive_policy).deadLetterTargetArn == aws_sqs_queue.batches_dead.arn
    error_message = "Each queue has its own dead letters."
  }

  assert {
    condition     = aws_sqs_queue.shards.fifo_queue && aws_sqs_queue.shards.deduplication_scope == "messageGroup" && aws_sqs_queue.shards.fifo_throughput_limit == "perMessageGroupId" && !aws_sqs_queue.shards.content_based_deduplication
    error_message = "The shard queue is FIFO with high throughput, deduplicated by the id alone."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.shards, aws_sqs_queue.batches, aws_sqs_queue.shards_dead, aws_sqs_queue.batches_dead] : queue.sqs_managed_sse_enabled && queue.max_message_size == 1048576])
    error_message = "Encrypted without KMS; 1 MiB a message."
  }

  assert {
    condition     = output.names == { shards = "owl-shards.fifo", batches = "owl-batches", shards_dead = "owl-shards-dead.fifo", batches_dead = "owl-batches-dead" }
    error_message = "The services look the queues up by these names."
  }
}

run "too_few_receives" {
  command = plan

  module {
    source = "./modules/queues"
  }

  variables {
    name         = "owl"
    receives_max = 3
  }

  expect_failures = [var.receives_max]
}

run "tables" {
  module {
    source = "./modules/tables"
  }

  variables {
    name                = "owl"
    kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0"
    deletion_protection = true
    warm_throughput     = { ledger = { read = 12000, write = 32000 } }
  }

  assert {
    condition     = { for table in aws_dynamodb_table.this : table.name => coalesce(table.range_key, "none") } == { owl-campaigns = "sk", owl-ledger = "sk", owl-devices = "none", owl-fleet = "sk", owl-audit = "sk", owl-access = "sk", owl-webhooks = "sk" }
    error_message = "Seven tables; all but devices have a sort key."
  }

  assert {
    condition     = alltrue([for table in aws_dynamodb_table.this : table.billing_mode == "PAY_PER_REQUEST" && table.hash_key == "pk" && table.deletion_protection_enabled])
    error_message = "On demand, under pk, protected."
  }

  assert {
    condition     = toset([for key, table in aws_dynamodb_table.this : key if anytrue(table.ttl[*].enabled)]) == toset(["ledger", "fleet", "webhooks"])
    error_message = "Items of ledger, fleet and webhooks expire."
  }

  assert {
    condition     = [for key, table in aws_dynamodb_table.this : key if !table.point_in_time_recovery[0].enabled] == ["fleet"]
    error_message = "All but fleet can be brought back."
  }

  assert {
    condition     = toset([for key, table in aws_dynamodb_table.this : key if length(table.server_side_encryption) > 0]) == toset(["devices", "audit", "webhooks"])
    error_message = "Our key is on personal data and secrets only, not in the way of a press."
  }

  assert {
    condition     = aws_dynamodb_table.this["ledger"].warm_throughput[0].write_units_per_second == 32000
    error_message = "The ledger is warm."
  }
}

run "lukewarm_table" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    name                = "owl"
    kms_key_arn         = "arn:aws:kms:eu-central-1:123456789012:key/0"
    deletion_protection = true
    warm_throughput     = { ledger = { read = 12000, write = 100 } }
  }

  expect_failures = [var.warm_throughput]
}

run "bucket" {
  module {
    source = "./modules/bucket"
  }

  variables {
    bucket      = "example-owl"
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0"
    keep_days   = 90
  }

  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "Closed to the public."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled" && !aws_s3_bucket.this.force_destroy
    error_message = "Versioned, and not deleted with what is in it."
  }
}
