"""Checks the conversion of Jupyter notebooks with Jupyter's own `nbformat`.

    check.py PROGRAM FOLDER [REFUSED ...]

PROGRAM (the example `jupyter` of crates/files) converts every notebook below FOLDER, and some thousand more that this script makes
by replacing values with odd ones. The output must be valid for nbformat, and contain the code of the input. Only the files whose
paths end in one of REFUSED may be refused, and they must be.
"""

import copy
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import warnings

os.environ["NBFORMAT_VALIDATOR"] = "fastjsonschema"  # some thousand notebooks would take the other one minutes
import nbformat  # noqa: E402

ODD = [
    None, True, False, 0, 7, -1, 1.5, float("nan"), 10**30, "", "x", "a\nb", "\ud800", "4", "auto", [], {}, [None], ["a", 1],
    ["a", "b"], ["a", "a"], [["a"]], {"a": None}, {"a": "b"}, {"quire": 1}, {"quire": {"other": {"id": 1, "x": 2}, "metadata": {"tags": 3}}},
]

OUTPUTS = [
    {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
    {"output_type": "stream", "name": "stderr", "text": "c"},
    {"output_type": "display_data", "data": {"text/plain": "d", "image/svg+xml": ["<svg/>"]}, "metadata": {"m": {}}},
    {"output_type": "execute_result", "data": {"application/json": {"a": 1}}, "metadata": {}, "execution_count": 1},
    {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t", "u"]},
]

BASE = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python", "codemirror_mode": {"name": "ipython"}, "file_extension": ".py"},
        "title": "T", "authors": [{"name": "A"}], "orig_nbformat": 4,
    },
    "cells": [
        {
            "cell_type": "code", "id": "a", "execution_count": 1, "source": ["x = 1\n", "x"], "outputs": OUTPUTS,
            "metadata": {
                "name": "n", "tags": ["t"], "collapsed": False, "scrolled": "auto", "jupyter": {}, "execution": {"iopub.status.busy": "1"},
            },
        },
        {"cell_type": "markdown", "id": "b", "source": "# T", "metadata": {"tags": []}, "attachments": {"p.png": {"image/png": "AA"}}},
        {"cell_type": "raw", "id": "c", "source": "r", "metadata": {"format": "text/latex", "name": "r"}},
    ],
}


class Twice(str):
    """A name that equals no other, so that an object can contain it twice."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other

    def __deepcopy__(self, memo):
        return self


def places(value, path=()):
    """Yields the paths of all values inside a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(notebook, path, change):
    notebook = copy.deepcopy(notebook)
    at = notebook
    for key in path[:-1]:
        at = at[key]
    change(at, path[-1])
    return notebook


def put(value):
    def change(at, key):
        at[key] = value
    return change


def twice(value):
    def change(at, key):
        if isinstance(at, dict):
            at[Twice(key)] = value
        else:
            at.append(value)
    return change


def remove(at, key):
    del at[key]


def add(at, key):
    if isinstance(at[key], dict):
        at[key]["unheard_of"] = {"x": 1}
    else:
        at[key] = {"unheard_of": 1}


def odd_notebooks():
    """Yields BASE with each value in turn replaced, repeated, removed and enlarged; then with several such changes, always the same."""
    for path in list(places(BASE)):
        for value in ODD:
            yield changed(BASE, path, put(value))
        for change in (twice("x"), twice(None), remove, add):
            yield changed(BASE, path, change)
    chance = random.Random(1)
    for _ in range(2000):
        notebook = BASE
        for _ in range(3):
            path = chance.choice(list(places(notebook)))
            notebook = changed(notebook, path, chance.choice([put, twice])(chance.choice(ODD)))
        yield notebook
    yield {**BASE, "unheard_of": 1}
    yield {**BASE, "nbformat_minor": 9, "cells": [{**BASE["cells"][0], "unheard_of": 1, "outputs": [{"output_type": "later", "x": 1}]}]}


def sources(notebook):
    """Returns the texts of the cells of a notebook of version 4, with attached pictures inserted; `None` for other versions."""
    if notebook.get("nbformat") != 4:
        return None
    texts = []
    for cell in notebook["cells"]:
        text = "".join(cell.get("source", "") or "")
        for name, bundle in (cell.get("attachments") or {}).items():
            for mime_type, data in bundle.items():
                text = text.replace(f"attachment:{name}", f"data:{mime_type};base64,{''.join(data)}")
        texts.append(text)
    return texts


def error_in(notebook):
    """Returns the error that nbformat reports for a notebook, if any."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            nbformat.validate(notebook)
    except (nbformat.ValidationError, Warning) as error:
        return str(error)[:500] or repr(error)
    return None


def main(program, folder, refused):
    if error_in(BASE) or not error_in({**BASE, "unheard_of": 1}):
        sys.exit("nbformat does not tell valid notebooks from others")
    files = sorted(path for path in pathlib.Path(folder).rglob("*") if path.suffix.lower() == ".ipynb")
    if not files:
        sys.exit(f"{folder}: no notebooks")
    with tempfile.TemporaryDirectory() as scratch:
        made = []
        for number, notebook in enumerate(odd_notebooks()):
            path = pathlib.Path(scratch, f"odd-{number}.ipynb")
            path.write_text(json.dumps(notebook))
            made.append(path)
        out = pathlib.Path(scratch, "out")
        out.mkdir()
        paths = "".join(f"{path}\n" for path in [*files, *made])
        done = subprocess.run([program, out], input=paths, stdout=subprocess.PIPE, text=True, check=True)
        wrong, limits, came_in = [], 0, 0
        for path, line in zip([*files, *made], done.stdout.splitlines(), strict=True):
            line = json.loads(line)
            is_file = path.parent != pathlib.Path(scratch)
            may_be_refused = any(str(path).endswith(f"/{name}") for name in refused)
            if "refused" in line:
                limits += line["limit"]
                if is_file and not line["limit"] and not may_be_refused:
                    wrong.append(f"{path}: refused: {line['refused']}")
                continue
            if is_file and may_be_refused:
                wrong.append(f"{path}: is not refused")
            came_in += 1
            text = pathlib.Path(out, f"{line['written']}.ipynb").read_text()
            if error := error_in(json.loads(text)):
                wrong.append(f"{path}: not valid: {error}" + ("" if is_file else f"\n{path.read_text()}"))
            if is_file:
                before = sources(json.loads(path.read_text(encoding="utf-8-sig")))
                if before is not None and before != sources(json.loads(text)):
                    wrong.append(f"{path}: its code is another")
        if came_in < (len(files) + len(made)) / 2:
            wrong.append(f"only {came_in} of {len(files)} + {len(made)} came in")
    if wrong:
        print(*wrong[:20], f"{len(wrong)} are wrong", sep="\n", file=sys.stderr)
        sys.exit(1)
    refusals = f"{len(refused)} refused as documented, {limits} beyond a limit"
    print(f"{len(files)} notebooks and {len(made)} odd ones, {refusals}: every export is valid", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
