"""Terraform itself judges the modules' inputs: good ones pass, bad ones are refused with a sentence that says why.

Needs Terraform and no provider: a module's variables, and what is computed from them alone, are put into a folder of
their own. Where Terraform is not installed, scripts/test-infra says so and does not run this.
"""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

from configuration import TERRAFORM

DIGEST = "@sha256:" + "0" * 64
REPOSITORY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quire/"
COMPUTE = {
    "name": "quire-staging", "region": "eu-central-1", "vpc_id": "vpc-1", "public_subnet_ids": ["a", "b"],
    "private_subnet_ids": ["c", "d"], "load_balancer_security_group_id": "sg-1", "tasks_security_group_id": "sg-2",
    "role_secret_arns": {"owner": "o", "server": "s"}, "secret_key_arn": "k", "master_secret_arn": "m",
    "url_parameter_arns": {"owner": "o", "server": "s"}, "database_address": "db", "database_name": "quire",
    "images": {name: REPOSITORY + name + DIGEST for name in ("server", "migrator", "tools")},
    "server_port": 8000, "database_max_connections": 100, "allowed_origins": ["https://app.example.com"],
    "clerk": {"issuer": "https://clerk.example.com"},
    "certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
}
DATABASE = {"name": "quire", "subnet_ids": ["a", "b"], "security_group_id": "sg", "multi_az": False}
NETWORK = {"name": "quire", "region": "eu-central-1", "availability_zones": ["eu-central-1a", "eu-central-1b"], "nat_in_each_zone": False}
SECURITY = {"name": "quire", "vpc_id": "vpc", "server_port": 8000}
MONITORING = {
    "name": "quire", "region": "eu-central-1", "alarm_topic_arn": "arn:aws:sns:eu-central-1:123456789012:alarms", "connections_needed": 34,
    "database": {"instance_id": "quire", "instance_class": "db.t4g.micro", "memory_bytes": 1 << 30, "allocated_storage_gb": 20, "max_allocated_storage_gb": 100},
    "service": {"cluster_name": "c", "service_name": "s", "load_balancer_arn_suffix": "app/l", "target_group_arn_suffix": "t", "log_group_name": "/l", "min_tasks": 1},
}
GOOD = {"compute": COMPUTE, "database": DATABASE, "network": NETWORK, "security": SECURITY, "monitoring": MONITORING}

