"""What a JSON schema expects at a place of the configuration, in words.

The schema is the same that editors get, so what a message says is what an editor would have said.
"""

from typing import Any

from gpucnn.config.faults import Path

Node = dict[str, Any]  # a part of a JSON schema
MOST_NAMES = 8  # more than these are not told one by one
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def node_at(path: Path, data: Any, schema: Node) -> Node:
    """The part of the schema that speaks of the value at `path`; an empty one where it knows no such path."""
    node = schema
    for key in path:
        node = _child(node, key, data, schema)
        data = inside(data, key)
    return _resolved(node, schema)


def properties(path: Path, data: Any, schema: Node) -> list[str]:
    """The keys that may stand in the mapping at `path`."""
    node = schema
    for key in path:
        node, data = _child(node, key, data, schema), inside(data, key)
    return [name for each in _alternatives(node, data, schema) for name in each.get("properties", {})]


def inside(value: Any, key: str | int) -> Any:
    """The value under `key`, or None where there is none."""
    if isinstance(key, str):
        return value.get(key) if isinstance(value, dict) else None
    return value[key] if isinstance(value, list) and key < len(value) else None


def describe(node: Node, schema: Node) -> str:
    """What a part of a JSON schema allows, in words."""
    node = _resolved(node, schema)
    choices = node.get("anyOf") or node.get("oneOf")
    if choices:
        return " or ".join(dict.fromkeys(describe(choice, schema) for choice in choices))
    if "enum" in node:
        if len(node["enum"]) > MOST_NAMES:
            return "a name"
        return "one of " + ", ".join(str(word) for word in node["enum"])
    if "const" in node:
        return str(node["const"])
    kind = node.get("type")
    if kind == "array":
        return _describe_list(node, schema)
    if kind in ("integer", "number"):
        return ("a whole number" if kind == "integer" else "a number") + _describe_range(node)
    return {"boolean": "true or false", "string": "text", "null": "null"}.get(str(kind), "a mapping")


def _describe_list(node: Node, schema: Node) -> str:
    if "prefixItems" in node:
        parts = [describe(item, schema) for item in node["prefixItems"]]
        same = len(set(parts)) == 1
        return f"a list of {len(parts)}, each {parts[0]}" if same else f"a list of {' and '.join(parts)}"
    return f"a list, each {describe(node['items'], schema)}" if node.get("items") else "a list"


def _describe_range(node: Node) -> str:
    limits = [f"{word} {node[limit]:,}" for limit, word in LIMITS.items() if limit in node]
    return " " + " and ".join(limits) if limits else ""


def _resolved(node: Node, schema: Node) -> Node:
    """The node itself, or the one it refers to."""
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _alternatives(node: Node, data: Any, schema: Node) -> list[Node]:
    """The parts of a union that may hold for `data`; a node that is no union is its only alternative."""
    node = _resolved(node, schema)
    mapping = node.get("discriminator", {}).get("mapping", {})
    name = inside(data, "name")
    if isinstance(name, str) and name in mapping:
        return [_resolved({"$ref": mapping[name]}, schema)]
    choices = node.get("anyOf") or node.get("oneOf")
    return [each for choice in choices for each in _alternatives(choice, data, schema)] if choices else [node]


def _child(node: Node, key: str | int, data: Any, schema: Node) -> Node:
    """The part of the schema under `key`, given the data at the node."""
    for each in _alternatives(node, data, schema):
        if isinstance(key, str) and key in each.get("properties", {}):
            return each["properties"][key]
        if isinstance(key, int) and each.get("items"):
            return each["items"]
    return {}
