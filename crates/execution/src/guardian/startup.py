# Executed in each kernel before the first cell. `shell` is IPython's. It imports nothing that cells may want to be the first to import, and
# works on objects by the names of their types alone.
import sys


def scalar(value):
    """Return what a table's cell holds in JSON: None, a bool, a number or a text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if getattr(value, "ndim", None) == 0 and type(value).__module__ == "numpy":
        value = value.item()
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        # Beyond that, JavaScript's numbers are inexact.
        return value if abs(value) <= 2**53 else str(value)
    if isinstance(value, float):
        if value != value:
            return None
        return value if abs(value) != float("inf") else str(value)
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value[:1000])
    text = str(value)
    return text if len(text) <= 10_000 else text[:10_000] + "\u2026"


def unique(names):
    """Return the names as texts of which no two are the same."""
    taken, result = set(), []
    for name in names:
        text = ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)
        candidate, count = text, 1
        while candidate in taken:
            candidate, count = f"{text}.{count}", count + 1
        taken.add(candidate)
        result.append(candidate)
    return result


def table(columns, values, total, shown):
    rows = [[scalar(value) for value in row] for row in zip(*values)] if values else []
    made = {"type": "table", "columns": unique(columns), "rows": rows}
    if total > shown:
        made["truncated"] = f"the first {shown:,} of {total:,} rows"
    return made


def rows_to_show(rows, columns):
    return min(rows, 1000, max(1, 1_000_000 // max(1, columns)))


def pandas_table(frame):
    total, width = frame.shape
    shown = rows_to_show(total, width)
    head = frame.iloc[:shown]
    columns = list(head.columns)
    values = [head.iloc[:, i].tolist() for i in range(width)]
    index = frame.index
    # The usual one, 0, 1, 2 and so on, is no part of the table.
    is_usual = type(index).__name__ == "RangeIndex" and index.name is None and index.start == 0 and index.step == 1
    if not is_usual:
        names = ["index" if name is None else name for name in index.names]
        levels = [head.index.get_level_values(i).tolist() for i in range(index.nlevels)]
        columns, values = names + columns, levels + values
    return table(columns, values, total, shown)


def polars_table(frame):
    total, width = frame.shape
    shown = rows_to_show(total, width)
    head = frame.head(shown)
    return table(head.columns, [column.to_list() for column in head.iter_columns()], total, shown)


def altair_bundle(chart, **_):
    """Return the chart as its specification, unless the code has chosen another renderer."""
    from altair import renderers

    if renderers.active in ("default", "html", ""):
        with renderers.enable("mimetype"):
            return chart._repr_mimebundle_()
    return chart._repr_mimebundle_()


formatters = shell.display_formatter.formatters
for module, name, function in (
    ("pandas", "DataFrame", pandas_table),
    ("pandas.core.frame", "DataFrame", pandas_table),
    ("polars.dataframe.frame", "DataFrame", polars_table),
):
    formatters["application/json"].for_type_by_name(module, name, function)
    # The table takes the place of the HTML, which would be the richer one otherwise.
    formatters["text/html"].for_type_by_name(module, name, lambda frame: None)
for version in range(5, 10):
    shell.display_formatter.mimebundle_formatter.for_type_by_name(f"altair.vegalite.v{version}.api", "TopLevelMixin", altair_bundle)

# Values live as long as their names.
shell.displayhook.do_full_cache = 0
shell.displayhook.cache_size = 0

compute_format_data = shell.displayhook.compute_format_data


def compute_and_close(result):
    """Make the representations of a cell's value. If it is a figure, it is not shown a second time at the end of the cell."""
    made = compute_format_data(result)
    figure, pyplot = sys.modules.get("matplotlib.figure"), sys.modules.get("matplotlib.pyplot")
    if figure is not None and pyplot is not None and isinstance(result, figure.Figure):
        pyplot.close(result)
    return made


shell.displayhook.compute_format_data = compute_and_close

# Tracebacks.
shell.run_line_magic("colors", "nocolor")
names = {}
code_of_cell = ""


def code_name(raw_code, transformed_code, number):
    """Return the file name of a cell's code. Functions of older code keep theirs, or their tracebacks would show the new lines."""
    import linecache

    global code_of_cell
    code_of_cell = raw_code
    metadata = shell.kernel.get_parent("shell").get("metadata", {})
    shown = f"Cell[{metadata.get('quire_position', number)}]"
    lines = [line + "\n" for line in transformed_code.splitlines()]
    name, count = shown, 1
    while name in linecache.cache and linecache.cache[name][2] != lines:
        count += 1
        name = f"{shown} run {count}"
    names[name] = shown
    return name


def format_code_name(name):
    return ("File", names[name]) if name in names else None


def is_quiet():
    """Tell whether the value of the cell is not to be shown: its code ends with a semicolon. The usual way reads the history, which is not kept."""
    return shell.displayhook.semicolon_at_end_of_expression(code_of_cell)


shell.displayhook.quiet = is_quiet
shell.compile.get_code_name = code_name
shell.compile.format_code_name = format_code_name

syntax_traceback = shell.SyntaxTB.structured_traceback


def short_syntax_traceback(kind, value, trace=None, *arguments, **options):
    """Describe a syntax error of a cell by its line; any other as usual."""
    if getattr(value, "filename", None) not in names or not isinstance(value.lineno, int):
        return syntax_traceback(kind, value, trace, *arguments, **options)
    text = [f"SyntaxError on line {value.lineno}: {value.msg}"]
    if value.text:
        line = value.text.rstrip("\n")
        indent = len(line) - len(line.lstrip())
        text.append("    " + line.strip())
        if value.offset and value.offset > indent:
            text.append("    " + " " * (value.offset - 1 - indent) + "^")
    return ["\n".join(text)]


shell.SyntaxTB.structured_traceback = short_syntax_traceback


# What forked children print comes through a socket. ipykernel makes it on TCP, where other users of the machine reach it.
def move_pipe(thread, path):
    import zmq

    def pipe_out():
        context = zmq.Context()
        socket = context.socket(zmq.PUSH)
        socket.linger = 3000
        socket.connect(path)
        return context, socket

    def rebind():
        socket = thread._pipe_in.socket
        socket.unbind(socket.last_endpoint)
        socket.bind(path)

    thread._setup_pipe_out = pipe_out
    thread.schedule(rebind)


if hasattr(shell.kernel.iopub_thread, "_pipe_port"):
    move_pipe(shell.kernel.iopub_thread, f"ipc://{shell.kernel.parent.ip}-6")
