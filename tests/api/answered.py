"""Fails where a run of schemathesis proves little: every operation must have been answered well at least once, by the
server's own log. Else a token that is not taken, or ids that are never found, would look like an API without faults.

    answered.py DOCUMENT LOG
"""

import json
import sys

# Only an upgrade is answered well, and none is sent.
NEVER = {"watchNotebook"}


def main(document, log):
    answered = set()
    for line in open(log, encoding="utf-8"):
        entry = json.loads(line)
        if entry.get("message") == "request" and entry["status"] == 200:
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


main(*sys.argv[1:])
