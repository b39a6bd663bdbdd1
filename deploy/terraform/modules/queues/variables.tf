variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "receives_max" {
  description = "Receives after which an envelope is dead-lettered: common::limits::RECEIVES_MAX. Below 10, an envelope that only waits for another holder's lease would be buried."
  type        = number
  default     = 20

  validation {
    condition     = var.receives_max >= 10 && var.receives_max <= 1000
    error_message = "receives_max is 10 to 1000."
  }
}
