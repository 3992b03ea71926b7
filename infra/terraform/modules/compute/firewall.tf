# A limit on what one address asks for, or the account's own firewall. Both by input: every route but the probes and the
# documents asks for a signed token, and the server bounds what a request costs.

resource "aws_wafv2_web_acl" "this" {
  # checkov:skip=CKV_AWS_192: about a Java library, and no part of Quire is Java
  # checkov:skip=CKV2_AWS_31: what was refused is counted as a metric, and the load balancer's access log has each request
  count       = var.max_requests_per_client == null ? 0 : 1
  name        = var.name
  description = "Quire: requests of one client"
  scope       = "REGIONAL"
  default_action {
    allow {}
  }
  rule {
    name     = "rate"
    priority = 1
    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }
    statement {
      rate_based_statement {
        limit                 = var.max_requests_per_client
        evaluation_window_sec = 300
        aggregate_key_type    = "IP"
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "${var.name}-rate"
      sampled_requests_enabled   = true
    }
  }
  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = true
  }
}

resource "aws_wafv2_web_acl_association" "this" {
  count        = var.max_requests_per_client == null && var.web_acl_arn == null ? 0 : 1
  resource_arn = aws_lb.this.arn
  web_acl_arn  = var.web_acl_arn == null ? aws_wafv2_web_acl.this[0].arn : var.web_acl_arn
}
