variable "region" {
  description = "AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "image" {
  description = "The image, by digest."
  type        = string

  validation {
    condition     = strcontains(var.image, "@sha256:")
    error_message = "At the event the image is named by its digest: a tag could be moved."
  }
}

variable "domain" {
  description = "Name of the API."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for that name."
  type        = string
}

variable "allowed_cidrs" {
  description = "From where people may reach the API; they still need a token."
  type        = set(string)
}

variable "alarm_emails" {
  description = "Addresses that get the alarms."
  type        = set(string)
}

variable "apns" {
  description = "APNs key id, team id and topic."
  type        = object({ key_id = string, team_id = string, topic = string })
}

variable "interim_worker" {
  description = "Size of an interim worker, and the most of them. Here for 4M users; `owl fleet plan --tfvars` writes it."
  type        = object({ cpu = number, memory_mib = number, tasks_max = number })
  default     = { cpu = 4096, memory_mib = 8192, tasks_max = 40 }
}

variable "push_worker" {
  description = "Size of a push worker, the most of them, and connections of each. `owl fleet plan --tfvars` writes it."
  type        = object({ cpu = number, memory_mib = number, tasks_max = number, connections_per_task = number })
  default     = { cpu = 2048, memory_mib = 4096, tasks_max = 500, connections_per_task = 40 }
}

# 40,000 batches are claimed and completed once each: 80,000 writes in 5 s are 16,000 a second, and as much again for the
# share that is uneven. The audience's upload reads the devices; the press does not.
variable "warm_throughput" {
  description = "DynamoDB units a second to be ready for at once. `owl fleet plan --tfvars` writes it."
  type        = map(object({ read = number, write = number }))
  default = {
    ledger  = { read = 12000, write = 32000 }
    devices = { read = 24000, write = 4000 }
  }
}

variable "prescale" {
  description = "Scheduled sizes: up hours before, and back to 0 hours after."
  type = list(object({
    at       = string
    interim  = number
    push     = number
    scale_in = optional(bool, false)
  }))
}
