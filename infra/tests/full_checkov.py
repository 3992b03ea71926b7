"""Checkov finds nothing that is not explained where it is, and nothing is explained that it would not find.

Not among the tests that every run makes: checkov is heavy to install. scripts/test-infra --full runs it.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from configuration import ROOT, TERRAFORM

# Checkov lives in an environment of its own: it brings another parser under the same name as ours.
CHECKOV = os.environ["QUIRE_CHECKOV_PYTHON"]


def found(folder, *frameworks):
    command = [CHECKOV, "-m", "checkov.main", "--directory", folder, "--framework", *frameworks, "--output", "json", "--skip-download", "--soft-fail"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    result = {"failed_checks": set(), "skipped_checks": set(), "passed": 0}
    for part in report if isinstance(report, list) else [report]:
        for key in ("failed_checks", "skipped_checks"):
            # A module's resources are named by the way to them.
            result[key] |= {(item["check_id"], item["resource"].split(".module.")[-1]) for item in part["results"][key]}
        result["passed"] += part["summary"]["passed"]
    return result


class Checkov(unittest.TestCase):
    def test_terraform(self):
        result = found(TERRAFORM, "terraform")
        self.assertEqual(result["failed_checks"], set())
        self.assertGreater(result["passed"], 100)
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(TERRAFORM, Path(folder) / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
            for file in Path(folder).rglob("*.tf"):
                file.write_text(re.sub(r"(?m)^\s*# checkov:skip=.*\n", "", file.read_text()))
            bare = found(Path(folder) / "terraform", "terraform")
        self.assertEqual(result["skipped_checks"] - bare["failed_checks"], set(), "these explanations explain nothing")

    def test_dockerfile(self):
        self.assertEqual(found(ROOT / "infra", "dockerfile")["failed_checks"], set())


if __name__ == "__main__":
    unittest.main()
