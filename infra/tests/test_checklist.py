"""The deployment checklist's commands: each has a way to what it is about, and names files, options and outputs that exist."""

import re
import unittest

from configuration import ROOT, Configuration

CHECKLIST = (ROOT / "docs/deployment-checklist.md").read_text()
# The programs that need the database, at the beginning of a command.
BARE = re.compile(r"^\s*(?:psql|pg_dump|pg_restore|quire-import|quire-migrate)\b")


def commands(text):
    """Text in code: whole lines of blocks, and spans of more than a word."""
    blocks = re.findall(r"(?ms)^ *```sh\n(.*?)^ *```", text)
    rest = re.sub(r"(?ms)^ *```sh\n.*?^ *```", "", text)
    spans = [span for span in re.findall(r"`([^`]+)`", rest) if " " in span]
    return [line for block in blocks for line in block.splitlines()] + spans


def unreachable(text):
    """Commands that would look for the database where the checklist is read. What a migration does to the tables, and the
    trial of one on a copy here, are told in sentences."""
    told = {"quire-migrate down", "quire-migrate up"}
    return [command for command in commands(text) if BARE.match(command) and command not in told]


class Checklist(unittest.TestCase):
    def test_everything_reaches_the_database(self):
        self.assertEqual(unreachable(CHECKLIST), [])
        for fault in ("| `psql --file infra/monitoring/locks.sql` |", "```sh\npg_dump --file=x\n```", "`quire-import verify --recursive`"):
            self.assertEqual(len(unreachable(CHECKLIST + "\n" + fault + "\n")), 1, fault)

    def test_queries_exist(self):
        used = set(re.findall(r"(?<!-)\bquery (\w+)\b", CHECKLIST))
        known = {file.stem for file in (ROOT / "infra/monitoring").glob("*.sql")}
        self.assertEqual(used - known, set())
        self.assertLessEqual({"connections", "locks", "migration", "slow_statements", "usage"}, used)

    def test_options_and_outputs_exist(self):
        options = set(re.findall(r"scripts/deploy --environment \S+ (--[a-z-]+)", CHECKLIST))
        known = set(re.findall(r"^#   scripts/deploy --environment NAME (--[a-z-]+)", (ROOT / "scripts/deploy").read_text(), re.MULTILINE))
        self.assertEqual(options - known, set())
        self.assertIn("--data", options)
        outputs = set(re.findall(r"\$\(out (\w+)", CHECKLIST))
        self.assertEqual(outputs - set(Configuration().root.outputs), set())

    def test_terraform_is_run_for_an_environment(self):
        """No document runs Terraform past scripts/terraform, or names an input's file, a module or a resource that is not there."""
        config = Configuration()
        known = {f"module.{block.module}.{block.type}.{block.name}" for block in config.blocks()}
        bare = re.compile(r"(?<!scripts/)\bterraform (?:-chdir|init|validate|plan|apply|destroy|import|state|output)\b")
        for file in sorted((ROOT / "docs").rglob("*.md")):
            with self.subTest(file.name):
                text = file.read_text()
                self.assertEqual(bare.findall(text), [])
                named = set(re.findall(r"scripts/terraform ([a-z]+) ", text)) | set(re.findall(r'scripts/deploy --environment ([^\s$…`"]+)', text))
                self.assertEqual(named - set(config.environments), set())
                self.assertEqual(set(re.findall(r"(\w+)\.tfvars", text)) - {*config.environments, "ENV"}, set())  # ENV: the document sets it
                self.assertEqual(set(re.findall(r"module\.\w+\.(?:\w+\.)*aws_\w+\.\w+", text)) - known, set())
                self.assertEqual([path for path in re.findall(r"infra/terraform/[\w./-]*\w", text) if not (ROOT / path).exists()], [])

    def test_folders_of_the_image(self):
        dockerfile = (ROOT / "infra/Dockerfile").read_text()
        for text in (CHECKLIST, (ROOT / "docs/infrastructure.md").read_text()):
            self.assertIn("/usr/local/share/quire/monitoring/", text)
        self.assertIn("COPY infra/monitoring /usr/local/share/quire/monitoring\n", dockerfile)


if __name__ == "__main__":
    unittest.main()
