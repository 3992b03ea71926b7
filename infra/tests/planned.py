"""The configuration as Terraform would plan it: every resource with its arguments as values.

What only AWS knows (ARNs, identifiers, addresses) is made up, in the form that it has.
"""

import json
from collections import ChainMap
from dataclasses import dataclass
from functools import lru_cache

from evaluation import converted, evaluate, identifier, pairs, parse, parts, plain
from made_up import made_up

META = {"count", "for_each", "depends_on", "lifecycle", "provider"}

parse = lru_cache(maxsize=None)(parse)


class Lazy(dict):
    """Values that are made when they are asked for, and kept."""

    def __init__(self, make, keys):
        super().__init__()
        self.make, self.known = make, keys

    def __missing__(self, key):
        if key not in self.known:
            raise KeyError(key)
        self[key] = self.make(key)
        return self[key]

    def items(self):
        return [(key, self[key]) for key in self.known]

    def keys(self):
        return list(self.known)


@dataclass
class Planned:
    """A resource, data source or ephemeral resource."""

    module: str
    kind: str
    type: str
    name: str
    key: object
    values: dict

    def __str__(self):
        key = "" if self.key is None else f"[{json.dumps(self.key)}]"
        return f"{self.module}: {self.type}.{self.name}{key}"

    def __getitem__(self, attribute):
        if self.values.get(attribute) is not None:
            return self.values[attribute]
        return made_up(self.type if self.kind == "resource" else f"{self.kind}.{self.type}", self.values, attribute)


class Scope:
    """A folder of Terraform files with inputs."""

    def __init__(self, folder, inputs, name="root", planned=None):
        self.folder, self.name = folder, name
        self.planned = [] if planned is None else planned
        self.blocks = [block for file in sorted(folder.glob("*.tf")) for block in parts(parse(file.read_text())) if block.data == "block"]
        types = {}
        for labels, body in self.of("resource") + [(["data." + labels[0], labels[1]], body) for labels, body in self.of("data")] + [(["ephemeral." + labels[0], labels[1]], body) for labels, body in self.of("ephemeral")]:
            types.setdefault(labels[0], {})[labels[1]] = body
        self.locals = {key: value for _, body in self.of("locals") for key, value in attributes(body).items()}
        self.calls = {labels[0]: body for labels, body in self.of("module")}
        self.outputs = {labels[0]: attributes(body)["value"] for labels, body in self.of("output")}
        resources = {type_: Lazy(lambda name, type_=type_: self.resource(type_, name, types[type_][name]), list(types[type_])) for type_ in types}
        roots = {
            "local": Lazy(lambda key: evaluate(self.locals[key], self.names), list(self.locals)),
            "module": Lazy(self.module, list(self.calls)),
            "data": {type_[len("data."):]: value for type_, value in resources.items() if type_.startswith("data.")},
            "ephemeral": {type_[len("ephemeral."):]: value for type_, value in resources.items() if type_.startswith("ephemeral.")},
            **{type_: value for type_, value in resources.items() if "." not in type_},
        }
        self.names = ChainMap(roots)
        roots["var"] = {}
        for labels, body in self.of("variable"):
            known = attributes(body)
            value = inputs[labels[0]] if labels[0] in inputs else evaluate(known["default"], self.names)
            roots["var"][labels[0]] = converted(known.get("type"), value, self.names)
        unknown = set(inputs) - set(roots["var"])
        if unknown:
            raise KeyError(f"{name} has no variables {unknown}")
        for type_ in types:
            for resource in types[type_]:
                resources[type_][resource]
        for called in self.calls:
            roots["module"][called]

    def of(self, kind):
        """The blocks of a kind, each with its labels."""
        found = []
        for block in self.blocks:
            *labels, body = parts(block)
            first, *labels = [label_of(label) for label in labels]
            if first == kind:
                found.append((labels, body))
        return found

    def module(self, name):
        given = {key: evaluate(value, self.names) for key, value in attributes(self.calls[name]).items() if key not in META}
        scope = Scope((self.folder / given.pop("source")).resolve(), given, name, self.planned)
        return Lazy(lambda output: evaluate(scope.outputs[output], scope.names), list(scope.outputs))

    def resource(self, type_, name, body):
        kind, _, type_ = type_.rpartition(".")
        known = attributes(body)

        def instance(key, names):
            one = Planned(self.name, kind or "resource", type_, name, key, values(body, names))
            self.planned.append(one)
            return one

        if "for_each" in known:
            return {key: instance(key, self.names.new_child({"each": {"key": key, "value": value}})) for key, value in each(evaluate(known["for_each"], self.names))}
        if "count" in known:
            return [instance(index, self.names.new_child({"count": {"index": index}})) for index in range(evaluate(known["count"], self.names))]
        return instance(None, self.names)


def label_of(tree):
    return str(parts(tree)[0].children[0]) if tree.data == "string" else identifier(tree)


def attributes(body):
    return {label_of(parts(child)[0]): parts(child)[1] for child in parts(body) if child.data == "attribute"}


def each(value):
    """The instances that a for_each makes."""
    return [(key, value) for key, value in pairs(value)] if hasattr(value, "items") else [(key, key) for key in value]


def values(body, names):
    """A block's arguments and blocks."""
    found = {key: plain(evaluate(value, names)) for key, value in attributes(body).items() if key not in META}
    for block in parts(body):
        if block.data != "block":
            continue
        *labels, inner = parts(block)
        label, *labels = [label_of(one) for one in labels]
        if label == "lifecycle":
            continue
        if label == "dynamic":
            (label,) = labels
            known = attributes(inner)
            (content,) = [parts(child)[-1] for child in parts(inner) if child.data == "block"]
            for key, value in each(evaluate(known["for_each"], names)):
                found.setdefault(label, []).append(values(content, names.new_child({label: {"key": key, "value": value}})))
        else:
            found.setdefault(label, []).append(values(inner, names))
    return found


def variables(file):
    """The inputs in a file of them."""
    return {name: plain(evaluate(value, ChainMap())) for name, value in attributes(parse(file.read_text())).items()}


def plan(folder, inputs):
    """All that would be made, with the provider's tags."""
    scope = Scope(folder, inputs)
    tags = {}
    for labels, body in scope.of("provider"):
        for block in values(body, scope.names).get("default_tags", []):
            tags.update(block["tags"])
    return scope.planned, tags
