"""Expressions of Terraform's language, evaluated: what the configuration comes to with given inputs, without Terraform.

Only what this configuration uses. Anything else is an error, never a guess; with Terraform at hand, test_plan.py compares both.
"""

import base64
import ipaddress
import json
import math

import hcl2
import regex
from lark import Token, Tree

PUNCTUATION = {"QMARK", "COLON", "COMMA", "LSQB", "RSQB", "LBRACE", "RBRACE", "LPAR", "RPAR", "DBLQUOTE", "DOT", "EQ", "INTERP_START",
               "FOR", "IN", "IF", "FOR_OBJECT_ARROW", "FULL_SPLAT_START", "NL_OR_COMMENT"}
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


def parts(tree):
    """A node's children that mean something."""
    return [child for child in tree.children if not (isinstance(child, Token) and child.type in PUNCTUATION or isinstance(child, Tree) and child.data == "new_line_or_comment")]


def identifier(tree):
    return str(tree.children[0])


def text(value):
    """A value inside a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (str, int, float)):
        return str(value)
    raise TypeError(f"{value!r} is no text")


def plain(value):
    """A value with whatever is computed on demand computed, as JSON has it."""
    if hasattr(value, "items"):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Set(list):
    """Result of toset: without repetitions, in order."""


def pairs(value):
    """Elements that a for goes over: keys and values, of a map in the order of its keys."""
    if isinstance(value, Set):
        return [(item, item) for item in value]
    return sorted(value.items(), key=lambda pair: pair[0]) if hasattr(value, "items") else list(enumerate(value))


def merge(*maps):
    return {key: item for one in maps for key, item in one.items()}


def flatten(items):
    return [inner for item in items for inner in (flatten(item) if isinstance(item, list) else [item])]


def find(pattern, subject):
    found = regex.search(pattern, subject)
    if not found:
        raise ValueError(f"{pattern} is not in {subject}")
    return found[0]


def jsonencode(value):
    """As Terraform writes it: without spaces, keys in order, and three characters that browsers misread as escapes."""
    encoded = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return encoded.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


FUNCTIONS = {
    "alltrue": lambda items: all(items),
    "base64encode": lambda value: base64.b64encode(value.encode()).decode(),
    "ceil": math.ceil,
    "cidrhost": lambda block, number: str(ipaddress.ip_network(block, strict=False)[number]),
    "cidrnetmask": lambda block: str(ipaddress.IPv4Network(block, strict=False).netmask),
    "cidrsubnet": lambda block, bits, number: str(list(ipaddress.ip_network(block).subnets(bits))[number]),
    "coalesce": lambda *values: next(value for value in values if value not in (None, "")),
    "concat": lambda *lists: [item for one in lists for item in one],
    "contains": lambda items, value: value in items,
    "distinct": lambda items: [item for index, item in enumerate(items) if item not in items[:index]],
    "flatten": flatten,
    "floor": math.floor,
    "join": lambda between, items: between.join(text(item) for item in items),
    "jsonencode": jsonencode,
    "keys": lambda value: sorted(value.keys()),
    "length": len,
    "lookup": lambda value, key, default: value.get(key, default),
    "max": max,
    "merge": merge,
    "pow": pow,
    "range": lambda *numbers: list(range(*numbers)),
    "regex": find,
    "slice": lambda items, start, end: items[start:end],
    "sort": sorted,
    "split": lambda between, value: value.split(between),
    "startswith": lambda value, beginning: value.startswith(beginning),
    "tonumber": lambda value: float(value) if "." in str(value) else int(value),
    "toset": lambda items: Set(sorted(set(items))),
    "tostring": text,
    "values": lambda value: [value[key] for key in sorted(value.keys())],
}
OPERATORS = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b, "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b, "%": lambda a, b: a % b,
}


def evaluate(tree, names):
    """An expression's value. `names` looks up what stands at the beginning of a reference."""
    def of(inner):
        return evaluate(inner, names)

    kind, children = tree.data, parts(tree)
    if kind == "expr_term":
        return of(children[0])
    if kind == "identifier":
        return names[identifier(tree)]
    if kind == "literal_value":
        return {"null": None, "true": True, "false": False}[str(children[0])]
    if kind == "int_lit":
        return int(children[0])
    if kind == "float_lit":
        return float(children[0])
    if kind == "string":
        return template(children, of)
    if kind == "tuple":
        return [of(child) for child in children]
    if kind == "object":
        return {key_of(element, of): of(parts(element)[1]) for element in children}
    if kind == "get_attr_expr_term":
        return of(children[0])[identifier(parts(children[1])[0])]
    if kind == "index_expr_term":
        return of(children[0])[of(parts(children[1])[0])]
    if kind == "conditional":
        return of(children[1] if of(children[0]) else children[2])
    if kind == "unary_op":
        return not of(children[1]) if children[0] == "!" else -of(children[1])
    if kind == "binary_op":
        operator, right = parts(children[1])
        operator = str(operator.children[0])
        if operator == "&&":
            return of(children[0]) and of(right)
        if operator == "||":
            return of(children[0]) or of(right)
        return OPERATORS[operator](of(children[0]), of(right))
    if kind == "function_call":
        return call(children, of)
    if kind in ("for_tuple_expr", "for_object_expr"):
        return loop(kind, children, names)
    raise NotImplementedError(f"{kind} is not among what is evaluated here")


