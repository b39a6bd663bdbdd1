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

variable "gateway_host" {
  description = "Name or address of the machine with the stand-in gateways, as the push workers reach it: `owl gateways --host` with the same."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+$", var.gateway_host)) && !can(regex("(apple\\.com|googleapis\\.com)\\.?$", var.gateway_host))
    error_message = "gateway_host is a name or an address without port, and a rehearsal's host is neither Apple's nor Google's."
  }
}

variable "gateway_ports" {
  description = "Ports of the stand-in gateways: APNs, FCM, and the admin listener, where FCM's access tokens come from. The defaults are those of `owl gateways --host`."
  type = object({
    apns  = optional(number, 8443)
    fcm   = optional(number, 8444)
    admin = optional(number, 8445)
  })
  default = {}
}

variable "gateway_ca_file" {
  description = "File in the image with the stand-in gateways' CA."
  type        = string
  default     = "/etc/owl/rehearsal-ca.pem"
}

variable "interface_endpoints" {
  description = "Off between rehearsals, to save their hourly price."
  type        = bool
  default     = true
}