# (the module, what is given, words of the refusal)
BAD = [
    ("compute", {"max_tasks": 5}, "5 tasks are 10, each with 10 + 1 connections; with 12 in reserve that is 122, and the database takes 100"),
    ("compute", {"pool_size": 30, "max_tasks": 2}, "lower max_tasks or pool_size"),
    ("compute", {"pool_size": 31}, "pool_size must be from 1 to 30"),
    ("compute", {"min_tasks": 2}, "min_tasks (2) must be at least 1 and at most max_tasks (1)"),
    ("compute", {"reserved_connections": 2}, "reserved_connections must be at least 10"),
    ("compute", {"images": {name: REPOSITORY + name + ":latest" for name in ("server", "migrator", "tools")}}, "images must be named by digest"),
    ("compute", {"images": {name: REPOSITORY + name + ":1" + DIGEST for name in ("server", "migrator", "tools")}}, "images must be named by digest"),
    ("compute", {"allowed_origins": ["*"]}, "allowed_origins must be origins"),
    ("compute", {"allowed_origins": ["http://app.example.com"]}, "no plain HTTP"),
    ("compute", {"clerk": {"issuer": "clerk.example.com"}}, "clerk.issuer must be a URL"),
    ("compute", {"certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/1"}, "in ACM in the region eu-central-1"),
    ("compute", {"data_bucket": "s3://example-quire-data/"}, "data_bucket must be a bucket's name"),
    ("compute", {"name": "Quire_production_of_a_long_name"}, "name must be 3 to 24"),
    ("compute", {"name": "quire--staging"}, "single hyphens"),
    ("compute", {"name": "internal-quire"}, "name must not begin with internal-"),
    ("compute", {"cpu": 300}, "cpu must be one of 1024, 16384, 2048, 256, 4096, 512, 8192"),
    ("compute", {"cpu": 256, "memory_mib": 4096}, "memory_mib (4096) must be what Fargate has for cpu = 256: 512, 1024, 2048."),
    ("compute", {"memory_mib": 1000}, "must be what Fargate has for cpu = 512: 1024, 2048, 3072, 4096."),
    ("compute", {"access_log_retention_days": 0}, "access_log_retention_days must be a whole number"),
    ("compute", {"web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/q/1"}, "regional web ACL of WAFv2 in the region eu-central-1"),
    ("compute", {"max_requests_per_client": 5}, "from 10 to 2000000000"),
    ("compute", {"max_requests_per_client": 100, "web_acl_arn": "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/q/1"}, "a load balancer takes one"),
    ("compute", {"keep_alive_seconds": 60}, "keep_alive_seconds (60) must be above idle_timeout_seconds (60)"),
    ("compute", {"idle_timeout_seconds": 80}, "requests are lost on connections"),
    ("compute", {"stop_timeout_seconds": 40}, "stop_timeout_seconds (40) must be above shutdown_timeout_seconds + 10 (40)"),
    ("compute", {"stop_timeout_seconds": 121}, "at most 120"),
    ("compute", {"deregistration_delay_seconds": 10}, "deregistration_delay_seconds (10) must be at least body_timeout_seconds + request_timeout_seconds (90)"),
    ("compute", {"body_timeout_seconds": 75}, "must be at least body_timeout_seconds + request_timeout_seconds (105)"),
    ("database", {"instance_class": "db.t2.nano"}, "instance_class must be one whose memory is known"),
    ("database", {"allocated_storage_gb": 10}, "at least 20"),
    ("database", {"max_allocated_storage_gb": 20}, "nothing to grow into"),
    ("database", {"max_connections": 5000}, "from 20 to 1000"),
    ("database", {"database_name": "Quire-1"}, "database_name must be"),
    ("network", {"availability_zones": ["eu-central-1a"]}, "two different zones"),
    ("network", {"availability_zones": ["eu-central-1a", "eu-central-1a"]}, "two different zones"),
    ("network", {"availability_zones": ["us-east-1a", "us-east-1b"]}, "zones of the region eu-central-1"),
    ("network", {"cidr": "10.0.0.0/28"}, "from /16 to /20"),
    ("network", {"cidr": "quire"}, "from /16 to /20"),
    ("network", {"cidr": "10.0.0.1/16"}, "begin with the block's first address"),
    ("security", {"client_cidrs": ["203.0.113.7/24"]}, "begin with their first address"),
    ("security", {"sql_cell_targets": [{"cidr": "0.0.0.0/1", "port": 5432}, {"cidr": "128.0.0.0/1", "port": 5432}]}, "a cell is code of a user"),
    ("security", {"sql_cell_targets": [{"cidr": "10.50.0.1/16", "port": 5432}]}, "begin with their first address"),
    ("security", {"sql_cell_targets": [{"cidr": "10.50.0.0/16", "port": 0}]}, "ports from 1 to 65535"),
    ("security", {"client_cidrs": []}, "client_cidrs must be IPv4 blocks"),
    ("security", {"sql_cell_targets": [{"cidr": "0.0.0.0/0", "port": 5432}]}, "a cell is code of a user"),
    ("monitoring", {"alarm_topic_arn": ""}, "nobody is told"),
    ("monitoring", {"application_alarms": {"a": {"description": "d", "namespace": "n", "metric": "m", "threshold": 1, "missing": "well"}}}, "breaching, notBreaching, ignore or missing"),
]


def blocks(text, kind):
    """The blocks of a kind, as text. `terraform fmt` puts a block's beginning and end at the beginning of lines."""
    return "\n".join(re.findall(rf"^{kind}\b[^\n]*\{{\n.*?^\}}$", text, re.DOTALL | re.MULTILINE))