def template(children, of):
    """A string: alone, an interpolation keeps its value's type."""
    pieces = []
    for part in children:
        child = part.children[0]
        if isinstance(child, Tree):
            pieces.append(of(parts(child)[0]))
        elif child.type == "STRING_CHARS":
            pieces.append(regex.sub(r"\\(.)", lambda match: ESCAPES[match[1]], str(child)))
        else:
            pieces.append(str(child)[1:])
    return pieces[0] if len(pieces) == 1 else "".join(text(piece) for piece in pieces)


def key_of(element, of):
    """An object's key: a bare name means itself."""
    key = parts(element)[0].children[0]
    if isinstance(key, Token) or key.data == "keyword":
        return str(key if isinstance(key, Token) else key.children[0])
    if key.data == "expr_term" and len(key.children) == 1 and key.children[0].data == "identifier":
        return identifier(key.children[0])
    return text(of(key))


def call(children, of):
    name = identifier(children[0])
    arguments = parts(children[1]) if len(children) > 1 else []
    if name in ("can", "try"):
        for argument in arguments:
            try:
                value = of(argument)
                return True if name == "can" else value
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
                if name == "can":
                    return False
        raise ValueError("nothing of what was tried can be evaluated")
    return FUNCTIONS[name](*[of(argument) for argument in arguments])


def loop(kind, children, names):
    intro, *rest = children
    *variables, over = parts(intro)
    variables = [identifier(variable) for variable in variables]
    condition = next((parts(child)[0] for child in rest if isinstance(child, Tree) and child.data == "for_cond"), None)
    rest = [child for child in rest if not (isinstance(child, Tree) and child.data == "for_cond")]
    found = []
    for key, value in pairs(evaluate(over, names)):
        inner = names.new_child(dict(zip(variables, (key, value) if len(variables) == 2 else (value,))))
        if condition is None or evaluate(condition, inner):
            found.append([evaluate(part, inner) for part in rest])
    return [value for (value,) in found] if kind == "for_tuple_expr" else {text(key): value for key, value in found}


def converted(type_, value, names):
    """A variable's value as its type has it: attributes that were left out are null or their default."""
    if value is None or type_ is None:
        return value
    type_ = type_.children[0] if type_.data == "expr_term" else type_
    if type_.data == "identifier":
        return {"string": text, "number": lambda number: number, "bool": bool, "any": lambda anything: anything}[identifier(type_)](value)
    name, inner = identifier(type_.children[0]), parts(parts(type_)[1])[0]
    if name == "list":
        return [converted(inner, item, names) for item in value]
    if name == "map":
        return {key: converted(inner, item, names) for key, item in value.items()}
    found = {}
    for element in parts(inner.children[0]):
        key, wanted = key_of(element, None), parts(element)[1]
        wanted = wanted.children[0] if wanted.data == "expr_term" else wanted
        default = None
        if wanted.data == "function_call" and identifier(wanted.children[0]) == "optional":
            wanted, *defaults = parts(parts(wanted)[1])
            default = evaluate(defaults[0], names) if defaults else None
        elif key not in value:
            raise ValueError(f"{key} is missing")
        found[key] = converted(wanted, value.get(key, default), names)
    return found


def parse(source):
    """A file's body."""
    return hcl2.api.parses_to_tree(source).children[0]
