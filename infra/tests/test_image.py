"""The images' build, and the compose file."""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from configuration import ROOT

INFRA = ROOT / "infra"
DOCKERFILE = (INFRA / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((INFRA / "compose.yaml").read_text())


def stage(name):
    """The lines of a stage."""
    return re.search(rf"(?ms)^FROM \S+ AS {re.escape(name)}$(.*?)(?=^FROM |\Z)", DOCKERFILE)[1]


class Image(unittest.TestCase):
    def test_nothing_runs_as_root(self):
        for name in ("server", "server-python", "migrator", "tools"):
            with self.subTest(name):
                self.assertEqual(re.findall(r"(?m)^USER (.*)$", stage(name))[-1], "10001:10001")
                self.assertNotIn("USER root", stage(name))

    def test_health_needs_no_other_program(self):
        self.assertIn('CMD ["/usr/local/bin/quire-health", "/livez"]', stage("server"))
        self.assertNotRegex(DOCKERFILE, r"apt-get install[^&]*\b(curl|wget)\b")

    def test_the_bundle_is_compared_with_a_checksum(self):
        self.assertIn("sha256sum --check", stage("bundle-aws"))
        self.assertIn("RDS_BUNDLE_SHA256:?", stage("bundle-aws"))
        urls = (INFRA / "terraform/modules/database/main.tf").read_text()
        self.assertIn("sslrootcert=/etc/ssl/certs/rds-bundle.pem", urls)
        self.assertIn("/etc/ssl/certs/rds-bundle.pem", stage("base"))

    def test_paths_are_those_that_tasks_mount(self):
        tasks = (INFRA / "terraform/modules/compute/tasks.tf").read_text()
        for local, name in (("writable", "server"), ("data_writable", "tools")):
            mounted = re.search(rf'\b{local} *= \{{ tmp = "(.*?)", work = "(.*?)" \}}', tasks).groups()
            self.assertEqual(re.search(r'VOLUME \["(.*?)", "(.*?)"\]', stage(name)).groups(), mounted)
            self.assertRegex(DOCKERFILE, rf"install --directory --owner=quire [^\n]* {mounted[1]}\b")

    def test_what_operators_run_is_in_the_image(self):
        for words in ("awscli", "postgresql-client", "COPY infra/monitoring /usr/local/share/quire/monitoring", "quire-import /usr/local/bin/", "scripts/restore-check"):
            self.assertIn(words, stage("tools"))

    def test_the_build_sees_what_it_copies(self):
        allowed = re.findall(r"(?m)^!(.*)$", (ROOT / ".dockerignore").read_text())
        sources = [word for line in re.findall(r"(?m)^COPY (?!--from)(.*)$", DOCKERFILE) for word in line.split()[:-1] if "/" in word]
        self.assertGreater(len(sources), 3)
        for source in sources:
            self.assertTrue(any(source.startswith(folder) for folder in allowed), f"{source} is not sent along")
            self.assertTrue((ROOT / source).exists(), source)

    def test_dependencies_are_a_layer_of_their_own(self):
        """The skeleton depends on manifests alone, and cargo takes it for the workspace."""
        with tempfile.TemporaryDirectory() as folder:
            copies = [Path(folder) / name for name in ("one", "two")]
            for copy in copies:
                copy.mkdir()
                for name in ("Cargo.toml", "Cargo.lock", "crates", "bins", "migration", "tests"):
                    source = ROOT / name
                    shutil.copytree(source, copy / name) if source.is_dir() else shutil.copy(source, copy / name)
            main = copies[1] / "bins/server/src/main.rs"
            main.write_text(main.read_text() + "\n// changed\n")
            (copies[1] / "bins/server/src/new.rs").write_text("// new\n")
            for copy in copies:
                subprocess.run([INFRA / "image/skeleton", copy], check=True)
            files = [{str(f.relative_to(c)): f.read_bytes() for f in c.rglob("*") if f.is_file()} for c in copies]
            self.assertEqual(files[0], files[1], "a change of code would build the dependencies again")
            self.assertEqual(files[0]["bins/server/src/main.rs"], b"fn main() {}\n")
            if shutil.which("cargo"):
                metadata = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"]
                done = subprocess.run(metadata, cwd=copies[0], capture_output=True, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_skeleton_is_never_made_of_the_workspace(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ".git").touch()
            (Path(folder) / "precious").touch()
            done = subprocess.run([INFRA / "image/skeleton", folder], capture_output=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertTrue((Path(folder) / "precious").exists())


class Compose(unittest.TestCase):
    def test_jobs_come_first_and_end(self):
        services = COMPOSE["services"]
        self.assertEqual(services["migrator"]["depends_on"]["roles"]["condition"], "service_completed_successfully")
        for name in ("server-1", "server-2"):
            self.assertEqual(services[name]["depends_on"]["migrator"]["condition"], "service_completed_successfully")
            self.assertTrue(services[name]["read_only"])
            self.assertEqual(services[name]["cap_drop"], ["ALL"])

    def test_only_this_machine_reaches_it(self):
        """The servers have no issuer: every client that reaches one is its development user."""
        ports = {name: service.get("ports") for name, service in COMPOSE["services"].items() if service.get("ports")}
        self.assertEqual(ports, {"gateway": ["127.0.0.1:8080:8080"]})
        for name in ("server-1", "server-2"):
            environment = COMPOSE["services"][name]["environment"]
            self.assertEqual(environment["QUIRE_HOST"], "127.0.0.1", name)
            self.assertFalse([key for key in environment if "CLERK" in key], "then this rule is another")

    def test_nginx_knows_both_servers(self):
        text = (INFRA / "local/nginx.conf").read_text()
        ports = {COMPOSE["services"][name]["environment"]["QUIRE_PORT"] for name in ("server-1", "server-2")}
        self.assertEqual(set(re.findall(r"server 127\.0\.0\.1:(\d+)", text)), ports)

    def test_stopping_takes_longer_than_the_server(self):
        self.assertGreater(int(COMPOSE["services"]["server-1"]["stop_grace_period"].rstrip("s")), 40)

    def test_health_is_what_the_image_asks(self):
        """The health check asks whether the process is alive: one that asks the database ends servers that still show notebooks."""
        self.assertFalse([name for name, service in COMPOSE["services"].items() if name.startswith("server") and "healthcheck" in service])
        self.assertIn("path=${1:-/livez}", (INFRA / "image/quire-health").read_text())

    def test_the_key_is_drawn_once(self):
        """A second `up` with another key would open no connection string that the first one stored."""
        commands = re.findall(r"(?m)^#   (.*)$", (INFRA / "compose.yaml").read_text())
        self.assertEqual(len(commands), 2)
        self.assertNotIn("QUIRE_SECRET_KEY", commands[1])
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "infra").mkdir()
            kept = []
            for _ in range(2):
                subprocess.run(["sh", "-euc", commands[0]], cwd=folder, check=True)
                kept.append((Path(folder) / "infra/.env").read_text())
            self.assertEqual((Path(folder) / "infra/.env").stat().st_mode & 0o777, 0o600)
        self.assertRegex(kept[0], r"^QUIRE_SECRET_KEY=[A-Za-z0-9+/]{43}=\n$")
        self.assertEqual(*kept)

    def test_targets_exist(self):
        for name, service in COMPOSE["services"].items():
            if "build" in service:
                self.assertIn(f" AS {service['build']['target']}\n", DOCKERFILE, name)


if __name__ == "__main__":
    unittest.main()
