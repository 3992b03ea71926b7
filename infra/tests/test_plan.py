"""A real Terraform validates, plans and applies the configuration, with a stand-in for the providers; and evaluates every argument as planned.py does.

Needs Terraform, whose absence scripts/test-infra says, and nothing of AWS. That AWS takes what comes of it is looked at in test_aws.py.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from configuration import TERRAFORM
from planned import plan, variables
from test_aws import ENVIRONMENTS, inputs_of_everything

# Has the packages that the stand-in needs and nothing else does.
PYTHON = os.environ["QUIRE_PROVIDER_PYTHON"]


def normal(value):
    """A value without what was left out, and with JSON inside strings read: how either side writes it is of no interest."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items() if normal(item) not in (None, [], {})}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return normal(json.loads(value))
        except ValueError:
            return value
    if isinstance(value, bool) or value is None:
        return value
    return str(value)


def resources_of(module):
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from resources_of(child)


class Plan(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = subprocess.Popen([PYTHON, Path(__file__).with_name("stand_in_provider.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.provider.communicate)
        cls.environment = {**os.environ, "TF_REATTACH_PROVIDERS": cls.provider.stdout.readline(), "TF_IN_AUTOMATION": "1", "NO_COLOR": "1", "CHECKPOINT_DISABLE": "1"}
        for name in ("TF_CLI_CONFIG_FILE", "TF_DATA_DIR"):
            cls.environment.pop(name, None)

    def terraform(self, folder, *arguments):
        done = subprocess.run(["terraform", *arguments], cwd=folder, env=self.environment, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_terraform_and_the_evaluation_agree(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "terraform"
            shutil.copytree(TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform*"))
            (folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
            self.terraform(folder, "init", "-input=false", "-no-color")
            self.assertTrue(json.loads(self.terraform(folder, "validate", "-json"))["valid"])
            for environment, inputs in [(name, variables(TERRAFORM / f"{name}.tfvars")) for name in ENVIRONMENTS] + [("everything", inputs_of_everything())]:
                with self.subTest(environment):
                    (folder / "inputs.json").write_text(json.dumps(inputs))
                    self.terraform(folder, "apply", "-input=false", "-auto-approve", "-no-color", "-var-file=inputs.json", f"-state={environment}.tfstate")
                    shown = json.loads(self.terraform(folder, "show", "-json", f"{environment}.tfstate"))
                    applied = {one["address"]: one["values"] for one in resources_of(shown["values"]["root_module"]) if one["mode"] == "managed"}
                    evaluated = {f"module.{one.module}.{str(one).split(': ', 1)[1]}": one.values for one in plan(folder, inputs)[0] if one.kind == "resource"}
                    self.assertGreater(len(applied), 80)
                    self.assertEqual(set(applied), set(evaluated))
                    for address, arguments in evaluated.items():
                        written = {key: value for key, value in arguments.items() if not key.endswith("_wo") and value is not None}
                        self.assertEqual(normal({key: applied[address][key] for key in written}), normal(written), address)


if __name__ == "__main__":
    unittest.main()
