# Images are named by digest everywhere. Tags are for people, and cannot be moved to another image.

resource "aws_ecr_repository" "this" {
  # checkov:skip=CKV_AWS_136: encrypted with the service's own key; images hold no secret
  for_each             = toset(["server", "migrator", "tools"])
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  # Without this a repository that holds images cannot be deleted, when the protection is taken away to take everything down.
  force_delete = !var.deletion_protection
  image_scanning_configuration {
    scan_on_push = true
  }
}

# Fifty releases back there is nothing to roll back to.
resource "aws_ecr_lifecycle_policy" "this" {
  for_each   = aws_ecr_repository.this
  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the last fifty"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
      action       = { type = "expire" }
    }]
  })
}
