"""The service unit and the reverse proxy of docs/self-hosting.md: well formed, and fitting to what the server does."""

import re
import subprocess
import unittest

from configuration import ROOT

LOCAL = ROOT / "infra/local"
UNIT = (LOCAL / "quire-server.service").read_text()
PROXY = (LOCAL / "quire.nginx.conf").read_text()
GATEWAY = (LOCAL / "nginx.conf").read_text()
ENVIRONMENT = (LOCAL / "server.env.example").read_text()
GUIDE = (ROOT / "docs/self-hosting.md").read_text()
# The server's tests hold this table against its options.
KEYS = (ROOT / "docs/configuration.md").read_text()


def sections(text):
    """A unit's settings by section; raises ValueError for a line that is none."""
    found, section = {}, None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = found.setdefault(match[1], {})
        elif section is not None and (match := re.fullmatch(r"(\w+)=(.*)", line)):
            section[match[1]] = match[2]
        else:
            raise ValueError(f"line {number} is neither a section nor a setting: {line!r}")
    return found


def blocks(text):
    """An nginx configuration as [(words, block or None)]; raises ValueError where braces or semicolons are missing."""
    tokens = re.findall(r"#[^\n]*|'[^']*'|\"[^\"]*\"|[{};]|[^\s{};]+", text)
    root, words = [], []
    stack = [root]
    for token in tokens:
        if token.startswith("#"):
            continue
        if token == ";":
            if not words:
                raise ValueError("a semicolon ends nothing")
            stack[-1].append((words, None))
            words = []
        elif token == "{":
            inner = []
            stack[-1].append((words, inner))
            stack.append(inner)
            words = []
        elif token == "}":
            if words or len(stack) == 1:
                raise ValueError(f"a brace closes too early, after {words}")
            stack.pop()
        else:
            words.append(token)
    if words or len(stack) != 1:
        raise ValueError(f"the file ends within a block, or after {words}")
    return root


def settings(block):
    return {tuple(words[:-1]): words[-1] for words, inner in block if inner is None}


class Unit(unittest.TestCase):
    def test_it_is_a_unit(self):
        unit = sections(UNIT)
        self.assertEqual(set(unit), {"Unit", "Service", "Install"})
        for fault in ("ExecStart /bin/true", "[Service", "no setting"):
            with self.assertRaises(ValueError, msg=fault):
                sections(UNIT + fault + "\n")

    def test_stopping_takes_longer_than_the_server(self):
        self.assertGreater(int(sections(UNIT)["Service"]["TimeoutStopSec"]), 40)

    def test_it_writes_where_it_may(self):
        service = sections(UNIT)["Service"]
        self.assertEqual(service["ProtectSystem"], "strict")
        state = "/var/lib/" + service["StateDirectory"]
        self.assertEqual(service["WorkingDirectory"], state)
        self.assertIn(f"QUIRE_NOTEBOOKS_DIR={state}/notebooks\n", ENVIRONMENT)
        self.assertNotEqual(service["User"], "root")

    def test_a_wrong_configuration_is_not_tried_again(self):
        usage = re.search(r"const USAGE: u8 = (\d+);", (ROOT / "crates/config/src/error.rs").read_text())[1]
        self.assertEqual(sections(UNIT)["Service"]["RestartPreventExitStatus"], usage)

    def test_it_may_hold_its_connections(self):
        most = int(re.search(r"\| `max_connections` \| `(\d+)` \|", KEYS)[1])
        self.assertGreater(int(sections(UNIT)["Service"]["LimitNOFILE"]), 2 * most)


class Environment(unittest.TestCase):
    def test_every_variable_exists(self):
        names = re.findall(r"(?m)^#?([A-Z][A-Z_]+)=", ENVIRONMENT)
        known = set(re.findall(r"`([A-Z][A-Z_]+)`", KEYS)) | {"QUIRE_SECRET_KEY", "DATABASE_PASSWORD"}
        self.assertGreater(len(names), 8)
        self.assertEqual(set(names) - known, set())

    def test_no_secret_is_in_it(self):
        for name in ("QUIRE_SECRET_KEY", "DATABASE_PASSWORD"):
            self.assertRegex(ENVIRONMENT, rf"(?m)^#?{name}=$")

    def test_the_proxy_is_where_it_listens(self):
        port = re.search(r"(?m)^QUIRE_PORT=(\d+)$", ENVIRONMENT)[1]
        self.assertIn("QUIRE_HOST=127.0.0.1\n", ENVIRONMENT)
        self.assertIn(f"server 127.0.0.1:{port};", PROXY)
        self.assertIn("QUIRE_TRUSTED_PROXIES=1\n", ENVIRONMENT)


