"""The names of arguments, blocks and attributes that the AWS provider knows, from the published CDK bindings of it.

The provider itself cannot be had everywhere this runs; its bindings are an ordinary package, made from the provider's
schema. They are 60 MB, so what is needed of them is kept in aws-provider.json, and `scripts/test-infra --full` makes that
anew and compares.
"""

import ast
import json
import sys
import zipfile
from pathlib import Path

from configuration import Configuration

PACKAGE = "cdktf-cdktf-provider-aws==21.22.1"
KEPT = Path(__file__).with_name("aws-provider.json")


def used():
    """The types that the configuration uses, as the package names its modules."""
    config = Configuration()
    names = set()
    for module in config:
        for block in module.blocks:
            if block.type.startswith("aws_"):
                names.add(("data." if block.kind == "data" else "") + block.type)
    return names


def folder(name):
    return "data_aws_" + name[len("data.aws_"):] if name.startswith("data.") else name[len("aws_"):]


def struct_of(annotation, structs):
    """The struct that an argument's type names, if it names one: then the argument is a block."""
    text = ast.unparse(annotation)
    names = [name for name in structs if f'"{name}"' in text or f"'{name}'" in text or name in text.replace("[", " ").replace("]", " ").replace(",", " ").split()]
    return max(names, key=len) if names else None


def schema(source):
    """A type's arguments, for each whether it is required and, if it is a block, the block's own; and its attributes."""
    structs, attributes = {}, set()
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        is_struct = any(isinstance(d, ast.Call) and ast.unparse(d.func) == "jsii.data_type" for d in node.decorator_list)
        if is_struct:
            initialiser = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
            defaults = initialiser.args.kw_defaults
            structs[node.name] = [(a.arg.rstrip("_"), a.annotation, d is None) for a, d in zip(initialiser.args.kwonlyargs, defaults)]
        elif any("TerraformResource" in ast.unparse(base) or "TerraformDataSource" in ast.unparse(base) for base in node.bases):
            attributes = {item.name for item in node.body if isinstance(item, ast.FunctionDef) and any(ast.unparse(d).startswith("builtins.property") for d in item.decorator_list)}
    meta = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}

    def arguments(struct):
        found = {}
        for argument, annotation, required in structs[struct]:
            if argument in meta and struct == config:
                continue
            inner = struct_of(annotation, structs)
            found[argument] = [required, arguments(inner) if inner else None]
        return found

    config = next(name for name in structs if name.endswith("Config") and any(a[0] == "lifecycle" for a in structs[name]))
    return {"arguments": arguments(config), "attributes": sorted(a for a in attributes if not a.endswith("_input"))}


def read(wheel):
    with zipfile.ZipFile(wheel) as package:
        return {name: schema(package.read(f"cdktf_cdktf_provider_aws/{folder(name)}/__init__.py").decode()) for name in sorted(used())}


def main():
    """Writes what is kept, or with --check compares it."""
    wheel, check = sys.argv[1], "--check" in sys.argv
    # A type on each line, so that a difference can be read.
    lines = [f"{json.dumps(name)}: {json.dumps(type_, sort_keys=True)}" for name, type_ in read(wheel).items()]
    text = f'{{"package": {json.dumps(PACKAGE)}, "types": {{\n' + ",\n".join(lines) + "\n}}\n"
    if not check:
        KEPT.write_text(text)
    elif KEPT.read_text() != text:
        sys.exit(f"{KEPT.name} is not what {PACKAGE} says; run infra/tests/bindings.py without --check and read the difference")


if __name__ == "__main__":
    main()
