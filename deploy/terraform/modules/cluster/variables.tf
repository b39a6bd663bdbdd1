variable "name" {
  description = "Prefix of every name, and the cluster's own."
  type        = string
}

variable "partition" {
  description = "AWS partition, such as aws."
  type        = string
}

variable "capacity" {
  description = "Where tasks run: kind = fargate or ec2; the rest is for ec2 only."
  type = object({
    kind          = string
    instance_type = optional(string, "c7i.4xlarge")
    image_id      = optional(string, "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id")
    hosts_max     = optional(number, 60)
  })
}

variable "subnets" {
  description = "Subnets of EC2 hosts."
  type        = list(string)
}

variable "host_security_group" {
  description = "Security group of EC2 hosts (out only)."
  type        = string
}
