"""Fails where a run of schemathesis proves little: every operation must have been answered well at least once, by the
server's own log. Else a token that is not taken, or ids that are never found, would look like an API without faults.

Says how many requests there were, and a digest of their methods, routes and statuses in their order: equal seeds have equal ones.

    answered.py DOCUMENT LOG
"""

import hashlib
import json
import sys

# Only an upgrade is answered well, and none is sent.
NEVER = {"watchNotebook"}


def main(document, log):
    answered, requests, digest = set(), 0, hashlib.sha256()
    for line in open(log, encoding="utf-8"):
        entry = json.loads(line)
        if entry.get("message") != "request":
            continue
        requests += 1
        digest.update(f"{entry['method']} {entry['route']} {entry['status']}\n".encode())
        if entry["status"] == 200:
            answered.add((entry["method"], entry["route"]))
    paths = json.load(open(document, encoding="utf-8"))["paths"]
    missing = [
        operation["operationId"]
        for path, item in paths.items()
        for method, operation in item.items()
        if operation["operationId"] not in NEVER and (method.upper(), path) not in answered
    ]
    if missing:
        sys.exit(f"never answered with 200: {', '.join(missing)}")
    print(f"{requests} requests, digest {digest.hexdigest()[:16]}", file=sys.stderr)


main(*sys.argv[1:])
