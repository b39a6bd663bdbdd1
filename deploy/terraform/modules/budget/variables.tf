variable "name" {
  description = "Name of the budget."
  type        = string
}

variable "monthly_usd" {
  description = "Dollars a month."
  type        = number

  validation {
    condition     = var.monthly_usd > 0
    error_message = "monthly_usd is more than 0."
  }
}

variable "tag" {
  description = "Tag of the costs that count; null: the whole account."
  type        = object({ key = string, value = string })
  default     = null
}

variable "topic_arn" {
  description = "Topic that gets the warnings."
  type        = string
}
