"""What Terraform would make of the configuration: every resource with its arguments as values.

What only AWS knows (ARNs, identifiers, addresses) is made up here, in the form that it has.
"""

import json
from collections import ChainMap
from dataclasses import dataclass
from functools import lru_cache

from evaluation import converted, evaluate, identifier, pairs, parse, parts, plain

ACCOUNT, REGION, PARTITION = "123456789012", "eu-central-1", "aws"
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
        return self.values[attribute] if self.values.get(attribute) is not None else made_up(self, attribute)


def policy(statements):
    """The JSON that a policy document comes to."""
    def short(values):
        return values[0] if len(values) == 1 else values

    found = []
    for statement in statements:
        one = {"Effect": statement.get("effect", "Allow"), "Action": short(statement["actions"])}
        if "sid" in statement:
            one["Sid"] = statement["sid"]
        if "resources" in statement:
            one["Resource"] = short(statement["resources"])
        for principal in statement.get("principals", []):
            one.setdefault("Principal", {})[principal["type"]] = short(principal["identifiers"])
        for condition in statement.get("condition", []):
            one.setdefault("Condition", {}).setdefault(condition["test"], {})[condition["variable"]] = short(condition["values"])
        found.append(one)
    return json.dumps({"Version": "2012-10-17", "Statement": found})


def made_up(resource, attribute):
    """An attribute's value that only AWS knows, in its form."""
    kind = resource.type[len("aws_"):]
    name = resource.values.get("name") or resource.values.get("identifier") or resource.values.get("bucket") or f"{resource.name}-{resource.key or 0}"
    special = {
        "data.aws_caller_identity.account_id": ACCOUNT,
        "data.aws_partition.partition": PARTITION,
        "data.aws_vpc_endpoint_service.service_name": f"com.amazonaws.{REGION}.s3",
        "aws_ecs_task_definition.arn": f"arn:{PARTITION}:ecs:{REGION}:{ACCOUNT}:task-definition/{resource.values.get('family')}:1",
        "aws_iam_role.arn": f"arn:{PARTITION}:iam::{ACCOUNT}:role/{name}",
        "aws_iam_role.id": name,
        "aws_s3_bucket.arn": f"arn:{PARTITION}:s3:::{name}",
        "aws_s3_bucket.id": name,
        "aws_wafv2_web_acl.arn": f"arn:{PARTITION}:wafv2:{REGION}:{ACCOUNT}:regional/webacl/{name}/{'0' * 36}",
        "aws_lb.arn": f"arn:{PARTITION}:elasticloadbalancing:{REGION}:{ACCOUNT}:loadbalancer/app/{name}/{'0' * 16}",
        "aws_lb.arn_suffix": f"app/{name}/{'0' * 16}",
        "aws_lb_target_group.arn": f"arn:{PARTITION}:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/{name}/{'0' * 16}",
        "aws_lb_target_group.arn_suffix": f"targetgroup/{name}/{'0' * 16}",
        "aws_lb.dns_name": f"{name}-1234567890.{REGION}.elb.amazonaws.com",
        "aws_lb.zone_id": "Z0123456789ABCDEFGHIJ",
        "aws_db_instance.address": f"{name}.0123456789ab.{REGION}.rds.amazonaws.com",
        "aws_db_instance.endpoint": f"{name}.0123456789ab.{REGION}.rds.amazonaws.com:5432",
        "aws_db_instance.master_user_secret": [{"secret_arn": f"arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret:rds!db-{'0' * 36}-abcdef"}],
        "aws_db_parameter_group.name": f"{resource.values.get('name_prefix')}20260131120000000000000001",
        "aws_ecr_repository.repository_url": f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}",
        "aws_secretsmanager_secret.arn": f"arn:{PARTITION}:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-abcdef",
        "aws_ssm_parameter.arn": f"arn:{PARTITION}:ssm:{REGION}:{ACCOUNT}:parameter{name}",
        "aws_cloudwatch_log_group.arn": f"arn:{PARTITION}:logs:{REGION}:{ACCOUNT}:log-group:{name}",
        "random_id.hex": "0a1b2c3d",
        "ephemeral.random_password.result": "a" * resource.values.get("length", 0),
    }
    prefix = "" if resource.kind == "resource" else resource.kind + "."
    found = special.get(f"{prefix}{resource.type}.{attribute}")
    if found is not None:
        return found
    if resource.type == "aws_iam_policy_document" and attribute == "json":
        return policy(resource.values["statement"])
    if attribute == "arn":
        return f"arn:{PARTITION}:{kind.split('_')[0]}:{REGION}:{ACCOUNT}:{name}"
    if attribute == "id":
        return f"{kind.split('_')[-1]}-0123456789abcdef0"
    raise KeyError(f"{resource} has no {attribute} that is known before it is made")


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
