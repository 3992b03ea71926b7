"""A stand-in for the providers, by which a real Terraform validates and plans the configuration without an account and a registry.

It speaks the protocol of plugins (version 5) with the schema that aws-provider.json holds. What AWS would say is unknown in a plan, as it
is in a first one, and made up in an apply, which makes nothing.

    stand_in_provider.py    prints TF_REATTACH_PROVIDERS, and serves until its standard input ends
"""

import json
import os
import sys
from concurrent import futures
from pathlib import Path

import grpc
import msgpack

from made_up import made_up

TYPES = json.loads(Path(__file__).with_name("aws-provider.json").read_text())["types"]
UNKNOWN = msgpack.ExtType(0, b"\0")
# Arguments that the bindings leave out, since the provider's rules go five statements deep: as much of it as is used.
METRICS = [True, {"cloudwatch_metrics_enabled": [True, "bool"], "metric_name": [True, "string"], "sampled_requests_enabled": [True, "bool"]}, False]
WEB_ACL_RULE = [False, {
    "name": [True, "string"], "priority": [True, "number"], "visibility_config": METRICS,
    "action": [False, {"block": [False, {"custom_response": [False, {"response_code": [True, "number"]}, False]}, False]}, False],
    "statement": [True, {"rate_based_statement": [False, {"limit": [True, "number"], "aggregate_key_type": [False, "string"], "evaluation_window_sec": [False, "number"]}, False]}, False],
}, True]
TYPES["aws_wafv2_web_acl"]["arguments"]["rule"] = WEB_ACL_RULE
PROVIDER = {"region": [False, "string"], "allowed_account_ids": [False, "list(string)"], "default_tags": [False, {"tags": [False, "map(string)"]}, False]}
RANDOM = {"resource": {"random_id": {"arguments": {"byte_length": [True, "number"]}, "attributes": {"hex": "string", "id": "string"}}},
          "ephemeral": {"random_password": {"arguments": {"length": [True, "number"], "special": [False, "bool"]}, "attributes": {"result": "string"}}}, "data": {}}
AWS = {"resource": {name: type_ for name, type_ in TYPES.items() if not name.startswith("data.")},
       "data": {name[len("data."):]: type_ for name, type_ in TYPES.items() if name.startswith("data.")}, "ephemeral": {}}


# Messages: a number and a kind before each field. Only two kinds are needed.
def varint(number):
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def field(number, value):
    if isinstance(value, bool) or isinstance(value, int):
        return varint(number << 3) + varint(int(value))
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def read(message):
    """A message's fields, the last of each number."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        tag = number()
        if tag & 7 == 2:
            size = number()
            found[tag >> 3] = message[at:at + size]
            at += size
        else:
            found[tag >> 3] = number()
    return found


def value_of(message):
    return msgpack.unpackb(read(message)[1], raw=False, strict_map_key=False, ext_hook=lambda code, data: UNKNOWN)


def dynamic(value):
    return field(1, msgpack.packb(value, use_bin_type=True))


def cty(type_):
    """A type as the protocol writes it."""
    if isinstance(type_, list):
        return ["list", ["object", {name: cty(inner) for name, inner in type_[0].items()}]]
    outer, _, inner = type_.rstrip(")").partition("(")
    return [outer, cty(inner)] if inner else type_


def block(arguments, attributes=()):
    text = b""
    for name, (required, type_, *many) in sorted(arguments.items()):
        if isinstance(type_, dict):
            # Lists, also where the provider has sets: their difference is in how a plan is shown.
            text += field(3, field(1, name) + field(2, block(type_)) + field(3, 2) + (b"" if many[0] else field(5, 1)) + (field(4, 1) if required else b""))
            continue
        written_only = name.endswith("_wo")
        text += field(2, field(1, name) + field(2, json.dumps(cty(type_))) + (field(4, True) if required else field(5, True)) + (field(10, True) if written_only else b"")
                      + (field(6, True) if not required and not written_only and name in attributes else b""))
    for name, type_ in sorted(dict(attributes).items()):
        if name not in arguments:
            text += field(2, field(1, name) + field(2, json.dumps(cty(type_))) + field(6, True))
    return text


def schema(type_):
    return field(2, block(type_["arguments"], type_["attributes"]))


class Provider:
    """One of the two providers."""

    def __init__(self, types, arguments):
        self.types = types
        self.schema = field(1, field(2, block(arguments))) + b"".join(
            field(number, field(1, name) + field(2, schema(type_))) for number, kind in ((2, "resource"), (3, "data"), (8, "ephemeral")) for name, type_ in types[kind].items())

    def filled(self, name, type_, state, empty):
        """The state with what AWS would say. Blocks are left as they are."""
        known = {key: value for key, value in state.items() if value != empty}
        for attribute, is_a in type_["attributes"].items():
            if state.get(attribute) != empty or isinstance(type_["arguments"].get(attribute, [0, 0])[1], dict):
                continue
            try:
                state[attribute] = made_up(name, known, attribute)
            except KeyError:
                state[attribute] = None
            if isinstance(is_a, list) and state[attribute]:
                state[attribute] = [{key: item.get(key) for key in is_a[0]} for item in state[attribute]]
        return state

    def answer(self, method, message):
        if method == "GetSchema":
            return self.schema
        given = read(message)
        if method == "PrepareProviderConfig":
            return field(1, given[1])
        if method == "PlanResourceChange":
            type_, proposed = self.types["resource"][given[1].decode()], value_of(given[3])
            if proposed is not None:
                for name in type_["attributes"]:
                    known = type_["arguments"].get(name)
                    if proposed.get(name) is None and (known is None or not known[0] and not isinstance(known[1], dict)):
                        proposed[name] = UNKNOWN
                for name in type_["arguments"]:
                    if name.endswith("_wo"):
                        proposed[name] = None
            return field(1, dynamic(proposed)) + field(5, True)
        if method == "ApplyResourceChange":
            name, state = given[1].decode(), value_of(given[3])
            return field(1, dynamic(self.filled(name, self.types["resource"][name], state, UNKNOWN))) + field(4, True)
        if method == "ReadDataSource":
            name, state = given[1].decode(), value_of(given[2])
            return field(1, dynamic(self.filled(f"data.{name}", self.types["data"][name], state, None)))
        if method == "OpenEphemeralResource":
            name, state = given[1].decode(), value_of(given[2])
            return field(3, dynamic(self.filled(f"ephemeral.{name}", self.types["ephemeral"][name], state, None)))
        # Validation, configuration, the end: nothing to say against.
        return b""


class Handler(grpc.GenericRpcHandler):
    def __init__(self, provider):
        self.provider = provider

    def service(self, details):
        path, method = details.method.rsplit("/", 1)
        if path != "/tfplugin5.Provider":
            return None
        return grpc.unary_unary_rpc_method_handler(lambda message, context: self.provider.answer(method, message))


def main():
    reattach = {}
    servers = []
    for name, provider in (("aws", Provider(AWS, PROVIDER)), ("random", Provider(RANDOM, {}))):
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=16), handlers=[Handler(provider)], options=[("grpc.max_receive_message_length", 64 << 20)])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        reattach[f"registry.terraform.io/hashicorp/{name}"] = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"}}
    print(json.dumps(reattach), flush=True)
    sys.stdin.read()
    for server in servers:
        server.stop(None)


if __name__ == "__main__":
    main()
