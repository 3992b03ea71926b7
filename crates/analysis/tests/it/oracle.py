"""Reports the names that a cell shares with other cells, according to CPython's own `symtable`.

Standard input: lines `{"id": ..., "code": ...}` of JSON. Standard output: a line for each, with sorted lists

  reads    names that some scope of the code looks up in the globals, whatever the order of evaluation;
  maybe    further names that may be looked up there: a class's own names, before the class has bound them, and the
           targets of `+=` and `del`, which symtable takes for assigned only;
  writes   names that the module, or a function through `global`, binds;
  doubtful names bound in a way that the rules count differently: `x: T` binds nothing, `except E as e` does not
           last, `del` is no write, `from __future__ import` is a directive;

or `{"id": ..., "rejected": ...}` when CPython does not compile the code.
"""

import ast
import json
import symtable
import sys
import warnings

# Bound without occurring in the code: in every class body, and from Python 3.14 on for annotations below an `if`.
IMPLICIT = {"__class__", "__module__", "__qualname__", "__classdict__", "__conditional_annotations__"}


class Generators(ast.NodeTransformer):
    """Replaces the other comprehensions by generators, which bind the same names.

    From Python 3.12 on, those are compiled into the scope around them, and symtable lists their targets as names of that scope.
    """

    def visit_ListComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(node.elt, node.generators)

    visit_SetComp = visit_ListComp

    def visit_DictComp(self, node):
        self.generic_visit(node)
        return ast.GeneratorExp(ast.Tuple([node.key, node.value], ast.Load()), node.generators)


def is_global(scope, symbol):
    """Corrects `symbol.is_global()`, which mistakes every scope named `top` for the module, and its bindings for global ones."""
    if scope.get_type() == "module" or symbol.is_declared_global():
        return True
    binds = symbol.is_assigned() or symbol.is_imported() or symbol.is_parameter() or symbol.is_namespace()
    return symbol.is_global() and not binds


def analyse(code):
    reads, maybe, writes, doubtful = set(), set(), set(), set()
    tree = ast.parse(code)
    compile(tree, "cell", "exec", dont_inherit=True)
    # Under this directive symtable omits annotations; the rules never do.
    without_directive = code.replace("from __future__ import annotations", "import __future__ as annotations")
    if sys.version_info >= (3, 12):
        without_directive = ast.unparse(Generators().visit(ast.parse(without_directive)))
    scopes = [symtable.symtable(without_directive, "cell", "exec")]
    while scopes:
        scope = scopes.pop()
        scopes.extend(scope.get_children())
        for symbol in scope.get_symbols():
            name = symbol.get_name()
            if is_global(scope, symbol):
                if symbol.is_referenced():
                    reads.add(name)
                if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                    writes.add(name)
            elif scope.get_type() == "class":
                maybe.add(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            maybe.add(node.target.id)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is None:
            doubtful.add(node.target.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            doubtful.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module == "__future__":
            doubtful.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            doubtful.add(node.id)
            maybe.add(node.id)
    return {
        "reads": sorted(reads - IMPLICIT),
        "maybe": sorted(maybe - IMPLICIT),
        "writes": sorted(writes - IMPLICIT),
        "doubtful": sorted(doubtful),
    }


warnings.simplefilter("ignore")
for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = analyse(request["code"])
    except Exception as error:  # whatever CPython says no to; the test counts these
        answer = {"rejected": repr(error)}
    print(json.dumps({"id": request["id"], **answer}))
