variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "kms_key_arn" {
  description = "Key of the tables that hold personal data or secrets (devices, audit, webhooks)."
  type        = string
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the tables."
  type        = bool
}

variable "warm_throughput" {
  description = "Units a second to be ready for at once, by table (campaigns, ledger, devices, fleet, audit, access, webhooks). A table left out has AWS's start: 4,000 writes, 12,000 reads. Raising is charged once; AWS allows no lowering, so an applied value stays in this variable."
  type        = map(object({ read = number, write = number }))
  default     = {}

  validation {
    condition     = alltrue([for table in keys(var.warm_throughput) : contains(["campaigns", "ledger", "devices", "fleet", "audit", "access", "webhooks"], table)])
    error_message = "The tables are campaigns, ledger, devices, fleet, audit, access and webhooks."
  }

  validation {
    condition     = alltrue([for units in values(var.warm_throughput) : units.read >= 12000 && units.write >= 4000])
    error_message = "The least that AWS accepts is 12,000 reads and 4,000 writes; leave the table out for these."
  }
}
