"""Overrides from the command line: `optimizer.lr=0.01`, `model.3.linear.out_features=50`."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gpucnn.config.explain import inside
from gpucnn.config.faults import Fault, Path, Place
from gpucnn.config.schema import json_schema
from gpucnn.config.yaml_reader import Document, plain_scalar, read_value
from gpucnn.errors import ConfigError


def apply_overrides(document: Document, overrides: Iterable[str]) -> list[Fault]:
    """Set each `key.path=value` in the document, the value parsed by `_value`, and return the faults.

    Missing keys are added; whether they are allowed is left to the schema.
    """
    faults = []
    for override in overrides:
        place = Place(f"override '{override}'")
        try:
            path, value = _parse(override, document.data)
        except ConfigError as error:
            faults.append(Fault(place, str(error)))
        else:
            _set(document, path, value, place)
    return faults


def _parse(override: str, data: Any) -> tuple[Path, Any]:
    """The path and the value of an override. Raises ConfigError if it has no value or its path leads nowhere."""
    keys, equals, text = override.partition("=")
    names = keys.strip().split(".")
    if not equals or not all(names):
        raise ConfigError("expected key.path=value, for example optimizer.lr=0.01")
    path: Path = ()
    for name in names:
        if data is not None and not isinstance(data, dict | list):
            raise ConfigError(f"{'.'.join(map(str, path))} is {data!r}; it has no options below it")
        key = _list_position(name, path, data) if isinstance(data, list) else name
        path, data = (*path, key), inside(data, key)
    return path, _value(path, text.strip())


def _value(path: Path, text: str) -> Any:
    """YAML where a list, a mapping or quotes begin, or where there are several lines; anything else is one plain value.

    So `#`, `@`, `*` and whatever else has a meaning within YAML stand for themselves, as in data.path=pics #2. What an
    option is given that takes text alone is text, unless it is quoted, as in data.path=2024.
    """
    if not text.isascii() and text != text.encode(errors="replace").decode():
        raise ConfigError("the value holds bytes that are not UTF-8; a configuration is text in UTF-8: rename the file")
    if text and text[0] not in ('"', "'") and _takes_text(path, empty=text in ("null", "~")):
        return text
    return read_value(text, "the value") if text[:1] in ("[", "{", '"', "'") or "\n" in text else plain_scalar(text)


def _takes_text(path: Path, empty: bool) -> bool:
    """Whether the option at `path` takes text alone; if `empty`, whether it must not be left empty."""
    if len(path) == 1:
        return path == ("name",)
    may_be_empty = _text_options().get(str(path[-1]))
    return may_be_empty is False or may_be_empty is True and not empty


@functools.cache
def _text_options() -> dict[str, bool]:
    """The names of options that take text of any kind and nothing else, and whether they may be left empty."""
    kinds: dict[str, set[str]] = {}
    for mapping in _mappings(json_schema()):
        for name, option in mapping.items():
            kinds.setdefault(name, set()).update(_kinds(option))
    return {name: "null" in found for name, found in kinds.items() if found in ({"string"}, {"string", "null"})}


def _mappings(node: Any) -> Iterator[Mapping[str, Any]]:
    """All `properties` in a JSON schema."""
    if isinstance(node, dict):
        yield node.get("properties", {})
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _mappings(below)


def _kinds(option: Mapping[str, Any]) -> set[str]:
    """The types that a JSON schema lets an option have; a choice of words is a type of its own."""
    if "anyOf" in option:
        return set().union(*map(_kinds, option["anyOf"]))
    return {"choice" if {"enum", "const", "$ref"} & option.keys() else option.get("type", "any")}


def _list_position(name: str, path: Path, data: list[Any]) -> int:
    """A position in a list, from 0."""
    if not name.isdecimal() or int(name) >= len(data):
        raise ConfigError(f"{'.'.join(map(str, path))} has the entries 0 to {len(data) - 1}; given {name!r}")
    return int(name)


def _set(document: Document, path: Path, value: Any, place: Place) -> None:
    """Set `value` at `path`, adding mappings on the way, and record its place."""
    for below in [known for known in document.places if known[: len(path)] == path]:
        del document.places[below]
    here = document.data
    for depth, key in enumerate(path[:-1], start=1):
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
            document.places[path[:depth]] = place
        here = here[key]
    here[path[-1]] = value
    document.places[path] = place
