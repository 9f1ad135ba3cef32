"""Messages for pydantic's validation errors: what was given, what was expected, how to correct it.

What was expected is read from the JSON schema, so messages and editors agree.
"""

import json
from typing import Any

from pydantic import ValidationError

from gpucnn.config.faults import NOTHING_TO_SCALE, Fault, Path, did_you_mean
from gpucnn.config.yaml_reader import Document

Node = dict[str, Any]  # a part of a JSON schema
MOST_NAMES = 8  # longer lists of names are not written out
LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}


def explain(error: ValidationError, document: Document, schema: Node) -> list[Fault]:
    """One fault for each option that is wrong. `schema` is the JSON schema of the whole configuration."""
    faults: dict[Path, Fault] = {}
    for item in error.errors(include_url=False):
        path = _path_in_data(item["loc"], document.data, missing=item["type"] == "missing")
        if path not in faults:
            words = _words(item, path, document.data, schema)
            place = document.place_of_whole(path) if item["type"] == "value_error" else document.place(path)
            faults[path] = Fault(place, f"{label(path, document.data)}: {words}")
    return list(faults.values())


def label(path: Path, data: Any) -> str:
    """A path as messages show it: `model layer 3 (conv2d): kernel_size`, `optimizer.lr`."""
    layers, options, value = [], [], data
    for before, key in zip((None, *path), path, strict=False):
        value = inside(value, key)
        if isinstance(key, int):
            in_paths = before == "paths"
            layers.append(
                f"path {key}" if in_paths else f"layer {key} ({'/'.join(value) if isinstance(value, dict) else value})"
            )
        elif key == "paths" and before == "branches" and isinstance(value, list):
            continue
        elif not isinstance(before, int):  # the key after a position is the layer's name, already in `layers`
            options.append(key)
    if not layers:
        return ".".join(options) or "configuration"
    return " ".join([options[0], *layers]) + (": " + ".".join(options[1:]) if options[1:] else "")


def short(value: Any) -> str:
    """A value, shortened to fit a message of one line."""
    words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= 60 else words[:57] + "..."


def _path_in_data(location: tuple[str | int, ...], data: Any, missing: bool) -> Path:
    """Pydantic's location without its branch names. A fault inside an option's list is the whole list's."""
    path: Path = ()
    for key in location[:-1] if missing else location:
        if isinstance(key, int) and not _holds_layers(path):
            break
        if isinstance(data, dict) and key in data or isinstance(data, list) and isinstance(key, int):
            path, data = (*path, key), inside(data, key)
    return (*path, location[-1]) if missing else path


def _holds_layers(path: Path) -> bool:
    """Whether the entries of the list at `path` are layers, or paths of layers: each then has faults of its own."""
    return path[-1:] in (("model",), ("residual",), ("paths",)) or path[-2:-1] == ("paths",)


def _words(item: Any, path: Path, data: Any, schema: Node) -> str:
    """The message for one of pydantic's errors, without its place."""
    kind = item["type"]
    if kind == "extra_forbidden":
        known = properties(path[:-1], data, schema)
        if path[-1] == "lr_scale" and len(path) > 2 and isinstance(path[-3], int):
            return NOTHING_TO_SCALE
        what = "layer" if len(path) > 1 and isinstance(path[-2], int) else "key"
        return f"unknown {what} '{path[-1]}'{_of_what(path, data)}; {did_you_mean(path[-1], known)}"
    expected = describe(node_at(path, data, schema), schema)
    if kind == "missing":
        return f"is missing; expected {expected}"
    given: Any = data
    for key in path:
        given = inside(given, key)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        node = node_at(path, data, schema)
        named = next(each for each in (node, *node.get("anyOf", ())) if "discriminator" in each)  # it may be null, too
        return _wrong_name(given, named["discriminator"]["mapping"])
    if kind == "value_error":
        return str(item["ctx"]["error"])
    return f"given {short(given)}, expected {expected}{_hint(given, expected)}"


def _of_what(path: Path, data: Any) -> str:
    """The named optimizer, data set and so on that an option does not belong to."""
    section = inside(data, path[0])
    named = isinstance(section, dict) and len(path) == 2 and path[1] != "name" and "name" in section
    return f" for {path[0]} '{section['name']}'" if named else ""


def _wrong_name(section: Any, known: dict[str, str]) -> str:
    """The message for a section whose `name` is unknown or missing."""
    if "name" not in section:
        return f"name is missing; give one of {', '.join(known)}"
    return f"unknown name {short(section['name'])}; {did_you_mean(section['name'], known)}"


def _hint(given: Any, expected: str) -> str:
    """How to correct a value of the wrong type, if that is obvious."""
    if isinstance(given, str) and given.lower() in ("yes", "no", "on", "off") and "true or false" in expected:
        return "; write true or false"
    if isinstance(given, str) and given.replace(".", "", 1).isdigit() and "number" in expected:
        return "; remove the quotes"
    if isinstance(given, int | float) and expected == "text":
        return f'; put it between quotes: "{given}"'
    if isinstance(given, str) and expected.startswith("a mapping"):
        return f"; write {{name: {given}}}"
    return ""


# --- the JSON schema as text ------------------------------------------------------------------------------------------


def node_at(path: Path, data: Any, schema: Node) -> Node:
    """The part of the schema for the value at `path`; an empty one for an unknown path."""
    node = schema
    for key in path:
        node = _child(node, key, data, schema)
        data = inside(data, key)
    return _resolved(node, schema)


def properties(path: Path, data: Any, schema: Node) -> list[str]:
    """The keys that the mapping at `path` may have."""
    node = schema
    for key in path:
        node, data = _child(node, key, data, schema), inside(data, key)
    return [name for each in _alternatives(node, data, schema) for name in each.get("properties", {})]


def inside(value: Any, key: str | int) -> Any:
    """The value under `key`, or None."""
    if isinstance(key, str):
        return value.get(key) if isinstance(value, dict) else None
    return value[key] if isinstance(value, list) and key < len(value) else None


def describe(node: Node, schema: Node) -> str:
    """A description of what a part of a JSON schema allows."""
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
    """The parts of a union that may apply to `data`; a node that is not a union is its only alternative."""
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
