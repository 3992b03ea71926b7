"""The `aws` commands of documents and scripts: operations, options and waiters that the services have, and queries that are JMESPath."""

import re
import shlex
import unittest

import jmespath
from botocore import xform_name

from aws_models import LOADER, service
from configuration import ROOT

FILES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "scripts/deploy", ROOT / "infra/image/quire-roles"]
EVERYWHERE = {"query", "output", "region", "profile", "no-cli-pager", "cli-input-json", "endpoint-url"}
# Commands of the AWS CLI itself, which are no operations of a service.
OWN = {
    ("s3", "cp"): {"no-progress", "recursive"}, ("s3", "rb"): {"force"}, ("s3", "rm"): {"recursive"}, ("s3", "ls"): {"recursive"},
    ("ecr", "get-login-password"): set(), ("logs", "tail"): {"since", "filter-pattern", "follow", "format"},
}
# Options that the AWS CLI calls otherwise than the service does.
RENAMED = {("sns", "Subscribe"): {"notification-endpoint"}}


def commands(text):
    """Each `aws` command of a text, as words; words stop where the command does."""
    text = re.sub(r"\\\n\s*", " ", text).replace("\\|", "|")
    for found in re.finditer(r"(?m)(?<![\w/.-])aws ([a-z][a-z0-9-]+) ([a-z][a-z0-9-]+)\b([^\n]*(?:\n {4,}--[^\n]*)*)", text):
        rest = re.match(r"""(?:'[^']*'|"(?:\\.|[^"\\])*"|[^'"`|;&)])*""", found[3])[0]
        try:
            words = shlex.split(rest, comments=True)
        except ValueError:
            words = rest.split()
        yield found[1], found[2], words


def wrong(name, operation, words):
    """Reasons for which the AWS CLI would refuse a command."""
    options = [word[2:].split("=")[0] for word in words if re.match(r"--[a-z]", word)]
    for option, value in zip(words, words[1:]):
        if option == "--query":
            # A variable of the shell stands for a name.
            jmespath.compile(re.sub(r"\$\w+", "name", value))
    if (name, operation) in OWN:
        return sorted(set(options) - OWN[name, operation] - EVERYWHERE)
    name = {"s3api": "s3"}.get(name, name)
    if operation == "wait":
        known = {xform_name(waiter, "-"): waiter for waiter in LOADER.load_service_model(name, "waiters-2")["waiters"]}
        if words[0] not in known:
            return [f"no waiter {words[0]}"]
        operation = LOADER.load_service_model(name, "waiters-2")["waiters"][known[words[0]]]["operation"]
    else:
        known = {xform_name(operation, "-"): operation for operation in service(name).operation_names}
        if operation not in known:
            return [f"no operation {operation}"]
        operation = known[operation]
    members = service(name).operation_model(operation).input_shape.members
    may = {xform_name(member, "-") for member in members} | RENAMED.get((name, operation), set()) | EVERYWHERE
    may |= {f"no-{xform_name(member, '-')}" for member, shape in members.items() if shape.type_name == "boolean"}
    return sorted(set(options) - may)


class Commands(unittest.TestCase):
    def test_they_are_the_services(self):
        seen = 0
        for file in FILES:
            for command in commands(file.read_text()):
                seen += 1
                with self.subTest(file=file.name, command=command[:2]):
                    self.assertEqual(wrong(*command), [])
        self.assertGreater(seen, 60)

    def test_faults_are_found(self):
        for fault in ("aws rds describe-db-instance", "aws rds wait db-instance-there", "aws rds describe-db-instances --name x",
                      "aws s3 cp --fast a b", "aws rds create-db-snapshot \\\n    --snapshot x"):
            ((name, operation, words),) = commands(fault)
            self.assertNotEqual(wrong(name, operation, words), [], fault)
        ((name, operation, words),) = commands("aws rds describe-db-instances --query 'DBInstances[0' --output text")
        with self.assertRaises(jmespath.exceptions.ParseError):
            wrong(name, operation, words)


if __name__ == "__main__":
    unittest.main()
