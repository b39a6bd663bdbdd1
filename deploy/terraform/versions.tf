# 1.10: `use_lockfile` of the S3 backend. 6.66: the schema that the checks know (tools/aws-schema.json).
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.66"
    }
  }
}
