"""Runs notebooks under nbclient and in Quire, and compares what their cells have shown.

    run.py SERVER LIST FOLDER all|PACKAGE ...

SERVER is the program quire-server; its kernels are of the Python that executes this script. FOLDER has the notebooks of source packages,
of which those of the PACKAGEs are run, and before them kinds.ipynb, which has each kind of value. LIST names the differences that there may be (its head says how); one that it does not name is a
failure, and so is one that it names and that is not there. With `all`, every notebook that it names must be there, and those that do not end
under nbclient are tried too.
"""

import collections
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import warnings

import nbclient
import nbformat
from compare import ASPECTS, differences, wrongly_blocked
from nbclient.exceptions import CellTimeoutError, DeadKernelError

# Far more than any cell takes that ends, on a busy machine too.
CELL_SECONDS = 120
# For those that are said not to end.
SHORT_SECONDS = 8
OWN = pathlib.Path(__file__).with_name("kinds.ipynb")
PATH = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"


def read_list(path):
    """Returns the notebooks of a list that are not run, and of the others by cell and aspect whether it differs each time."""
    not_run, listed = set(), {}
    for line in pathlib.Path(path).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        notebook, cells, aspects, _reason = (part.strip() for part in line.split(" | "))
        if cells == "*":
            not_run.add(notebook)
            continue
        for part in cells.split(","):
            first, _, last = part.partition("-")
            for cell in range(int(first), int(last or first) + 1):
                for aspect in aspects.split():
                    if aspect.removeprefix("~") not in ASPECTS:
                        sys.exit(f"{path}: there is no aspect {aspect}")
                    listed.setdefault(notebook, {})[cell, aspect.removeprefix("~")] = not aspect.startswith("~")
    return not_run, listed


