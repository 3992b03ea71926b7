"""scripts/deploy, with stand-ins for the two programs that need an account: what it does in which order, and when it stops.

The stand-ins know no more of AWS than their authors; whether the real ones answer like this is seen at the first deployment.
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from configuration import ROOT

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
DEPLOY = {
    "region": "eu-central-1", "cluster": "quire-staging", "service": "quire-staging-server", "service_url": "https://quire.example.com",
    "families": {name: f"quire-staging-{name}" for name in ("server", "migrator", "tools", "data")},
    "logs": {name: f"/quire-staging/{name}" for name in ("server", "migrator", "tools", "data")},
    "subnets": ["subnet-1", "subnet-2"], "security_group": "sg-1",
}
AWS = f"#!{sys.executable} -SE" + r'''
import json, os, sys
folder = os.environ["STAND_IN"]
arguments = sys.argv[1:]
state = json.load(open(folder + "/state.json"))
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps(arguments) + "\n")
after = lambda flag: arguments[arguments.index(flag) + 1]
verb = arguments[1]
if state.get("broken") == verb:
    sys.exit("An error occurred (AccessDeniedException)")
if verb == "describe-task-definition":
    family = after("--task-definition")
    answer = {"taskDefinition": {"family": family, "taskDefinitionArn": "arn:old/" + family, "revision": 7, "status": "ACTIVE", "taskRoleArn": "arn:role",
        "requiresAttributes": [], "compatibilities": ["EC2"], "containerDefinitions": [{"name": family, "image": "registry/" + family + "@" + "sha256:" + "a" * 64, "secrets": [{"name": "S", "valueFrom": "arn"}]}]}}
    print(answer["taskDefinition"]["containerDefinitions"][0]["image"] if "--query" in arguments else json.dumps(answer))
elif verb == "register-task-definition":
    new = json.load(open(after("--cli-input-json")[len("file://"):]))
    json.dump(new, open(folder + "/" + new["family"] + ".json", "w"))
    print("arn:new/" + new["family"])
elif verb == "run-task":
    print(json.dumps({"tasks": [{"taskArn": "arn:task/123"}], "failures": []}))
elif verb == "describe-tasks":
    print(json.dumps({"tasks": [{"lastStatus": state["task"], "stoppedReason": "why", "containers": [{"exitCode": state["exit"]} if state["exit"] is not None else {}]}]}))
elif verb == "get-log-events":
    print(json.dumps({"events": [{"message": "what the job said"}, {"message": "a\tb"}]}))
elif verb == "update-service":
    state["old"], state["now"] = state["now"], after("--task-definition")
    json.dump(state, open(folder + "/state.json", "w"))
    print("{}")
elif verb == "describe-services":
    # After an update: what is to be seen of it, one look after the other, and the last again and again.
    now, rollout = state["now"], "COMPLETED"
    if "old" in state:
        rollout = state["looks"].pop(0) if len(state["looks"]) > 1 else state["looks"][0]
        json.dump(state, open(folder + "/state.json", "w"))
        if rollout.startswith("BACK "):
            now, rollout = state["old"], rollout[len("BACK "):]
    old = {"status": "ACTIVE", "rolloutState": "COMPLETED"}
    print(json.dumps({"services": [{"taskDefinition": now, "runningCount": 1, "desiredCount": 1, "deployments": [old, {"status": "PRIMARY", "rolloutState": rollout}]}]}))
'''


class Deploy(unittest.TestCase):
    def run_it(self, *arguments, exit_code=0, looks=("COMPLETED",), task="STOPPED", broken=None):
        """Exit code and output of scripts/deploy, and the calls that it made."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for program, text in (("aws", AWS), ("terraform", f"#!/bin/sh\ncat <<'END'\n{json.dumps(DEPLOY)}\nEND\n"), ("sleep", "#!/bin/sh\n")):
                (folder / program).write_text(text)
                (folder / program).chmod(0o755)
            # The one that runs this, and not a wrapper that looks for it anew each time.
            (folder / "python3").symlink_to(Path(sys.executable).resolve())
            state = {"exit": exit_code, "looks": looks, "task": task, "now": "arn:old/quire-staging-server", "broken": broken}
            (folder / "state.json").write_text(json.dumps(state))
            environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "STAND_IN": str(folder)}
            done = subprocess.run([ROOT / "scripts" / "deploy", *arguments], env=environment, capture_output=True, text=True, check=False)
            calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()] if (folder / "calls").exists() else []
            self.registered = {file.stem: json.loads(file.read_text()) for file in folder.glob("quire-staging-*.json")}
            return done.returncode, done.stdout + done.stderr, calls

    def release(self, **state):
        return self.run_it("--environment", "staging", "--server", NEW, "--migrator", NEW, **state)

    def test_the_migrator_goes_first(self):
        code, said, calls = self.release()
        self.assertEqual(code, 0, said)
        verbs = [call[1] for call in calls]
        self.assertLess(verbs.index("run-task"), verbs.index("update-service"))
        run = next(call for call in calls if call[1] == "run-task")
        self.assertIn("arn:new/quire-staging-migrator", run)
        self.assertIn('"assignPublicIp": "DISABLED"', str(run))
        self.assertIn("arn:new/quire-staging-server", next(call for call in calls if call[1] == "update-service"))
        self.assertIn("what the job said", said)
        server = self.registered["quire-staging-server"]
        self.assertEqual(server["containerDefinitions"][0]["image"], "registry/quire-staging-server@" + NEW)
        self.assertEqual(server["containerDefinitions"][0]["secrets"], [{"name": "S", "valueFrom": "arn"}])
        self.assertEqual(set(server), {"family", "taskRoleArn", "containerDefinitions"}, "a registration takes no more")

    def test_a_migrator_that_fails_leaves_the_service(self):
        for exit_code in (1, 3, None):
            code, said, calls = self.release(exit_code=exit_code)
            self.assertEqual(code, 1, said)
            self.assertIn("the service was not touched", said)
            self.assertNotIn("update-service", [call[1] for call in calls])

    def test_what_aws_refuses_ends_it(self):
        for broken in ("describe-services", "describe-task-definition", "register-task-definition", "run-task", "describe-tasks"):
            code, said, calls = self.release(broken=broken)
            self.assertNotEqual(code, 0, f"{broken}: {said}")
            self.assertNotIn("update-service", [call[1] for call in calls])

    def test_a_roll_back_is_a_failure(self):
        for looks in (["IN_PROGRESS"] * 9 + ["FAILED", "BACK IN_PROGRESS", "BACK COMPLETED"], ["BACK COMPLETED"], ["IN_PROGRESS", "FAILED"]):
            code, said, _ = self.release(looks=looks)
            self.assertEqual(code, 1, said)
            self.assertIn("and not arn:new/quire-staging-server", said)
            self.assertIn("runs arn:old" if "BACK COMPLETED" in looks else "(FAILED)", said)

    def test_a_slow_roll_out_is_waited_for(self):
        code, said, _ = self.release(looks=["IN_PROGRESS"] * 42 + ["COMPLETED"])
        self.assertEqual(code, 0, said)
        self.assertIn("still rolling out arn:new/quire-staging-server after 10 minutes", said)

    def test_what_is_not_decided_is_called_so(self):
        code, said, _ = self.release(looks=["IN_PROGRESS"])
        self.assertEqual(code, 3, said)
        self.assertIn("STILL ROLLING OUT", said)
        self.assertNotIn("FAILED", said)
        code, said, calls = self.release(task="RUNNING")
        self.assertEqual(code, 1, said)
        self.assertIn("migrator still runs, and is not waited for", said)
        self.assertNotIn("update-service", [call[1] for call in calls])

    def test_a_command_beside_the_database(self):
        command = ["bash", "-c", 'echo "$1"', "-", "it's\n--roles"]
        code, said, calls = self.run_it("--environment", "staging", "--data", *command, exit_code=3)
        self.assertEqual(code, 3, said)
        run = next(call for call in calls if call[1] == "run-task")
        self.assertEqual(run[run.index("--task-definition") + 1], "quire-staging-data")
        self.assertEqual(json.loads(run[run.index("--overrides") + 1]), {"containerOverrides": [{"name": "data", "command": command}]})
        self.assertIn("what the job said\na\tb\n", said)
        self.assertNotIn("update-service", [call[1] for call in calls])

    def test_jobs_and_status(self):
        code, said, calls = self.run_it("--environment", "staging", "--roles")
        self.assertEqual((code, [call[1] for call in calls if call[1] == "update-service"]), (0, []), said)
        code, said, calls = self.run_it("--environment", "staging", "--close-roles")
        self.assertIn('"command": ["/usr/local/bin/quire-roles", "close"]', str(calls))
        code, said, _ = self.run_it("--environment", "staging", "--status")
        self.assertIn("@" + OLD, said)
        self.assertIn("1 of 1 tasks running", said)

    def test_usage(self):
        for arguments in ([], ["--environment", "/nowhere"], ["--environment", "staging"],
                          ["--environment", "staging", "--server", "latest", "--migrator", NEW], ["--what"], ["--server"],
                          ["--environment", "staging", "--data"]):
            code, said, calls = self.run_it(*arguments)
            self.assertEqual((code, calls), (2, []), said)


