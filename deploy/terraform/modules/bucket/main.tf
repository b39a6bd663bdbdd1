# Uploads, snapshots, reports and test sends: all under `campaigns/<id>/`; lists of testers under `testers/`. Versioned, encrypted, closed to the public.

resource "aws_s3_bucket" "this" {
  bucket        = var.bucket
  force_destroy = false
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    object_ownership = "BucketOwnerEnforced" # ACLs off
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    # The bucket key makes one KMS call do for many objects: 520 workers loading a snapshot stay far from KMS's quota.
    bucket_key_enabled = true

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "cut-uploads"
    status = "Enabled"
    filter {}

    # What a crash left of a multipart upload is invisible and billed.
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }

    # Delete markers with nothing left under them slow listings down.
    expiration {
      expired_object_delete_marker = true
    }
  }

  rule {
    id     = "campaigns"
    status = "Enabled"

    filter {
      prefix = "campaigns/"
    }

    # User ids and push tokens are not kept for ever. Reports go too: fetch what has to stay.
    expiration {
      days = var.keep_days
    }

    noncurrent_version_expiration {
      noncurrent_days = var.undo_days
    }
  }

  rule {
    id     = "testers"
    status = "Enabled"

    filter {
      prefix = "testers/"
    }

    # A list stays until somebody removes it; then its tokens go, too.
    noncurrent_version_expiration {
      noncurrent_days = var.undo_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "tls_only" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}
