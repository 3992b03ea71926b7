terraform {
  # 1.11 has write-only arguments and ephemeral values, which keep passwords out of the state, and locks in S3 itself.
  required_version = ">= 1.11.0, < 2.0.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.25"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }

  # Bucket, key and region are those of the environment: staging.tfbackend and production.tfbackend;
  # docs/aws.md shows how the bucket is made.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region              = var.region
  allowed_account_ids = [var.account_id]
  default_tags {
    tags = { Application = "quire", Environment = var.name, ManagedBy = "terraform" }
  }
}