class Server:
    """A server with a directory of its own and nothing of this process's environment."""

    def __init__(self, program, folder):
        command = [program, "--notebooks-dir", folder, "--python", sys.executable, "--port", "0", "--log-format", "json"]
        command += ["--requests-per-second", "0", "--cell-timeout", str(CELL_SECONDS), "--warm-kernels", "0"]
        self.process = subprocess.Popen(command, env={"PATH": PATH}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        log = []
        for line in self.process.stdout:
            log.append(line.decode(errors="replace"))
            record = json.loads(line) if line.startswith(b"{") else {}
            if record.get("message") == "listening":
                self.address = f"http://{record['address']}"
                break
        else:
            sys.exit("the server does not start:\n" + "".join(log))
        # Otherwise it would wait for somebody to read its log.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.address + path, body, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as response:
            return response.headers.get("Location"), json.load(response)

    def run(self, text):
        """Returns the cells of a notebook after all of them have run, and the edges of its graph."""
        _, imported = self.call("POST", "/api/notebooks/import?format=ipynb", text)
        path = f"/api/notebooks/{imported['notebook_id']}"
        location, run = self.call("POST", f"{path}/run?wait=50", b'{"scope": "all"}')
        while not run["done"]:
            _, run = self.call("GET", f"{location}?wait=50")
        _, notebook = self.call("GET", path)
        _, graph = self.call("GET", f"{path}/graph")
        # Its kernel ends with it.
        self.call("DELETE", path)
        return notebook["cells"], graph["edges"]


def run_under_nbclient(notebook, folder, seconds):
    """Runs all cells, those after an error too. Returns the replies of those that failed, by number."""
    failed = {}
    client = nbclient.NotebookClient(
        notebook, timeout=seconds, kernel_name="python3", allow_errors=True, store_widget_state=False,
        resources={"metadata": {"path": folder}},
        on_cell_error=lambda cell, cell_index, execute_reply: failed.update({cell_index: execute_reply["content"]}),
    )
    client.execute(env={"PATH": PATH, "HOME": folder, "LANG": "C.UTF-8"}, stderr=subprocess.DEVNULL)
    return failed


def is_of_other_kernel(notebook):
    metadata = notebook["metadata"]
    kernel = metadata.get("kernelspec", {})
    language = kernel.get("language") or metadata.get("language_info", {}).get("name") or "python"
    return language not in ("python", "ipython") or kernel.get("name", "python3") not in ("python", "python2", "python3")


def check_not_run(text, folder):
    """Yields what is wrong with a notebook that the list says is not run: it ends."""
    try:
        run_under_nbclient(nbformat.reads(text, as_version=4), folder, SHORT_SECONDS)
    except (CellTimeoutError, DeadKernelError, ValueError, nbformat.reader.NotJSONError):
        return
    yield "ends under nbclient, other than the list says"


def check(server, path, folder, listed, figures):
    """Yields what is wrong with a notebook, and counts."""
    text = path.read_text(encoding="utf-8-sig")
    notebook = nbformat.reads(text, as_version=4)
    code = [number for number, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code"]
    if is_of_other_kernel(notebook) or not code:
        if listed:
            yield "is in the list, but has no cells that run"
        return
    for number in code:
        # nbclient leaves those of cells that it does not run.
        notebook["cells"][number]["outputs"] = []
    try:
        cells, edges = server.run(text.encode())
        failed = run_under_nbclient(notebook, folder, CELL_SECONDS)
    except urllib.error.HTTPError as error:
        yield f"Quire says {error.code}: {error.read().decode()}"
        return
    except (CellTimeoutError, DeadKernelError) as error:
        yield f"does not end under nbclient: {error}"
        return
    if len(cells) != len(notebook["cells"]):
        yield f"has {len(notebook['cells'])} cells, and in Quire {len(cells)}"
        return
    figures["notebooks"] += 1
    figures["cells"] += len(code)
    for number in wrongly_blocked(cells, edges):
        yield f"cell {number}: is {cells[number]['status']} in Quire, other than the cells it depends on demand"
    unseen = {key for key, always in listed.items() if always}
    for number, (expected, cell) in enumerate(zip(notebook["cells"], cells)):
        if cell["status"] == "blocked":
            figures["blocked"] += 1
            continue
        different = list(differences(expected, failed.get(number), cell))
        for aspect, under_nbclient, in_quire, only_by_chance in different:
            unseen.discard((number, aspect))
            always = listed.get((number, aspect))
            if always is None or not (always or only_by_chance):
                yield f"cell {number}: {aspect} under nbclient: {str(under_nbclient)[:1000]}\n    in Quire: {str(in_quire)[:1000]}"
        if expected["cell_type"] == "code":
            figures["equal"] += not different
            figures["listed"] += bool(different)
            figures["outputs"] += 0 if different else len(cell["outputs"]) + bool(cell["stdout"])
    for number, aspect in sorted(unseen):
        yield f"cell {number}: {aspect} is in the list, but the same"


def main(program, list_path, folder, packages):
    not_run, listed = read_list(list_path)
    named = not_run | listed.keys()
    is_all = packages[0] == "all"
    figures = collections.Counter(dict.fromkeys(("notebooks", "cells", "equal", "outputs", "blocked", "listed"), 0))
    wrong = []
    with (
        tempfile.TemporaryDirectory() as scratch,
        Server(program, f"{scratch}/notebooks") as server,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        def check_all_of(path, name):
            own = tempfile.mkdtemp(dir=scratch)
            counted = collections.Counter()
            if name not in not_run:
                found = check(server, path, own, listed.get(name, {}), counted)
            else:
                found = check_not_run(path.read_text(encoding="utf-8-sig"), own) if is_all else ()
            return [f"{name}: {what}" for what in found], counted

        started = [pool.submit(check_all_of, OWN, OWN.name)]
        named.discard(OWN.name)
        for path in sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() == ".ipynb"):
            package, rest = str(path.relative_to(folder)).split("/", 1)
            package = package.rsplit("-", 1)[0]
            if is_all or package in packages:
                named.discard(f"{package}/{rest}")
                started.append(pool.submit(check_all_of, path, f"{package}/{rest}"))
        for one in started:
            found, counted = one.result()
            wrong.extend(found)
            figures.update(counted)
    if is_all:
        wrong.extend(f"{name}: is in the list, but not in the packages" for name in sorted(named))
    if not figures["equal"]:
        wrong.append(f"{folder}: no cells are the same")
    if wrong:
        print(*wrong, f"{len(wrong)} are wrong", sep="\n", file=sys.stderr)
        sys.exit(1)
    print(
        "{notebooks} notebooks with {cells} cells of code: {equal} the same under nbclient, with {outputs} outputs and texts; {listed} other as listed, "
        "{blocked} blocked by a failed one".format(**figures), file=sys.stderr,
    )


if __name__ == "__main__":
    with warnings.catch_warnings():
        # Cells without ids, and kernels on TCP.
        warnings.simplefilter("ignore")
        main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
