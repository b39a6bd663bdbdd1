variable "name" {
  description = "Name of the service, with its prefix."
  type        = string
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

variable "statements" {
  description = "What the program may do, and why."
  type = list(object({
    sid       = string
    why       = string
    actions   = list(string)
    resources = list(string)
  }))

  validation {
    condition     = alltrue([for statement in var.statements : length(statement.why) >= 20])
    error_message = "Every statement says why it is needed."
  }

  validation {
    condition     = alltrue(flatten([for statement in var.statements : [for action in statement.actions : !strcontains(action, "*")]]))
    error_message = "Actions are named one by one, without wildcards."
  }

  validation {
    condition     = !contains(flatten([for statement in var.statements : statement.resources]), "*")
    error_message = "Resources are named: \"*\" is not one."
  }
}

variable "repository_arn" {
  description = "ECR repository of the image."
  type        = string
}

variable "log_group_arn" {
  description = "Log group of the service."
  type        = string
}

variable "secret_arns" {
  description = "Secrets that the service gets."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key of these secrets."
  type        = string
}
