variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the topic."
  type        = string
}

variable "emails" {
  description = "Addresses that get the alarms."
  type        = set(string)
}

variable "queues" {
  description = "Queue names: shards, batches, shards_dead, batches_dead."
  type        = map(string)
}

variable "tables" {
  description = "Table names."
  type        = map(string)
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "push_service" {
  description = "Name of the push workers' ECS service."
  type        = string
}

variable "load_balancer" {
  description = "CloudWatch's name of the load balancer."
  type        = string
}

variable "target_group" {
  description = "CloudWatch's name of the target group."
  type        = string
}

variable "certificate_arn" {
  description = "The API's certificate."
  type        = string
}

variable "thresholds" {
  description = "Where alarms begin."
  type = object({
    shard_age_seconds = optional(number, 10)
    batch_age_seconds = optional(number, 60)
    in_flight         = optional(number, 100000)
    certificate_days  = optional(number, 30)
    fleet_hours       = optional(number, 8)
  })
  default = {}

  validation {
    condition     = var.thresholds.in_flight < 120000
    error_message = "in_flight stays below 120,000: SQS hands nothing out above it."
  }

  validation {
    condition     = var.thresholds.fleet_hours >= 1 && var.thresholds.fleet_hours <= 24
    error_message = "fleet_hours is 1 to 24."
  }
}
