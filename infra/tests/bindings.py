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


def type_of(annotation):
    """An argument's or attribute's type in Terraform's words."""
    text = ast.unparse(annotation)
    if "typing.Any" in text and "Dict" not in text:
        return "any"
    item = "number" if "jsii.Number" in text else "bool" if "builtins.bool" in text or text.endswith(".IResolvable") or "BooleanMap" in text else "string"
    if "Mapping[" in text or text.endswith("Map"):
        return f"map({item})"
    return f"list({item})" if "Sequence[" in text or "typing.List[" in text else item


def properties(node):
    """Readable properties of a class, each with its type."""
    return {item.name: item.returns for item in node.body if isinstance(item, ast.FunctionDef) and any(ast.unparse(d).startswith("builtins.property") for d in item.decorator_list)}


def read_only(annotation, classes):
    """An attribute's type; blocks that AWS alone fills are lists of objects."""
    named = ast.unparse(annotation).strip("'\"")
    if named.endswith("List") and named[:-len("List")] + "OutputReference" in classes:
        return [{name: read_only(inner, classes) for name, inner in classes[named[:-len("List")] + "OutputReference"].items() if name not in ("fqn", "internal_value")}]
    return type_of(annotation)


def schema(source):
    """A type's arguments, for each whether it is required, its type or the block's own arguments, and of a block whether there may be
    many; and its attributes."""
    structs, attributes = {}, {}
    tree = ast.parse(source)
    classes = {node.name: properties(node) for node in tree.body if isinstance(node, ast.ClassDef)}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        is_struct = any(isinstance(d, ast.Call) and ast.unparse(d.func) == "jsii.data_type" for d in node.decorator_list)
        if is_struct:
            initialiser = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
            defaults = initialiser.args.kw_defaults
            structs[node.name] = [(a.arg.rstrip("_"), a.annotation, d is None) for a, d in zip(initialiser.args.kwonlyargs, defaults)]
        elif any("TerraformResource" in ast.unparse(base) or "TerraformDataSource" in ast.unparse(base) for base in node.bases):
            attributes = {name: read_only(returns, classes) for name, returns in classes[node.name].items() if not name.endswith("_input")}
    meta = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}

    def arguments(struct):
        found = {}
        for argument, annotation, required in structs[struct]:
            if argument in meta and struct == config:
                continue
            inner = struct_of(annotation, structs)
            found[argument] = [required, arguments(inner), "Sequence[" in ast.unparse(annotation)] if inner else [required, type_of(annotation)]
        return found

    config = next(name for name in structs if "Config" in name and any(a[0] == "lifecycle" for a in structs[name]))
    return {"arguments": arguments(config), "attributes": attributes}


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
