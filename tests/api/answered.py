"""Checks that a run of schemathesis was effective: by the server's own log, every operation must have succeeded at least once.
Otherwise a refused token, or ids that are never found, would look like an API without faults.

Prints the number of requests, and a digest of their methods, routes and statuses in order, which is equal for equal seeds.

    answered.py DOCUMENT LOG
"""

import hashlib
import json
import sys

# Only an upgrade succeeds, and schemathesis sends none. A server with sign-in runs no cells unless it is allowed to, and is not here, so that
# answers do not depend on how long code takes; tests/it/running has these operations.
NEVER = {"watchNotebook", "runCells", "getRun", "restartKernel"}


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
