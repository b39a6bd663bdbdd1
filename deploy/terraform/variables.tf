# --- what every installation must say

variable "name" {
  description = "Prefix of every name: `prefix` in the services' configuration."
  type        = string
  default     = "owl"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name)) && !endswith(var.name, "-")
    error_message = "name is 2 to 16 lower-case letters, digits and hyphens, a letter first, no hyphen last."
  }
}

variable "bucket" {
  description = "Name of the bucket for uploads, snapshots and reports. Names are shared by all of AWS's customers."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket is 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "image" {
  description = "The image of all three services, in ECR: tasks in private subnets reach no other registry. With a version or, better, a digest."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.[a-z.]+/[a-z0-9/_.-]+(@sha256:[0-9a-f]{64}|:[A-Za-z0-9_.-]+)$", var.image)) && !endswith(var.image, ":latest")
    error_message = "image is an ECR image with a digest (@sha256:...) or a tag other than latest."
  }
}

variable "domain" {
  description = "Name in the API's certificate, under which people reach it."
  type        = string
}

variable "certificate_arn" {
  description = "ACM certificate for that name, in the same region."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:acm:", var.certificate_arn))
    error_message = "certificate_arn is the ARN of an ACM certificate."
  }
}

variable "allowed_cidrs" {
  description = "From where the API may be reached: VPN, office. Whoever reaches it still needs a token; this is the second fence."
  type        = set(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in var.allowed_cidrs : can(cidrnetmask(cidr))])
    error_message = "allowed_cidrs holds at least one IPv4 range."
  }

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : try(tonumber(split("/", cidr)[1]), 0) >= (var.internal ? 8 : 24)])
    error_message = "Tokens leak, and this fence is what is left then: a range is at most a /8 with an internal load balancer, and at most a /24 with a public one."
  }
}

variable "alarm_emails" {
  description = "Addresses that get the alarms; the pager subscribes to the topic itself (output alarm_topic)."
  type        = set(string)
  default     = []
}

variable "budget_usd" {
  description = "Dollars a month, of the whole account or of budget_tag, at which to warn."
  type        = number
}

# --- gateways

variable "apns" {
  description = "APNs, or null for none. kind: production, sandbox or rehearsal (endpoint and CA of a rehearsal: `environment`)."
  type = object({
    kind    = optional(string, "production")
    key_id  = string
    team_id = string
    topic   = string
  })
  default = null

  validation {
    condition     = var.apns == null || try(contains(["production", "sandbox", "rehearsal"], var.apns.kind), false)
    error_message = "apns.kind is production, sandbox or rehearsal."
  }
}

variable "fcm" {
  description = "FCM, or null for none. kind: production or rehearsal."
  type = object({
    kind = optional(string, "production")
  })
  default = null

  validation {
    condition     = var.fcm == null || try(contains(["production", "rehearsal"], var.fcm.kind), false)
    error_message = "fcm.kind is production or rehearsal."
  }

  validation {
    condition     = var.apns != null || var.fcm != null
    error_message = "At least one of apns and fcm is needed."
  }
}

variable "gateway_ports" {
  description = "Ports besides 443 that push workers may reach: 2197 for APNs' other one, or a rehearsal gateway's."
  type        = set(number)
  default     = []
}

variable "environment" {
  description = "Further settings (OWL_...) by service: api, interim-worker, push-worker. Never secrets: they would stand in the state."
  type        = map(map(string))
  default     = {}

  validation {
    condition     = alltrue([for service in keys(var.environment) : contains(["api", "interim-worker", "push-worker"], service)])
    error_message = "environment is by service: api, interim-worker, push-worker."
  }

  validation {
    condition     = alltrue(flatten([for settings in values(var.environment) : [for key in keys(settings) : startswith(key, "OWL_") && !contains(["OWL_APNS__KEY", "OWL_FCM__SERVICE_ACCOUNT", "OWL_ACCESS__ADMIN_TOKEN"], key)]]))
    error_message = "Settings are named OWL_...; the three secrets go into Secrets Manager."
  }
}

# --- sizes

variable "api" {
  description = "The api tasks. `tasks` counts at creation only; later: aws ecs update-service."
  type = object({
    cpu        = optional(number, 512)
    memory_mib = optional(number, 1024)
    tasks      = optional(number, 2)
  })
  default = {}
}

variable "interim_worker" {
  description = "An interim worker's size (it holds the snapshot in memory: about 110 bytes a user, twice while it loads), and the most that a scheduled size may ask for."
  type = object({
    cpu        = optional(number, 2048)
    memory_mib = optional(number, 4096)
    tasks_max  = optional(number, 40)
  })
  default = {}
}

variable "push_worker" {
  description = "A push worker's size, its connections to both gateways together, and the most that a scheduled size may ask for. `owl fleet plan` computes them."
  type = object({
    cpu                  = optional(number, 2048)
    memory_mib           = optional(number, 4096)
    tasks_max            = optional(number, 500)
    connections_per_task = optional(number, 40)
  })
  default = {}
}

