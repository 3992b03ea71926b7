# Orders that matter. An idle connection: the load balancer lets go (60 s) before the server does (75 s), or requests are
# lost on connections that the server is just closing. Stopping a task: first it leaves the load balancer, for as long as a
# request may take (60 s to send its body, 30 s to handle it); then it is told to stop, and gets longer than the server's own
# limit and the 10 s for queued edits. The sending of an answer has no limit: who reads one slowly may be cut off after both.

resource "aws_lb" "this" {
  # checkov:skip=CKV2_AWS_76: about a Java library, and no part of Quire is Java
  name                       = var.name
  load_balancer_type         = "application"
  internal                   = false
  subnets                    = var.public_subnet_ids
  security_groups            = [var.load_balancer_security_group_id]
  idle_timeout               = var.idle_timeout_seconds
  drop_invalid_header_fields = true
  enable_deletion_protection = var.deletion_protection

  access_logs {
    bucket  = aws_s3_bucket.access_log.id
    enabled = true
  }
  # AWS writes a test file when logging begins, for which it needs the permission.
  depends_on = [aws_s3_bucket_policy.access_log]
}

resource "aws_lb_target_group" "this" {
  name                 = var.name
  vpc_id               = var.vpc_id
  target_type          = "ip"
  protocol             = "HTTP"
  port                 = var.server_port
  deregistration_delay = var.deregistration_delay_seconds

  # Never asks the database: ECS replaces what is unhealthy here, and while the database is away a new task could not start,
  # though the old one shows notebooks from memory. It is 503 only while the server shuts down.
  health_check {
    path                = "/readyz"
    protocol            = "HTTP"
    matcher             = "200"
    interval            = 30
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  # TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only; keys are exchanged in a way that quantum computers do not
  # open, with clients that can.
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
  certificate_arn = var.certificate_arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"
  default_action {
    type = "redirect"
    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}
