"""The page on the YAML's options, from the JSON schema that editors and messages use."""

import json
from collections.abc import Iterator

from gpucnn.config.explain import Node, describe
from gpucnn.config.schema import json_schema

PATH = "reference/options.md"
HEAD = """# The YAML's options

A configuration is one YAML file. This page lists every key that it may have. `gpucnn config validate FILE` reports
every fault of a file, each with its line; `gpucnn config schema` prints this page as a JSON schema, by which an editor
completes and checks what you type; `gpucnn config show FILE` prints a file with every default filled in.

A key is *required* where the table says so. On the command line any of them is written with dots:
`gpucnn train lenet optimizer.lr=0.01 train.epochs=3`.
"""
SECTIONS = {
    "data": "The data set is chosen by `name`. [Data that gpucnn reads](../data.md) says which files each one takes.",
    "loss": "The loss is chosen by `name`. [Tasks](../tasks.md) has a training with each.",
    "optimizer": "The optimizer is chosen by `name`. [Recipes](../recipes.md) tells when to take which.",
    "schedule": "What the learning rate does during a run is chosen by `name`.",
    "train.average": "The average of the weights is chosen by `name`; without this key none is kept.",
}


def page() -> str:
    """The page, in Markdown."""
    schema = json_schema()
    parts = [HEAD, "## The file\n", _table(schema, schema)]
    for path, text in SECTIONS.items():
        parts += [f"## {path}\n", text + "\n", *_named(path, _at(path, schema), schema)]
        if path == "data":
            for inner in ("split", "per_class", "augment"):
                parts += _part(f"data.{inner}", _at(f"data.{inner}", schema), schema)
    for path in ("train", "train.early_stop"):
        parts += _part(path, _at(path, schema), schema)
    parts += _layers(schema)
    return "\n".join(parts)


def _at(path: str, schema: Node) -> Node:
    """The node of a dotted path; of a union the mapping in it."""
    node = schema
    for key in path.split("."):
        node = _mapping(node, schema)["properties"][key]
    return node


def _mapping(node: Node, schema: Node) -> Node:
    """The first mapping among the alternatives of a node."""
    return next(each for each in _alternatives(node, schema) if "properties" in each)


def _alternatives(node: Node, schema: Node) -> Iterator[Node]:
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    choices = node.get("anyOf") or node.get("oneOf")
    if not choices:
        yield node
    for choice in choices or ():
        yield from _alternatives(choice, schema)


def _named(path: str, node: Node, schema: Node) -> Iterator[str]:
    """The options that all alternatives of a section have, and those that each adds."""
    several = {
        each["properties"]["name"]["const"]: each for each in _alternatives(node, schema) if "properties" in each
    }
    first, *others = (each["properties"] for each in several.values())
    common = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    if common:
        yield _table({"properties": common}, schema)
    for name, each in several.items():
        own = {key: value for key, value in each["properties"].items() if key not in common and key != "name"}
        yield f"### {path}: {name}\n"
        yield _sentence(each) + "\n"
        yield _table({"properties": own, "required": each.get("required", [])}, schema) if own else ""


def _part(path: str, node: Node, schema: Node) -> Iterator[str]:
    mapping = _mapping(node, schema)
    yield f"## {path}\n"
    yield _sentence(mapping) + "\n"
    yield _table(mapping, schema)


def _layers(schema: Node) -> Iterator[str]:
    """Every layer of `model`."""
    yield "## model\n"
    yield (
        "A list of layers, each a name, or a name with options: `- conv2d: {out_channels: 6, kernel_size: 5}`. "
        "Input sizes are inferred. Every layer with weights also takes `lr_scale`. "
        "[Layers](../layers.md) shows how they are used.\n"
    )
    for name, node in _mapping(schema["$defs"]["Layer"], schema)["properties"].items():
        yield f"### model: {name}\n"
        [layer] = [*_alternatives(node, schema)]
        yield _sentence(node if "description" in node else layer) + "\n"
        if layer.get("properties"):
            yield _table(layer, schema)


def _sentence(node: Node) -> str:
    """A description in one paragraph of Markdown."""
    return escaped(" ".join(node.get("description", "").split()))


def _table(node: Node, schema: Node) -> str:
    required = node.get("required", ())
    lines = ["| key | what it is | value | default |", "|---|---|---|---|"]
    for name, value in node["properties"].items():
        default = "*required*" if name in required else _default(value)
        lines.append(f"| `{name}` | {_sentence(value)} | {escaped(describe(value, schema))} | {default} |")
    return "\n".join(lines) + "\n"


def _default(node: Node) -> str:
    """A default, as the file would have it; that of a whole section is told where the section is."""
    value = node.get("default", {})
    if isinstance(value, dict):
        return f"`{{name: {value['name']}}}`" if "name" in value else ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