variable "prescale" {
  description = "Scheduled sizes of the fleets: at (UTC, such as 2027-02-14T20:00:00Z) that many tasks at least, or exactly as many with scale_in. docs/terraform.md says how this and `owl fleet scale` go together."
  type = list(object({
    at       = string
    interim  = number
    push     = number
    scale_in = optional(bool, false)
  }))
  default = []

  validation {
    condition     = alltrue([for item in var.prescale : can(timeadd(item.at, "0s")) && endswith(item.at, "Z")])
    error_message = "at is a time in UTC, such as 2027-02-14T20:00:00Z."
  }

  validation {
    condition     = length(distinct([for item in var.prescale : item.at])) == length(var.prescale)
    error_message = "Two items have the same time."
  }

  validation {
    condition     = alltrue([for item in var.prescale : item.scale_in || (item.interim > 0 && item.push > 0)])
    error_message = "A size of 0 does nothing without scale_in = true."
  }

  validation {
    condition     = length(var.prescale) == 0 || anytrue([for item in var.prescale : item.scale_in && item.interim == 0 && item.push == 0])
    error_message = "Something must bring the fleets back to 0: add an item with interim = 0, push = 0, scale_in = true, hours after the event."
  }
}

variable "warm_throughput" {
  description = "DynamoDB units a second to be ready for at once, by table; see modules/tables. At 4M users in 5 s the ledger takes 80,000 writes in 5 s."
  type        = map(object({ read = number, write = number }))
  default     = {}
}

variable "capacity" {
  description = "Where tasks run. kind: fargate, or ec2 with its instance type, image and most hosts."
  type = object({
    kind          = optional(string, "fargate")
    instance_type = optional(string, "c7i.4xlarge")
    image_id      = optional(string, "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id")
    hosts_max     = optional(number, 60)
  })
  default = {}

  validation {
    condition     = contains(["fargate", "ec2"], var.capacity.kind)
    error_message = "capacity.kind is fargate or ec2."
  }

  validation {
    condition     = var.capacity.kind != "ec2" || (var.egress == "nat" && var.interface_endpoints)
    error_message = "On EC2 hosts a task's own address is never public: capacity.kind = \"ec2\" needs egress = \"nat\" and the interface endpoints."
  }
}

variable "architecture" {
  description = "The image's architecture: X86_64 or ARM64. On EC2 the instance type and image_id must be of the same."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "architecture is X86_64 or ARM64."
  }
}

variable "image_user" {
  description = "User and group of the processes, as numbers other than 0: those of deploy/Dockerfile."
  type        = string
  default     = "10001:10001"
}

# --- network

variable "vpc_cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Letters of two or three availability zones of the region, such as a, b, c. Changing them later replaces subnets."
  type        = list(string)
  default     = ["a", "b", "c"]
}

variable "egress" {
  description = "How push workers reach APNs and FCM: public (an address each, no way in) or nat. modules/network compares them."
  type        = string
  default     = "public"

  validation {
    condition     = contains(["public", "nat"], var.egress)
    error_message = "egress is public or nat."
  }
}

variable "nat_addresses" {
  description = "With egress = nat: addresses of each NAT gateway, 55,000 connections to one destination each."
  type        = number
  default     = 1
}

variable "interface_endpoints" {
  description = "Whether SQS and the rest are reached through interface endpoints. Off between events saves their hourly price; all tasks then stand in public subnets, closed to the world."
  type        = bool
  default     = true

  validation {
    condition     = var.interface_endpoints || var.egress == "public"
    error_message = "Without interface endpoints egress = \"nat\" would send SQS's bytes through NAT."
  }
}

variable "extra_endpoints" {
  description = "Further interface endpoints, such as kms or xray."
  type        = list(string)
  default     = []
}

variable "internal" {
  description = "Whether the load balancer has no public address. Whoever reaches it still needs a token."
  type        = bool
  default     = true
}

variable "zone_id" {
  description = "Route 53 zone in which `domain` is made; null: make it elsewhere."
  type        = string
  default     = null
}

variable "access_log_bucket" {
  description = "Bucket for the load balancer's access logs; null for none. It must allow the region's load balancers to write."
  type        = string
  default     = null
}

# --- keeping

variable "deletion_protection" {
  description = "Whether AWS refuses to delete tables and load balancer."
  type        = bool
  default     = true
}

variable "keep_days" {
  description = "Days after which a campaign's objects are deleted."
  type        = number
  default     = 90
}

variable "log_days" {
  description = "Days for which log lines are kept: one of CloudWatch's steps."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_days)
    error_message = "log_days is one of CloudWatch's steps: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, ..."
  }
}

variable "log_level" {
  description = "Log lines of the services, as in OWL_LOG."
  type        = string
  default     = "info"
}

variable "alarm_thresholds" {
  description = "Where alarms begin: see modules/alarms."
  type = object({
    shard_age_seconds = optional(number)
    batch_age_seconds = optional(number)
    in_flight         = optional(number)
    certificate_days  = optional(number)
    fleet_hours       = optional(number)
  })
  default = {}
}

variable "budget_tag" {
  description = "Tag of the costs that count. It must be activated for cost allocation, else nothing counts. null: the whole account."
  type        = object({ key = string, value = string })
  default     = null
}
