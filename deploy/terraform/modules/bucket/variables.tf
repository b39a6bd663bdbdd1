variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts the objects."
  type        = string
}

variable "keep_days" {
  description = "Days after which uploads, snapshots and reports of a campaign are deleted."
  type        = number

  validation {
    condition     = var.keep_days >= 7
    error_message = "keep_days is at least 7: a snapshot must live longer than the wait for its event."
  }
}

variable "undo_days" {
  description = "Days for which what was overwritten or deleted can still be brought back."
  type        = number
  default     = 14
}
