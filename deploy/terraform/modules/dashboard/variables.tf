variable "name" {
  description = "Prefix of every name, and the dashboard's own."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
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

variable "services" {
  description = "Names of the ECS services."
  type        = map(string)
}

variable "load_balancer" {
  description = "CloudWatch's name of the load balancer."
  type        = string
}

variable "alarm_arns" {
  description = "Alarms to show (CloudWatch shows at most 100 in one widget)."
  type        = list(string)

  validation {
    condition     = length(var.alarm_arns) <= 100
    error_message = "CloudWatch shows at most 100 alarms in one widget."
  }
}
