"""Compares Quire's analysis of cells with IPython and PostgreSQL's own parser.

    measure.py ipython FILE...       notebooks (.ipynb) or texts of cells separated by lines `# ---`
    measure.py postgresql FILE...    SQL files, for example PostgreSQL's src/test/regress/sql/*.sql

IPython: Quire must report an error exactly if CPython does not compile the Python that IPython makes of a cell, and must list
every name that this Python binds or reads at module level. PostgreSQL: measures the share of the valid statements whose tables
Quire knows, and compares the tables of queries and changes of data with PostgreSQL's. Prints the differences, most frequent
first; ends with status 1 if there are differences with IPython.

scripts/measure-analysis runs this script, with the packages of requirements.txt.
"""

import ast
import collections
import json
import os
import pathlib
import re
import subprocess
import sys

MANIFEST = pathlib.Path(__file__).resolve().parents[2] / "Cargo.toml"


def analyse(kind, codes):
    """Returns Quire's analyses of the codes of cells, in order."""
    lines = "".join(json.dumps({"id": n, "type": kind, "code": code}) + "\n" for n, code in enumerate(codes))
    command = ["cargo", "run", "--quiet", "--locked", "--manifest-path", MANIFEST, "-p", "quire-analysis", "--example", "deps"]
    done = subprocess.run(command, input=lines, text=True, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def cells(path):
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix != ".ipynb":
        yield from text.split("\n# ---\n")
        return
    try:
        notebook = json.loads(text)
        for cell in notebook.get("cells", []):
            if cell.get("cell_type") == "code":
                yield "".join(cell["source"])
    except (ValueError, AttributeError, KeyError, TypeError):
        print(f"not a notebook: {path}", file=sys.stderr)


def as_ipython_runs_it(code):
    """Returns the Python that IPython makes of a cell, or None if that does not compile."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        transformed = TransformerManager().transform_cell(code)
        compile(transformed, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return transformed


def compare_with_ipython(paths):
    codes = [code for path in paths for code in cells(path) if len(code) < 100_000]
    transformed = [as_ipython_runs_it(code) for code in codes]
    ours = analyse("python", codes)
    theirs = analyse("python", [code or "" for code in transformed])
    kinds = collections.Counter()
    for code, python, our, their in zip(codes, transformed, ours, theirs):
        if code.lstrip().startswith("%%"):
            # For IPython, the rest of the cell is a text until the magic runs.
            continue
        if (python is None) != (our["error"] is not None):
            kind = "we take it, IPython does not" if python is None else f"IPython takes it: {our['error']['message']}"
        elif python is not None and our["error"] is None:
            missing = [
                f"{name} in {key}"
                for key in ("reads", "writes")
                for name in set(their[key]) - set(our[key])
            ]
            kind = f"missing: {' '.join(missing)}" if missing else None
        else:
            kind = None
        if kind:
            kinds[kind.split(":")[0]] += 1
            print(f"{kind}\n    {code[:200]!r}")
    print(f"{len(codes)} cells, {sum(kinds.values())} differences")
    for kind, count in kinds.most_common():
        print(f"{count:6}  {kind}")
    return 1 if kinds else 0


def statements(path):
    """Yields the statements of a psql script that PostgreSQL's parser accepts, with the kind of node that each is."""
    import pglast
    import pglast.visitors

    text = path.read_text(encoding="utf-8", errors="replace")
    # Parts that only psql understands: its commands, the data after COPY FROM STDIN, and its variables.
    lines, is_data = [], False
    for line in text.splitlines():
        if is_data:
            is_data = line.strip() != "\\."
        elif not line.lstrip().startswith("\\"):
            lines.append(line)
            is_data = line.lower().lstrip().startswith("copy ") and " stdin" in line.lower() and line.rstrip().endswith(";")
    try:
        parts = pglast.split("\n".join(lines), with_parser=False)
    except pglast.parser.ParseError:
        return
    for part in parts:
        try:
            (statement,) = pglast.parse_sql(part)
        except (ValueError, pglast.parser.ParseError, RecursionError):
            continue
        kind = type(statement.stmt).__name__
        relations = None
        if kind in ("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "ViewStmt", "ExplainStmt"):
            relations = set()
            for name in pglast.visitors.referenced_relations(part):
                parts = [bare(word) for word in re.findall(r'"(?:[^"]|"")+"|[^.]+', name)]
                relations.add(".".join((["public"] + parts)[-2:]))
        yield part, kind, relations


def bare(name):
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def compare_with_postgresql(paths):
    found = [statement for path in paths for statement in statements(path)]
    answers = analyse("sql", [text.replace("{", "{{").replace("}", "}}") for text, _, _ in found])
    understood = collections.Counter()
    unknown = collections.defaultdict(list)
    differing = []
    for (text, kind, relations), answer in zip(found, answers):
        if answer["diagnostics"]:
            unknown[kind].append((answer["diagnostics"][0]["message"], text))
            continue
        understood[kind] += 1
        ours = set(answer["tables_read"]) | set(answer["tables_written"])
        if relations is not None and relations != ours:
            differing.append((sorted(relations - ours), sorted(ours - relations), text))
    for missing, surplus, text in differing[: 10 * int(os.environ.get("EXAMPLES", "3"))]:
        print(f"missing {missing}, surplus {surplus}: {' '.join(text.split())[:200]}")
    for kind, failed in sorted(unknown.items(), key=lambda item: len(item[1])):
        print(f"\n{kind}: {len(failed)} of {len(failed) + understood[kind]}")
        for message, text in failed[: int(os.environ.get("EXAMPLES", "3"))]:
            print(f"    {message}: {' '.join(text.split())[:160]}")
    total = sum(understood.values())
    print(f"\n{len(differing)} statements with other tables than PostgreSQL's")
    print(f"{total} of {len(found)} valid statements understood ({100 * total / max(len(found), 1):.1f} %)")
    return 0


if __name__ == "__main__":
    kinds = {"ipython": compare_with_ipython, "postgresql": compare_with_postgresql}
    sys.exit(kinds[sys.argv[1]]([pathlib.Path(argument) for argument in sys.argv[2:]]))
