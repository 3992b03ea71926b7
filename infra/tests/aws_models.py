"""Requests to AWS against the models of its services, as botocore publishes them: members, types, lengths, patterns, enumerations."""

from functools import lru_cache

import regex
from botocore.loaders import Loader
from botocore.model import ServiceModel

LOADER = Loader()


@lru_cache(maxsize=None)
def service(name):
    return ServiceModel(LOADER.load_service_model(name, "service-2"), name)


@lru_cache(maxsize=None)
def pattern_of(text):
    """A pattern as Java has it. Java writes what is beyond 16 bits as pairs of surrogates; as a range of code points they mean that plane."""
    text = text.replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\U00010000-\\U0010FFFF").replace("\\p{Print}", "\\x20-\\x7E" if "[" in text else "[\\x20-\\x7E]")
    return regex.compile(text)


TYPES = {"boolean": bool, "integer": int, "long": int, "float": (int, float), "double": (int, float), "string": str, "list": list, "map": dict, "structure": dict}


def refused(shape, value, where):
    """Reasons for which a service would refuse this value."""
    wanted = TYPES.get(shape.type_name, object)
    if not isinstance(value, wanted) or isinstance(value, bool) and wanted is not bool:
        return [f"{where}: {value!r} is no {shape.type_name}"]
    wrong = []
    limits = shape.metadata
    if shape.type_name == "structure":
        wrong += [f"{where}: {name} is missing" for name in shape.required_members if name not in value]
        for name, item in value.items():
            if name not in shape.members:
                wrong.append(f"{where}: there is no {name}")
            else:
                wrong += refused(shape.members[name], item, f"{where}.{name}")
        return wrong
    if shape.type_name == "list":
        wrong += [wrong for item in value for wrong in refused(shape.member, item, where)]
    elif shape.type_name == "map":
        wrong += [wrong for key, item in value.items() for wrong in refused(shape.key, key, where) + refused(shape.value, item, f"{where}.{key}")]
    size = len(value) if isinstance(value, (str, list, dict)) else value
    if isinstance(size, (int, float)) and not isinstance(value, bool):
        if size < limits.get("min", size):
            wrong.append(f"{where}: {value!r} is below the least, {limits['min']}")
        if size > limits.get("max", size):
            wrong.append(f"{where}: {value!r} is above the most, {limits['max']}")
    if shape.type_name == "string":
        if getattr(shape, "enum", None) and value not in shape.enum:
            wrong.append(f"{where}: {value!r} is none of {', '.join(shape.enum)}")
        if "pattern" in limits and not pattern_of(limits["pattern"]).fullmatch(value):
            wrong.append(f"{where}: {value!r} is not as {limits['pattern']}")
    return wrong


def camel(name):
    return name.replace("_", "").lower()


def request(shape, arguments, names, where, unknown):
    """A request made of a resource's arguments: each goes to the member of the same name, or to where `names` says.

    A name with dots is a way through structures; None is for what is the provider's own, or another request's.
    """
    found = {}
    known = {camel(member): member for member in shape.members}
    for argument, value in arguments.items():
        if value is None:
            continue
        target = names.get(argument, "")
        if target is None:
            continue
        if target.split(".")[0] not in shape.members:
            target = known.get(camel(argument)) or known.get(camel(argument) + "s")
        if target is None:
            unknown.append(f"{where}: nobody says where {argument} goes")
            continue
        *way, last = target.split(".")
        into, inner = found, shape
        for step in way:
            into, inner = into.setdefault(step, {}), inner.members[step]
        into[last] = shaped(inner.members[last], value, names, f"{where}.{argument}", unknown)
    return found


def shaped(shape, value, names, where, unknown):
    """A value as the member wants it: blocks become structures, one of something becomes a list."""
    if shape.type_name == "structure" and isinstance(value, list) and len(value) == 1:
        return request(shape, value[0], names, where, unknown)
    if shape.type_name == "structure" and isinstance(value, dict):
        return request(shape, value, names, where, unknown)
    if shape.type_name == "list":
        return [shaped(shape.member, item, names, where, unknown) for item in (value if isinstance(value, list) else [value])]
    if shape.type_name == "string" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value
