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
  description = "Lower-case name or IPv4 address of the machine with the stand-in gateways, as the push workers reach it: `owl gateways --host` with the same."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?$", var.gateway_host))
    error_message = "gateway_host is a lower-case name or an IPv4 address without port; no part of it is empty, and none begins or ends with a hyphen."
  }

  # The workers refuse them too, by the same list (is_vendor_host in crates/push-worker): here it is known before anything is made.
  validation {
    condition     = !can(regex("(^|\\.)(apple\\.com|apple|icloud\\.com|aaplimg\\.com|apple-dns\\.net|googleapis\\.com|google\\.com|google|1e100\\.net|firebaseio\\.com)\\.?$", var.gateway_host)) && !can(regex("^17\\.[0-9.]+$", var.gateway_host))
    error_message = "A rehearsal's host is neither Apple's nor Google's."
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