class Proxy(unittest.TestCase):
    def test_it_is_a_configuration(self):
        self.assertEqual([words[0] for words, _ in blocks(PROXY)], ["map", "upstream", "server", "server"])
        for fault in ("listen 80", "}", "server {", ";"):
            with self.assertRaises(ValueError, msg=fault):
                blocks(PROXY + fault + "\n")

    def test_what_it_passes_on(self):
        tls = [inner for words, inner in blocks(PROXY) if words == ["server"]][1]
        location = settings(next(inner for words, inner in tls if words == ["location", "/"]))
        expected = {
            ("proxy_set_header", "Upgrade"): "$http_upgrade",
            ("proxy_set_header", "Connection"): "$quire_connection",
            ("proxy_set_header", "Host"): "$http_host",
            ("proxy_set_header", "X-Forwarded-For"): "$proxy_add_x_forwarded_for",
            ("proxy_http_version",): "1.1",
            ("proxy_next_upstream",): "off",
        }
        self.assertEqual({key: location.get(key) for key in expected}, expected)
        limits = (ROOT / "crates/domain/src/limits.rs").read_text()
        self.assertRegex(limits, r"BODY\w*: usize = 16 (<< 20|\* 1024 \* 1024)")
        self.assertEqual(settings(tls)[("client_max_body_size",)], "16m")

    def test_requests_are_logged_with_the_clients_address(self):
        tls = [inner for words, inner in blocks(PROXY) if words == ["server"]][1]
        http = next(inner for words, inner in blocks(GATEWAY) if words == ["http"])
        for block in (tls, http):
            logs = [words[1:] for words, inner in block if words[0] == "access_log"]
            # nginx's own format, named or not, begins with $remote_addr.
            self.assertEqual([log[1:] in ([], ["combined"]) and log[0] != "off" for log in logs], [True], logs)

    def test_time_outs_are_above_and_below_the_servers(self):
        tls = [inner for words, inner in blocks(PROXY) if words == ["server"]][1]
        location = settings(next(inner for words, inner in tls if words == ["location", "/"]))
        default = lambda name: int(re.search(rf"\| `{name}` \| `(\d+)` \|", KEYS)[1]) / 1000
        self.assertGreater(int(location[("proxy_read_timeout",)].rstrip("s")), default("request_timeout_ms"))
        upstream = settings(next(inner for words, inner in blocks(PROXY) if words[0] == "upstream"))
        self.assertLess(int(upstream[("keepalive_timeout",)].rstrip("s")), default("keep_alive_ms"))


class Guide(unittest.TestCase):
    def test_its_commands_are_shell(self):
        blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", GUIDE)
        self.assertGreater(len(blocks), 8)
        for block in blocks:
            checked = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""), block)

    def test_its_lines_for_cron(self):
        lines = re.findall(r"(?ms)^cat >/etc/cron\.d/[a-z-]+ <<'LINE'\n(.*?)\nLINE$", GUIDE)
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r"^[0-9]+ [0-9]+ \* \* \* root umask 077; [^\n]+$")
            self.assertNotRegex(line, r"(?<!\\)%", "cron takes what follows a bare % for the command's input")

    def test_a_certificate_is_renewed_where_the_site_answers(self):
        http = next(inner for words, inner in blocks(PROXY) if words == ["server"])
        challenge = next(inner for words, inner in http if words == ["location", "/.well-known/acme-challenge/"])
        self.assertIn(f"--webroot-path {settings(challenge)[('root',)]} ", GUIDE)

    def test_it_puts_the_name_wherever_the_example_has_one(self):
        script = re.search(r'(?m)^sed "(s/quire.*)" infra/local/quire\.nginx\.conf >', GUIDE)[1]
        done = subprocess.run(["sed", script.replace("$DOMAIN", "notebooks.test")], input=PROXY, text=True, capture_output=True, check=True)
        self.assertNotIn("example", done.stdout)
        self.assertEqual(done.stdout.count("notebooks.test"), PROXY.count("quire.example.com"))

    def test_it_installs_these_files(self):
        for file in ("infra/local/quire-server.service", "infra/local/server.env.example", "infra/local/quire.nginx.conf"):
            self.assertIn(file, GUIDE)
            self.assertTrue((ROOT / file).exists(), file)


if __name__ == "__main__":
    unittest.main()
