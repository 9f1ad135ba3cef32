"""Pydantic's validation errors in a user's words: what was given, what was expected, how to mend it."""

import json
from typing import Any

from pydantic import ValidationError

from gpucnn.config.expected import Node, describe, inside, node_at, properties
from gpucnn.config.faults import NOTHING_TO_SCALE, Fault, Path, did_you_mean
from gpucnn.config.yaml_reader import Document


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
    """A path as a reader would say it: `model layer 3 (conv2d): kernel_size`, `optimizer.lr`."""
    layers, options, value = [], [], data
    for before, key in zip((None, *path), path, strict=False):
        value = inside(value, key)
        if isinstance(key, int):
            layers.append(f"layer {key} ({'/'.join(value) if isinstance(value, dict) else value})")
        elif not isinstance(before, int):  # after a number stands the layer's name, said already
            options.append(key)
    if not layers:
        return ".".join(options) or "configuration"
    return " ".join([options[0], *layers]) + (": " + ".".join(options[1:]) if options[1:] else "")


def short(value: Any) -> str:
    """A value as it may stand in a message of one line."""
    words = json.dumps(value, ensure_ascii=False)
    return words if len(words) <= 60 else words[:57] + "..."


def _path_in_data(location: tuple[str | int, ...], data: Any, missing: bool) -> Path:
    """Pydantic's location without its branch names. A fault inside an option's list is the whole list's."""
    path: Path = ()
    for key in location[:-1] if missing else location:
        if isinstance(key, int) and path[-1:] not in (("model",), ("residual",)):
            break
        if isinstance(data, dict) and key in data or isinstance(data, list) and isinstance(key, int):
            path, data = (*path, key), inside(data, key)
    return (*path, location[-1]) if missing else path


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
        return _wrong_name(given, node_at(path, data, schema)["discriminator"]["mapping"])
    if kind == "value_error":
        return str(item["ctx"]["error"])
    return f"given {short(given)}, expected {expected}{_hint(given, expected)}"


def _of_what(path: Path, data: Any) -> str:
    """Which optimizer, data set ... an option does not belong to."""
    section = inside(data, path[0])
    named = isinstance(section, dict) and len(path) == 2 and path[1] != "name" and "name" in section
    return f" for {path[0]} '{section['name']}'" if named else ""


def _wrong_name(section: Any, known: dict[str, str]) -> str:
    """The message for a section whose `name` is unknown or missing."""
    if "name" not in section:
        return f"name is missing; give one of {', '.join(known)}"
    return f"unknown name {short(section['name'])}; {did_you_mean(section['name'], known)}"


def _hint(given: Any, expected: str) -> str:
    """How to mend a value of the wrong type, where that is plain."""
    if isinstance(given, str) and given.lower() in ("yes", "no", "on", "off") and "true or false" in expected:
        return "; write true or false"
    if isinstance(given, str) and given.replace(".", "", 1).isdigit() and "number" in expected:
        return "; remove the quotes"
    if isinstance(given, int | float) and expected == "text":
        return f'; put it between quotes: "{given}"'
    if isinstance(given, str) and expected.startswith("a mapping"):
        return f"; write {{name: {given}}}"
    return ""
