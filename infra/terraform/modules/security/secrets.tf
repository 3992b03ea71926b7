# Passwords and keys. They are drawn while Terraform applies, go to Secrets Manager through write-only arguments, and are in
# no plan and no state. A new one is drawn for each run and sent only when its version here is raised.

# Letters and digits, so that a password means the same in a URL, a shell and a connection string; 40 of them have more
# than 230 bits.
ephemeral "random_password" "role" {
  for_each = local.roles
  length   = 40
  special  = false
}

# 32 bytes in base 64 is what the server takes; 32 letters and digits have 190 bits.
ephemeral "random_password" "secret_key" {
  length  = 32
  special = false
}

locals {
  roles = { owner = "quire_owner", server = "quire_server" }
}

resource "aws_secretsmanager_secret" "role" {
  # checkov:skip=CKV_AWS_149: encrypted with the account's own key; a customer's key is worth its price once other accounts read this
  # checkov:skip=CKV2_AWS_57: a rotation has to change the role in the same moment; docs/deployment-checklist.md says how
  for_each                = local.roles
  name                    = "${var.name}/database/${each.key}"
  description             = "The database role ${each.value}"
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "role" {
  for_each  = local.roles
  secret_id = aws_secretsmanager_secret.role[each.key].id
  secret_string_wo = jsonencode({
    username = each.value
    password = ephemeral.random_password.role[each.key].result
  })
  secret_string_wo_version = var.role_password_version
}

# Without this key the connection strings of all notebooks are lost: 30 days to notice.
resource "aws_secretsmanager_secret" "secret_key" {
  # checkov:skip=CKV_AWS_149: encrypted with the account's own key; a customer's key is worth its price once other accounts read this
  # checkov:skip=CKV2_AWS_57: changed by hand, with `quire-migrate reseal` after it; never by a timer
  name                    = "${var.name}/secret-key"
  description             = "QUIRE_SECRET_KEY: seals the connection strings of notebooks"
  recovery_window_in_days = 30

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_secretsmanager_secret_version" "secret_key" {
  secret_id                = aws_secretsmanager_secret.secret_key.id
  secret_string_wo         = base64encode(ephemeral.random_password.secret_key.result)
  secret_string_wo_version = var.secret_key_version
}
