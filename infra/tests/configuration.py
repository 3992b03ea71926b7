"""The Terraform configuration as data: every block of every module, with its text parsed and nothing evaluated."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import hcl2

ROOT = Path(__file__).resolve().parents[2]
TERRAFORM = ROOT / "infra" / "terraform"


@lru_cache(maxsize=None)
def parsed(text):
    """A file's text as data. The tests of faults change one file of many, time and again."""
    return hcl2.loads(text)


def clean(value):
    """The parser keeps the quotation marks of strings, and marks expressions as templates; both only get in the way."""
    if isinstance(value, dict):
        return {clean(key): clean(item) for key, item in value.items() if key not in ("__is_block__", "__comments__")}
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, str):
        if len(value) >= 2 and value[0] == value[-1] == '"':
            return value[1:-1]
        whole = re.fullmatch(r"\$\{(.*)\}", value, re.DOTALL)
        return whole[1] if whole and "${" not in whole[1] else value
    return value


@dataclass
class Block:
    """A resource, data source or ephemeral resource."""

    module: str
    kind: str
    type: str
    name: str
    body: dict
    raw: dict

    def __str__(self):
        return f"{self.module}: {self.type}.{self.name}"


class Module:
    """A folder of Terraform files."""

    def __init__(self, folder):
        self.name = folder.name
        self.folder = folder
        self.blocks, self.locals, self.variables, self.outputs, self.calls = [], {}, {}, {}, {}
        self.terraform = []
        self.text = ""
        for file in sorted(folder.glob("*.tf")):
            text = file.read_text()
            self.text += text
            self.add(parsed(text))

    def add(self, raw):
        for kind in ("resource", "data", "ephemeral"):
            for entry in raw.get(kind, []):
                for type_, named in entry.items():
                    if type_.startswith("__"):
                        continue
                    for name, body in named.items():
                        if not name.startswith("__"):
                            self.blocks.append(Block(self.name, kind, clean(type_), clean(name), clean(body), body))
        for kind, into in (("variable", self.variables), ("output", self.outputs), ("module", self.calls)):
            for entry in raw.get(kind, []):
                into.update({clean(name): clean(body) for name, body in entry.items() if not name.startswith("__")})
        for entry in raw.get("locals", []):
            self.locals.update(clean(entry))
        self.terraform += [clean(entry) for entry in raw.get("terraform", [])]

    def of(self, type_, kind="resource"):
        return [block for block in self.blocks if block.kind == kind and block.type == type_]


class Configuration:
    """The root, its modules, and what each environment puts in."""

    def __init__(self, root=TERRAFORM):
        self.root = Module(root)
        self.modules = {folder.name: Module(folder) for folder in sorted((root / "modules").iterdir())}
        self.environments = {file.stem: clean(parsed(file.read_text())) for file in sorted(root.glob("*.tfvars"))}
        self.backends = {file.stem: clean(parsed(file.read_text())) for file in sorted(root.glob("*.tfbackend"))}

    def __iter__(self):
        yield self.root
        yield from self.modules.values()

    def blocks(self, type_=None, kind="resource"):
        return [b for m in self for b in m.blocks if b.kind == kind and (type_ is None or b.type == type_)]

    def one(self, type_, name="this"):
        return next((b.body for b in self.blocks(type_) if b.name == name), {})

    def variable(self, module, name):
        return self.modules[module].variables.get(name, {})

    def default(self, module, name):
        return self.variable(module, name).get("default")


def walk(value, path=()):
    """Every leaf, with the keys that lead to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from walk(item, path)
    else:
        yield path, value
