# Allowed connections: from the world to the load balancer, from that to the tasks, from those to the database. Terraform takes away the
# rule that lets a new group send everything everywhere, so what is not written here does not happen. Asking the network's
# own name server needs no rule.

resource "aws_security_group" "load_balancer" {
  # checkov:skip=CKV2_AWS_5: attached in another module, which the check does not follow
  name        = "${var.name}-load-balancer"
  description = "Quire: the load balancer"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-load-balancer" }
}

resource "aws_security_group" "tasks" {
  # checkov:skip=CKV2_AWS_5: attached in another module, which the check does not follow
  name        = "${var.name}-tasks"
  description = "Quire: servers, migrator, tools"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-tasks" }
}

resource "aws_security_group" "database" {
  # checkov:skip=CKV2_AWS_5: attached in another module, which the check does not follow
  name        = "${var.name}-database"
  description = "Quire: the database; reached from the tasks only, reaches nothing"
  vpc_id      = var.vpc_id
  tags        = { Name = "${var.name}-database" }
}

resource "aws_vpc_security_group_ingress_rule" "https" {
  for_each          = toset(var.client_cidrs)
  security_group_id = aws_security_group.load_balancer.id
  description       = "Clients"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "http" {
  # checkov:skip=CKV_AWS_260: answers nothing but a redirect to HTTPS
  for_each          = toset(var.client_cidrs)
  security_group_id = aws_security_group.load_balancer.id
  description       = "Clients that are sent on to HTTPS"
  cidr_ipv4         = each.key
  ip_protocol       = "tcp"
  from_port         = 80
  to_port           = 80
}

resource "aws_vpc_security_group_egress_rule" "to_tasks" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Requests and probes"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.server_port
  to_port                      = var.server_port
}

resource "aws_vpc_security_group_ingress_rule" "from_load_balancer" {
  security_group_id            = aws_security_group.tasks.id
  description                  = "Requests and probes"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = var.server_port
  to_port                      = var.server_port
}

resource "aws_vpc_security_group_egress_rule" "to_database" {
  security_group_id            = aws_security_group.tasks.id
  description                  = "The database of Quire"
  referenced_security_group_id = aws_security_group.database.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# Registry, secrets, logs, and Clerk's keys: names behind which addresses change, so any address, but one port.
resource "aws_vpc_security_group_egress_rule" "to_https" {
  security_group_id = aws_security_group.tasks.id
  description       = "Registry, secrets, logs, Clerk"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

# Addresses that SQL cells may reach. None, unless it is named: a cell is code of a user.
resource "aws_vpc_security_group_egress_rule" "to_sql" {
  for_each          = { for target in distinct(var.sql_cell_targets) : "${target.cidr}:${target.port}" => target }
  security_group_id = aws_security_group.tasks.id
  description       = "Databases of SQL cells"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_ingress_rule" "from_tasks" {
  security_group_id            = aws_security_group.database.id
  description                  = "Tasks only"
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}
