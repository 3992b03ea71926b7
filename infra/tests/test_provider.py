"""Arguments, blocks and attributes are ones that the AWS provider has: what `terraform validate` would say, without it."""

import copy
import json
import re
import unittest

from bindings import KEPT, used
from configuration import Configuration, clean

TYPES = json.loads(KEPT.read_text())["types"]
# Arguments that every resource and data source may have.
META = {"count", "for_each", "depends_on", "lifecycle", "provider"}


def complaints(where, raw, known):
    """Faults of a block, given the arguments that the provider knows for it."""
    wrong, given = [], set()
    for key, value in raw.items():
        name = clean(key)
        if name.startswith("__"):
            continue
        if name == "dynamic":
            for entry in value:
                for inner, dynamic in entry.items():
                    if inner.startswith("__"):
                        continue
                    inner = clean(inner)
                    given.add(inner)
                    block = known.get(inner, [None, None])[1]
                    if not isinstance(block, dict):
                        wrong.append(f"{where}: there is no block {inner}")
                    else:
                        for content in dynamic["content"]:
                            wrong += complaints(f"{where}.{inner}", content, block)
            continue
        given.add(name)
        if name not in known:
            wrong.append(f"{where}: there is no argument {name}")
            continue
        block = known[name][1]
        if block == "any":
            # Larger than the bindings write down; aws_calls.py looks at what becomes of it.
            continue
        is_block = isinstance(value, list) and bool(value) and all(isinstance(item, dict) and item.get("__is_block__") for item in value)
        if is_block and not isinstance(block, dict):
            wrong.append(f"{where}: {name} is an argument, not a block")
        elif is_block:
            for item in value:
                wrong += complaints(f"{where}.{name}", item, block)
    missing = {name for name, (required, *_) in known.items() if required} - given
    return wrong + [f"{where}: {name} is missing" for name in sorted(missing)]


def check(block):
    type_ = TYPES[("data." if block.kind == "data" else "") + block.type]
    body = {key: value for key, value in block.raw.items() if clean(key) not in META}
    return complaints(str(block), body, type_["arguments"])


def aws_blocks():
    return [block for module in Configuration() for block in module.blocks if block.type.startswith("aws_")]


class Provider(unittest.TestCase):
    def test_what_is_kept_of_the_bindings_is_what_is_used(self):
        self.assertEqual(set(TYPES), used(), "run infra/tests/bindings.py as docs/infrastructure.md says")

    def test_arguments_and_blocks_exist(self):
        blocks = aws_blocks()
        self.assertGreater(len(blocks), 60)
        self.assertEqual([wrong for block in blocks for wrong in check(block)], [])

    def test_attributes_exist(self):
        wrong = []
        for module in Configuration():
            code = re.sub(r"(?m)^\s*#.*$", "", module.text)
            for data, type_, name, attribute in re.findall(r"(?<![\w.:/\"])(data\.)?(aws_\w+)\.(\w+)(?:\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\])?\.(\w+)", code):
                known = TYPES.get(data + type_)
                # The value of for_each is a map; its elements are looked at where they are used.
                if known and attribute not in known["attributes"]:
                    wrong.append(f"{module.name}: {data}{type_}.{name} has no attribute {attribute}")
        self.assertEqual(wrong, [])

    def test_mistakes_are_noticed(self):
        instance = next(block for block in aws_blocks() if block.type == "aws_db_instance")
        service = next(block for block in aws_blocks() if block.type == "aws_ecs_service")
        for block, change, words in (
            (instance, lambda raw: raw.update(encrypted=True), "there is no argument encrypted"),
            (instance, lambda raw: raw.pop("instance_class"), "instance_class is missing"),
            (service, lambda raw: raw["deployment_circuit_breaker"][0].pop("rollback"), "rollback is missing"),
            (service, lambda raw: raw["network_configuration"][0].update(subnet="a"), "there is no argument subnet"),
            (service, lambda raw: raw.update(launch_type=[{"__is_block__": True}]), "launch_type is an argument, not a block"),
        ):
            wrong = copy.deepcopy(block)
            change(wrong.raw)
            self.assertIn(words, str(check(wrong)))


if __name__ == "__main__":
    unittest.main()
