"""nginx, with the compose file's configuration, before two real servers and before a WebSocket.

Needs nginx, and a built server that QUIRE_SERVER names; scripts/test-infra --full sees to both.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from configuration import ROOT

PATIENCE = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if value := condition():
                return value
        if time.monotonic() > deadline:
            raise AssertionError(what)


class Nginx:
    """nginx with ports of its own in the place of the configuration's."""

    def __init__(self, folder, servers):
        self.port = free_port()
        text = (ROOT / "infra/local/nginx.conf").read_text()
        for known, port in zip(("8001", "8002"), servers):
            text = text.replace(f"127.0.0.1:{known}", f"127.0.0.1:{port}")
        text = text.replace("listen 8080", f"listen 127.0.0.1:{self.port}").replace("/tmp/nginx", f"{folder}/nginx")
        self.log = folder / "access.log"
        text = text.replace("/dev/stdout", str(self.log))
        (folder / "nginx.conf").write_text(text)
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen([program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"])
        until("nginx does not listen", lambda: socket.create_connection(("127.0.0.1", self.port)).close() is None)

    def request(self, method, path, body=None, host=None):
        headers = {"Content-Type": "application/json"} | ({"Host": host} if host else {})
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def drain(stream):
    """To the end, so that the server never waits for its log to be read."""
    with stream:
        stream.read()


def server(folder, user):
    """A server with notebooks of its own, so that answers tell which of the two they are from."""
    process = subprocess.Popen(
        [os.environ["QUIRE_SERVER"], "--port", "0", "--dev-user", user, "--notebooks-dir", folder / user],
        stdout=subprocess.PIPE, text=True, env={k: v for k, v in os.environ.items() if not k.startswith(("QUIRE_", "DATABASE_"))},
    )
    for line in process.stdout:
        if found := re.search(r"listening.*127\.0\.0\.1:(\d+)", line):
            threading.Thread(target=drain, args=(process.stdout,), daemon=True).start()
            return process, int(found[1])
    raise AssertionError("the server does not listen")


class Gateway(unittest.TestCase):
    def test_only_reads_are_tried_twice(self):
        """Two servers that take a whole request and go away without an answer."""
        heads = []

        class Gone(socketserver.StreamRequestHandler):
            def handle(self):
                line, length = self.rfile.readline(), 0
                while (header := self.rfile.readline().strip().lower()):
                    if header.startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                self.rfile.read(length)
                heads.append(line.split()[0].decode())

        with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
            folder = Path(name)
            folder.chmod(0o755)
            ports = []
            for _ in range(2):
                gone = stack.enter_context(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Gone))
                threading.Thread(target=gone.serve_forever, daemon=True).start()
                stack.callback(gone.shutdown)
                ports.append(gone.server_address[1])
            for method, tries in (("PUT", 1), ("DELETE", 1), ("POST", 1), ("PATCH", 1), ("GET", 2)):
                # An nginx for each: a server that has failed is left alone for a while.
                nginx = Nginx(folder, ports)
                try:
                    heads.clear()
                    self.assertEqual(nginx.request(method, "/api/notebooks/n", b"{}" if method != "GET" else None)[0], 502)
                finally:
                    nginx.stop()
                self.assertEqual(heads, [method] * tries)
            lines = nginx.log.read_text().splitlines()
            self.assertEqual([line.split()[0] for line in lines], ["127.0.0.1"] * 5, "each request is logged, with the client's address")

    def test_two_servers(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            folder.chmod(0o755)
            (one, port_one), (two, port_two) = server(folder, "one"), server(folder, "two")
            nginx = Nginx(folder, (port_one, port_two))
            try:
                def user():
                    status, answer = nginx.request("GET", "/api/notebooks")
                    self.assertEqual(status, 200, answer)
                    return str(answer["notebooks"])

                self.assertEqual(nginx.request("GET", "/health")[1]["status"], "healthy")
                seen = [user() for _ in range(10)]
                self.assertEqual(len(set(seen)), 2, "both are asked")
                status, _ = nginx.request("GET", "/api/notebooks", host="elsewhere.example")
                self.assertEqual(status, 403, "the server still sees whom the client asked for")
                large = json.dumps({"code": "x" * 200_000}).encode()
                self.assertEqual(nginx.request("PUT", "/api/notebooks/missing/cells/c", large)[0], 404, "a large body goes through")
                one.kill()
                one.wait()
                left = {user() for _ in range(10)}
                self.assertEqual(len(left), 1, "the other one answers everything, and no request fails")
                status, answer = nginx.request("POST", "/api/notebooks")
                self.assertEqual(status, 200, answer)
            finally:
                nginx.stop()
                for process in (one, two):
                    process.kill()
                    process.wait()

    def test_a_websocket_goes_through(self):
        """The server has none yet, so this is before a plain socket that answers as one."""
        with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
            folder = Path(name)
            folder.chmod(0o755)
            port = listener.getsockname()[1]
            heads = []

            def answer():
                connection, _ = listener.accept()
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(1)
                heads.append(head.decode().lower())
                connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                connection.sendall(connection.recv(100).upper())
                connection.close()

            thread = threading.Thread(target=answer)
            thread.start()
            nginx = Nginx(folder, (port, port))
            try:
                with socket.create_connection(("127.0.0.1", nginx.port), PATIENCE) as client:
                    client.sendall(b"GET /api/ws/notebooks/demo HTTP/1.1\r\nHost: localhost:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
                    stream = client.makefile("rb")
                    self.assertIn(b"101", stream.readline())
                    while stream.readline().strip():
                        pass
                    client.sendall(b"frame")
                    self.assertEqual(stream.read(5), b"FRAME")
                thread.join(PATIENCE)
                self.assertIn("\r\nupgrade: websocket\r\n", heads[0])
                self.assertIn("\r\nconnection: upgrade\r\n", heads[0])
                self.assertIn("\r\nhost: localhost:8080\r\n", heads[0])
            finally:
                nginx.stop()


if __name__ == "__main__":
    unittest.main()
