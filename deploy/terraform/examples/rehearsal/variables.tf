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
  description = "The image, with a tag or digest."
  type        = string
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
  default     = []
}

variable "gateway_endpoint" {
  description = "Stand-in gateway, host:port, that the push workers reach."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+:[0-9]+$", var.gateway_endpoint)) && !can(regex("(apple\\.com|googleapis\\.com)", var.gateway_endpoint))
    error_message = "gateway_endpoint is host:port, and a rehearsal's host is neither Apple's nor Google's."
  }
}

variable "gateway_ca_file" {
  description = "File in the image with the stand-in gateway's CA."
  type        = string
}

variable "interface_endpoints" {
  description = "Off between rehearsals, to save their hourly price."
  type        = bool
  default     = true
}
