variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnets" {
  description = "Subnets of the load balancer."
  type        = list(string)
}

variable "internal" {
  description = "Whether it has no public address."
  type        = bool
}

variable "allowed_cidrs" {
  description = "From where it may be reached."
  type        = set(string)
}

variable "api_security_group" {
  description = "Security group of the api tasks."
  type        = string
}

variable "port" {
  description = "Port of the api tasks."
  type        = number
}

variable "domain" {
  description = "Name in the certificate, under which people reach the API."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for that name."
  type        = string
}

variable "zone_id" {
  description = "Route 53 zone in which the name is made; null: make it elsewhere."
  type        = string
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete it."
  type        = bool
}

variable "access_log_bucket" {
  description = "Bucket for access logs; null for none."
  type        = string
}
