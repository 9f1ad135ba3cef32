"""Overrides from the command line: `optimizer.lr=0.01`, `model.3.linear.out_features=50`."""

from collections.abc import Iterable
from typing import Any

from gpucnn.config.explain import inside
from gpucnn.config.faults import Fault, Path, Place
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
    return path, _value(text)


def _value(text: str) -> Any:
    """YAML where a list, a mapping or quotes begin, or where there are several lines; anything else is one plain value.

    So `#`, `@`, `*` and other characters with a meaning in YAML stand for themselves, as in data.path=pics #2.
    """
    text = text.strip()
    if not text.isascii() and text != text.encode(errors="replace").decode():
        raise ConfigError("the value holds bytes that are not UTF-8; a configuration is text in UTF-8: rename the file")
    return read_value(text, "the value") if text[:1] in ("[", "{", '"', "'") or "\n" in text else plain_scalar(text)


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