class Environments(unittest.TestCase):
    def run_it(self, *arguments):
        """Exit code and output of scripts/terraform, and the command that it ran."""
        with tempfile.TemporaryDirectory() as folder:
            stand_in = Path(folder) / "terraform"
            stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$TF_DATA_DIR" "$@"\n')
            stand_in.chmod(0o755)
            environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
            done = subprocess.run([ROOT / "scripts" / "terraform", *arguments], env=environment, capture_output=True, text=True, check=False)
            return done.returncode, done.stderr, done.stdout.splitlines()

    def test_each_has_its_own(self):
        folder = ROOT / "infra" / "terraform"
        for name in ("staging", "production"):
            inputs = f"-var-file={name}.tfvars"
            for arguments, wanted in (
                (["init"], ["init", f"-backend-config={name}.tfbackend"]), (["plan", "-out=a"], ["plan", inputs, "-out=a"]), (["apply"], ["apply", inputs]),
                (["apply", "-target=module.compute"], ["apply", inputs, "-target=module.compute"]), (["apply", "a.tfplan"], ["apply", "a.tfplan"]),
                (["destroy"], ["destroy", inputs]), (["import", "a", "b"], ["import", inputs, "a", "b"]), (["output", "-raw", "a"], ["output", "-raw", "a"]),
            ):
                code, said, ran = self.run_it(name, *arguments)
                self.assertEqual((code, ran), (0, [f"{folder}/.terraform/{name}", f"-chdir={folder}", *wanted]), said)

    def test_usage(self):
        for arguments in ([], ["staging"], ["nowhere", "plan"], ["../terraform/staging", "plan"]):
            code, said, ran = self.run_it(*arguments)
            self.assertEqual((code, ran), (2, []))
            self.assertIn("production staging", said)


if __name__ == "__main__":
    unittest.main()
