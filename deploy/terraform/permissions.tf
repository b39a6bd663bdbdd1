# What each service may do, and why. Actions and resources are named one by one (modules/iam refuses wildcards in actions
# and "*" as a resource). Roles are per service: a push worker can't press, an interim worker reads no device.
# `cargo xtask test --only terraform` compares the actions, taken together, with the calls in crates/aws.

locals {
  all_queues = values(module.queues.arns)
  objects    = ["${module.bucket.arn}/campaigns/*"]
  testers    = ["${module.bucket.arn}/testers/*"]
  tests      = ["${module.bucket.arn}/campaigns/*/tests/*"]
  tasks      = ["arn:${local.partition}:ecs:${local.region}:${local.account_id}:task/${var.name}/*"]
  workers    = [for worker in ["interim-worker", "push-worker"] : "arn:${local.partition}:ecs:${local.region}:${local.account_id}:service/${var.name}/${var.name}-${worker}"]

  find_queues = {
    sid       = "FindQueues"
    why       = "Queue URLs are looked up by name at start; depths are for preflight, readiness and back-pressure."
    actions   = ["sqs:GetQueueUrl", "sqs:GetQueueAttributes"]
    resources = local.all_queues
  }

  list_objects = {
    sid       = "TellMissingFromForbidden"
    why       = "Without it S3 answers 403 where an object is missing, and a missing snapshot looks like a broken role. Also lists a campaign's objects."
    actions   = ["s3:ListBucket"]
    resources = [module.bucket.arn]
  }

  fleet_rows = {
    sid       = "HeartbeatAndCounters"
    why       = "A worker writes its heartbeat and what it counted each second, and takes its row away when it leaves."
    actions   = ["dynamodb:PutItem", "dynamodb:DeleteItem"]
    resources = [module.tables.arns.fleet]
  }

  watch_campaign = {
    sid       = "WatchCampaign"
    why       = "A worker looks at the campaign several times a second, and sends only while its last look is fresh; the slot names the campaign."
    actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"]
    resources = [module.tables.arns.campaigns]
  }

  read_snapshot = {
    sid       = "ReadSnapshot"
    why       = "A worker loads snapshot and content before the press."
    actions   = ["s3:GetObject"]
    resources = local.objects
  }

  decrypt_snapshot = {
    sid       = "DecryptSnapshot"
    why       = "The bucket is encrypted under our key."
    actions   = ["kms:Decrypt"]
    resources = [module.kms.key_arn]
  }

  protect_itself = {
    sid       = "ProtectItselfFromScaleIn"
    why       = "A worker sets task protection on itself while its campaign is armed, sending or stopping."
    actions   = ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    resources = local.tasks
  }

  permissions = {
    api = [
      local.find_queues,
      {
        sid       = "Press"
        why       = "Press and reconciler put the shard envelopes on the FIFO queue."
        actions   = ["sqs:SendMessage"]
        resources = [module.queues.arns.shards]
      },
      {
        sid       = "CanaryAndRedrive"
        why       = "The canary's batches, test sends, and dead batches whose deadline has not passed, go on the standard queue."
        actions   = ["sqs:SendMessage"]
        resources = [module.queues.arns.batches]
      },
      {
        sid       = "TakeDeadLetters"
        why       = "`owl redrive` takes dead letters out, looks at their deadline, and hides those that it cannot finish."
        actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        resources = [module.queues.arns.shards_dead, module.queues.arns.batches_dead]
      },
      {
        sid       = "Campaigns"
        why       = "Campaign records, the gate that press moves by a conditional write, the slot of the armed campaign."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [module.tables.arns.campaigns]
      },
      {
        sid       = "Books"
        why       = "Reports and receipts read the ledger; dispatch marks shards; after the deadline open batches are closed."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [module.tables.arns.ledger]
      },
      {
        sid       = "Devices"
        why       = "Imports, the resolving of an audience, dead tokens taken out after a campaign, and the approximate count of users."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:DescribeTable"]
        resources = [module.tables.arns.devices]
      },
      {
        sid       = "WatchFleet"
        why       = "Readiness, preflight and live figures are read from the workers' rows."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"]
        resources = [module.tables.arns.fleet]
      },
      {
        sid       = "AuditTrail"
        why       = "Entries are put and read. Nothing here updates or deletes one."
        actions   = ["dynamodb:PutItem", "dynamodb:Query"]
        resources = [module.tables.arns.audit]
      },
      {
        sid       = "Tokens"
        why       = "Tokens are read whole every second, made and revoked by conditional writes. Nothing here deletes one: names in the audit trail stay explained."
        actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [module.tables.arns.access]
      },
      {
        sid       = "Webhooks"
        why       = "Webhooks and their log are read and written by conditional writes; one that is removed is deleted with its secret."
        actions   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"]
        resources = [module.tables.arns.webhooks]
      },
      local.list_objects,
      {
        sid       = "Objects"
        why       = "Uploads and snapshots are written in parts (and cut when broken), read in ranges, and scratch objects of a build deleted."
        actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        resources = local.objects
      },
      {
        sid       = "Testers"
        why       = "Lists of testers are written, read and removed; push workers get a test's devices in its envelope and read none."
        actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        resources = local.testers
      },
      {
        sid       = "ReadyProbe"
        why       = "/readyz asks for an object that does not exist; S3 says so only to those who may read it."
        actions   = ["s3:GetObject"]
        resources = ["${module.bucket.arn}/readyz"]
      },
      {
        sid       = "UseKey"
        why       = "Bucket, devices, audit and webhooks are encrypted under our key: reading needs Decrypt, writing to S3 a data key."
        actions   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"]
        resources = [module.kms.key_arn]
      },
      {
        sid       = "ScaleFleet"
        why       = "`owl fleet scale` sets the number of tasks of the two fleets, and of nothing else."
        actions   = ["ecs:DescribeServices", "ecs:UpdateService"]
        resources = local.workers
      },
    ]

    interim-worker = [
      local.find_queues,
      {
        sid       = "TakeShards"
        why       = "Shard envelopes are taken, their lease renewed, and deleted when expanded."
        actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        resources = [module.queues.arns.shards]
      },
      {
        sid       = "SendBatches"
        why       = "Each shard is expanded into batch envelopes."
        actions   = ["sqs:SendMessage"]
        resources = [module.queues.arns.batches]
      },
      local.watch_campaign,
      {
        sid       = "MarkShards"
        why       = "A shard's record is read before it is expanded and written afterwards; batches done before are skipped."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [module.tables.arns.ledger]
      },
      local.fleet_rows,
      local.list_objects,
      local.read_snapshot,
      local.decrypt_snapshot,
      local.protect_itself,
    ]

    push-worker = [
      local.find_queues,
      {
        sid       = "TakeBatches"
        why       = "Batch envelopes are taken, hidden or given back, and deleted when completed."
        actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]
        resources = [module.queues.arns.batches]
      },
      {
        sid       = "TryLater"
        why       = "What deserves a later try goes back on the queue in a delayed envelope."
        actions   = ["sqs:SendMessage"]
        resources = [module.queues.arns.batches]
      },
      local.watch_campaign,
      {
        sid       = "ClaimAndComplete"
        why       = "The ledger's claim is the right to send; outcomes are completed on it."
        actions   = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"]
        resources = [module.tables.arns.ledger]
      },
      local.fleet_rows,
      {
        sid       = "SeeOtherWorkers"
        why       = "When many workers' breakers have tripped, the whole fleet leaves a gateway alone: each reads the others' rows."
        actions   = ["dynamodb:Query"]
        resources = [module.tables.arns.fleet]
      },
      local.list_objects,
      local.read_snapshot,
      local.decrypt_snapshot,
      {
        sid       = "TellTests"
        why       = "A worker notes that it took a test send, and what came of it. It writes no other object."
        actions   = ["s3:PutObject"]
        resources = local.tests
      },
      {
        sid       = "EncryptTests"
        why       = "What it notes is encrypted under our key, too."
        actions   = ["kms:GenerateDataKey"]
        resources = [module.kms.key_arn]
      },
      local.protect_itself,
    ]
  }
}
