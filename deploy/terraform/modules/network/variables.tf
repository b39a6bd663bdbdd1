variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC: a /16 to /20."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 20, false)
    error_message = "cidr is an IPv4 range between /16 and /20."
  }
}

variable "zones" {
  description = "Letters of the availability zones to use."
  type        = list(string)

  validation {
    condition     = contains([2, 3], length(distinct(var.zones))) && length(distinct(var.zones)) == length(var.zones) && alltrue([for letter in var.zones : can(regex("^[a-f]$", letter))])
    error_message = "zones is two or three different letters."
  }
}

variable "egress" {
  description = "How push workers reach APNs and FCM: public (an address each) or nat."
  type        = string
}

variable "nat_addresses" {
  description = "With egress = nat: addresses of each NAT gateway (AWS allows 8; more than 2 need a quota)."
  type        = number

  validation {
    condition     = var.nat_addresses >= 1 && var.nat_addresses <= 8
    error_message = "nat_addresses is 1 to 8."
  }
}

variable "push_connections" {
  description = "Connections to APNs and FCM of the whole push fleet, for the check of the NAT gateways."
  type        = number
}

variable "interface_endpoints" {
  description = "Whether the interface endpoints exist."
  type        = bool
}

variable "ec2_hosts" {
  description = "Whether tasks run on EC2 hosts, whose agents need endpoints of their own."
  type        = bool
}

variable "extra_endpoints" {
  description = "Further interface endpoints, such as kms or xray."
  type        = list(string)
  default     = []
}