def terraform(folder, *arguments):
    environment = {**os.environ, "TF_IN_AUTOMATION": "1", "NO_COLOR": "1", "CHECKPOINT_DISABLE": "1"}
    environment.pop("TF_CLI_CONFIG_FILE", None)
    return subprocess.run(["terraform", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def plan(module, values, more=""):
    """Plans a module that has nothing but its variables, what is computed from them, and `more`."""
    source = TERRAFORM / "modules" / module
    with tempfile.TemporaryDirectory() as folder:
        text = (source / "variables.tf").read_text() + more
        if module == "database":
            text += blocks((source / "outputs.tf").read_text(), "locals")
        (Path(folder) / "main.tf").write_text(text)
        (Path(folder) / "values.tfvars.json").write_text(json.dumps(values))
        done = terraform(folder, "plan", "-input=false", "-no-color", "-var-file=values.tfvars.json")
        said = re.sub(r"[╷│╵]", " ", done.stdout + done.stderr)
        return done.returncode, re.sub(r"\s+", " ", said)


class Inputs(unittest.TestCase):
    def test_good_inputs_pass(self):
        for module, values in GOOD.items():
            with self.subTest(module):
                code, said = plan(module, values)
                self.assertEqual(code, 0, said)

    def test_the_most_that_fits(self):
        most = {"min_tasks": 2, "max_tasks": 4, "data_bucket": "example-quire-data", "cpu": 16384, "memory_mib": 122880, "max_requests_per_client": 10}
        code, said = plan("compute", {**COMPUTE, **most})
        self.assertEqual(code, 0, said)
        code, said = plan("security", {**SECURITY, "sql_cell_targets": [{"cidr": "10.50.0.0/16", "port": 5432}], "client_cidrs": ["203.0.113.0/24"]})
        self.assertEqual(code, 0, said)

    def test_bad_inputs_are_refused(self):
        for module, values, words in BAD:
            with self.subTest(module, **values):
                code, said = plan(module, {**GOOD[module], **values})
                self.assertEqual(code, 1, said)
                self.assertIn(words, said)

    def test_alarms_are_computed(self):
        """Alarms and dashboard are made from inputs alone, so Terraform can compute them here."""
        files = [TERRAFORM / "modules" / "monitoring" / f"{name}.tf" for name in ("database", "service", "dashboard")]
        text = "\n".join(blocks(file.read_text(), "locals") for file in files)
        body = re.search(r"dashboard_body = (jsonencode\(.*^  \}\))$", files[2].read_text(), re.DOTALL | re.MULTILINE)[1]
        text += f'\noutput "alarms" {{\n  value = merge(local.database_alarms, local.service_alarms)\n}}\noutput "body" {{\n  value = jsondecode({body})\n}}\n'
        own = {"journal": {"description": "d", "namespace": "Quire", "metric": "journal_bytes", "threshold": 1, "missing": "breaching"}}
        for storage, ceiling in ((20, 2), (100, 20)):
            values = {**MONITORING, "application_alarms": own}
            values["database"] = {**MONITORING["database"], "allocated_storage_gb": storage}
            code, said = plan("monitoring", values, text)
            self.assertEqual(code, 0, said)
            self.assertIn('database-connections = { + comparison = "GreaterThanThreshold"', said)
            self.assertRegex(said, r"database-connections = \{[^{}]*threshold = 27 ")
            self.assertRegex(said, rf"database-storage-ceiling = \{{[^{{}}]*threshold = {ceiling}000000000 ")
            self.assertRegex(said, r"database-credits = \{")
            self.assertIn("journal_bytes", said)
        values["database"]["instance_class"] = "db.m7g.large"
        code, said = plan("monitoring", values, text)
        self.assertEqual(code, 0, said)
        self.assertNotRegex(said, r"database-credits = \{")


if __name__ == "__main__":
    unittest.main()
