"""Compares the cells of a notebook that nbclient has run with the same cells in Quire, by the rules of docs/jupyter.md ("Running")."""

import json
import re

# As SHOWN in crates/domain/src/mime.rs. Quire keeps one type of each value, the first of these that the kernel gives.
SHOWN = [
    "application/vnd.plotly.v1+json", "application/vnd.vegalite.v6+json", "application/vnd.vegalite.v5+json", "image/png", "text/html",
    "application/json", "image/jpeg", "image/gif", "image/webp", "text/plain",
]
ASPECTS = ("status", "printed", "outputs", "error")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
SYNTAX_ERRORS = ("SyntaxError", "IndentationError", "TabError")


def richest(bundle):
    """Returns the type of a value that Quire keeps: of types that are not in the list, a picture is before plain text."""
    def rank(name):
        if name in SHOWN:
            return SHOWN.index(name), 1
        return len(SHOWN) - 1, 0 if name.startswith("image/") else 2
    # Jupyter's messages are objects, whose fields Quire reads in the order of their names.
    return min(sorted(bundle), key=rank)


def without_addresses(value):
    """Returns a value as JSON text in which objects' addresses, which are others in each kernel, are equal."""
    return ADDRESS.sub("0x", json.dumps(value, sort_keys=True))


def comparable(text):
    """Returns a printed text without addresses, and without what Matplotlib says when its first import takes more than some seconds."""
    text = re.sub(r"Matplotlib is building the font cache; this may take a moment\.\n", "", text)
    return ADDRESS.sub("0x", text)


def is_interleaved(whole, one, other):
    """Tells whether a text consists of two others, each in its order: between stdout and stderr, kernels keep no order."""
    if len(whole) != len(one) + len(other):
        return False
    if not one or not other:
        return whole == one + other
    reached = {0}  # how many characters may be from `one`
    for number, character in enumerate(whole):
        reached = {
            *(taken + 1 for taken in reached if taken < len(one) and one[taken] == character),
            *(taken for taken in reached if number - taken < len(other) and other[number - taken] == character),
        }
    return bool(reached)


def is_table_of(shown, html):
    """Tells whether an output is the table of a data frame that Jupyter shows as HTML: the documented difference."""
    data = shown["data"]
    if shown["mime_type"] != "application/json" or 'class="dataframe"' not in html or data.get("type") != "table":
        return False
    head, body = html.split("<tbody>", 1)
    headers = [re.sub("<[^>]*>", "", header) for header in re.findall(r"<th(?: [^>]*)?>(.*?)</th>", head, re.DOTALL)]
    return body.count("<tr") == len(data["rows"]) and all(header in data["columns"] for header in headers if header)


def is_chart_of(shown, html):
    """Tells whether an output is the chart that Altair shows as HTML with a script, which is called with the same specification."""
    if shown["mime_type"] != "application/vnd.vegalite.v6+json" or "vega-embed" not in html:
        return False
    specification, _ = json.JSONDecoder().raw_decode(html.split("})(", 1)[1])
    return specification == shown["data"]


def same_output(expected, shown):
    name = richest(expected["data"])
    data = expected["data"][name]
    if name == "text/html" and (is_table_of(shown, data) or is_chart_of(shown, data)):
        return True
    if name.startswith(("image/", "text/")):
        data = "".join(data)
    if name == "image/png":
        data = data.strip()
        shown = {**shown, "data": shown["data"].strip() if isinstance(shown["data"], str) else shown["data"]}
    return shown["mime_type"] == name and without_addresses(data) == without_addresses(shown["data"])


def last_line(text):
    return COLOUR.sub("", text).rstrip().rsplit("\n", 1)[-1].strip()


def same_error(expected, error):
    """Tells whether two errors are the same by their last line; the lines above it name files. Quire words a cell's syntax errors itself."""
    name, value = expected["ename"], expected["evalue"]
    if name in SYNTAX_ERRORS and (match := re.fullmatch(r"(.*) \([^()]*, line (\d+)\)", value, re.DOTALL)):
        if error.startswith(f"SyntaxError on line {match[2]}: {match[1]}"):
            return True
    wanted = last_line("\n".join(expected.get("traceback", [])) or f"{name}: {value}")
    return ADDRESS.sub("0x", wanted) == ADDRESS.sub("0x", last_line(error))


def differences(expected, reply, cell):
    """Yields in which of ASPECTS a cell that nbclient has run is another in Quire, what both have, and whether it is so only in what they say:
    both have printed something, or both have shown as many outputs of the same types."""
    outputs = expected.get("outputs", [])
    values = [output for output in outputs if output["output_type"] in ("display_data", "execute_result")]
    printed = {
        name: "".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream" and output["name"] == name)
        for name in ("stdout", "stderr")
    }
    status = "error" if reply else "success"
    if cell["status"] != status:
        yield "status", status, f"{cell['status']}: {cell['error']}", False
    if not is_interleaved(*map(comparable, (cell["stdout"], printed["stdout"], printed["stderr"]))):
        yield "printed", printed, cell["stdout"], bool(cell["stdout"]) and any(printed.values())
    shown = cell["outputs"]
    if len(values) != len(shown) or not all(map(same_output, values, shown)):
        types = [richest(value["data"]) for value in values]
        yield "outputs", [value["data"] for value in values], shown, types == [output["mime_type"] for output in shown]
    if reply and cell["status"] == "error" and not same_error(reply, cell["error"] or ""):
        yield "error", reply, cell["error"], True


def wrongly_blocked(cells, edges):
    """Yields the cells that are blocked although all that they depend on has succeeded, and those that ran although something has not."""
    statuses = {cell["id"]: cell["status"] for cell in cells}
    waiting = {edge["to"] for edge in edges if statuses[edge["from"]] in ("error", "blocked")}
    for number, cell in enumerate(cells):
        if (cell["status"] == "blocked") != (cell["id"] in waiting and cell["status"] != "error"):
            yield number
