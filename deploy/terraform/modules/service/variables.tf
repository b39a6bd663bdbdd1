variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "service" {
  description = "Which service: also the container's name and its entry point in the image."
  type        = string

  validation {
    condition     = contains(["api", "interim-worker", "push-worker"], var.service)
    error_message = "The services are api, interim-worker and push-worker."
  }
}

variable "partition" {
  description = "AWS partition, such as aws."
  type        = string
}

variable "region" {
  description = "AWS region."
  type        = string
}

variable "account_id" {
  description = "AWS account."
  type        = string
}

variable "cluster_arn" {
  description = "ARN of the cluster."
  type        = string
}

variable "cluster_name" {
  description = "Name of the cluster."
  type        = string
}

variable "capacity_provider" {
  description = "FARGATE, or the name of the cluster's own."
  type        = string
}

variable "launch_type" {
  description = "FARGATE or EC2."
  type        = string
}

variable "architecture" {
  description = "X86_64 or ARM64."
  type        = string
}

variable "image" {
  description = "The image, with its tag or digest."
  type        = string
}

variable "repository_arn" {
  description = "ECR repository of the image."
  type        = string
}

variable "user" {
  description = "User of the process, as a number other than 0."
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*(:[1-9][0-9]*)?$", var.user))
    error_message = "user is a number other than 0, or two with a colon between (user:group)."
  }
}

variable "cpu" {
  description = "CPU of a task: 1024 is one."
  type        = number
}

variable "memory_mib" {
  description = "Memory of a task."
  type        = number
}

variable "tasks_at_first" {
  description = "Tasks when the service is created. Afterwards Terraform leaves the number alone."
  type        = number
}

variable "tasks_max" {
  description = "The most tasks that a scheduled size may ask for. 0: no scheduled sizes."
  type        = number
  default     = 0
}

variable "prescale" {
  description = "Scheduled sizes."
  type        = list(object({ at = string, tasks = number, scale_in = bool }))
  default     = []
}

variable "environment" {
  description = "Settings (OWL_...), none of them secret."
  type        = map(string)
}

variable "secrets" {
  description = "Environment name -> ARN of the secret whose value it gets."
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "What the program may do, and why (see modules/iam)."
  type = list(object({
    sid       = string
    why       = string
    actions   = list(string)
    resources = list(string)
  }))
}

variable "subnets" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "public_address" {
  description = "Whether a task gets a public address."
  type        = bool
}

variable "security_group" {
  description = "Security group of the tasks."
  type        = string
}

variable "target_group_arn" {
  description = "Target group of the load balancer; null for services without one."
  type        = string
  default     = null
}

variable "log_days" {
  description = "Days for which log lines are kept."
  type        = number
}

variable "kms_key_arn" {
  description = "Key of log group and secrets."
  type        = string
}
