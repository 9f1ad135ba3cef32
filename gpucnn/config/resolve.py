"""Resolved configurations, with every default filled in: as YAML that trains again, and compared."""

import json
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import yaml

from gpucnn.config.schema import Config
from gpucnn.config.yaml_reader import FLOAT, INTEGER, OCTAL_OR_HEX

WIDTH = 110


def resolve(config: Config) -> dict[str, Any]:
    """The configuration as plain data in a fixed order. Resolving that again gives the same."""
    return config.model_dump(mode="json")


def to_yaml(config: Config) -> str:
    """The resolved configuration as YAML without anchors, with the same meaning in YAML 1.1 and 1.2."""
    return yaml.dump(
        resolve(config),
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=None,
        width=WIDTH,
        allow_unicode=True,
    )


def hyperparameters(config: Config) -> dict[str, Any]:
    """Every option that may change the result, by its dotted path; a layer is one line, what is None is left out."""
    leaves = dict(_leaves(resolve(config) | {"model": _layers(config), "report": None, "logging": None}, ""))
    return {key: value for key, value in leaves.items() if value is not None and not isinstance(value, dict | list)}


def differences(before: Config, after: Config, ignoring: Collection[str] = ()) -> list[str]:
    """The options in which two configurations differ, as `train.batch_size: 64 -> 32`."""
    old, new = dict(_leaves(resolve(before), "")), dict(_leaves(resolve(after), ""))
    return [
        f"{key}: {_in_yaml(old, key)} -> {_in_yaml(new, key)}"
        for key in {**old, **new}
        if key not in ignoring and (key not in old or key not in new or old[key] != new[key])
    ]


def differing(configs: Sequence[Config]) -> list[tuple[str, list[str]]]:
    """The options of which configurations have different values, each with its value in every one of them.

    A layer counts as one option, shown without its defaults. What only some have, at its default, is left out.
    """
    every = [dict(_leaves(resolve(config) | {"model": _layers(config)}, "")) for config in configs]
    chosen = {key for config in configs for key, _ in _leaves(_chosen(config) | {"model": _layers(config)}, "")}
    rows = [
        (key, [_in_yaml(leaves, key) for leaves in every])
        for key in {key: None for leaves in every for key in leaves}
        if key in chosen or all(key in leaves for leaves in every)
    ]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def _chosen(config: Config) -> dict[str, Any]:
    """The options that are not at their default."""
    return config.model_dump(mode="json", exclude_defaults=True)


def _layers(config: Config) -> list[str]:
    """Every layer in one line of YAML, as in conv2d: {out_channels: 6, kernel_size: 5}."""
    return [_one_line(layer) for layer in _chosen(config)["model"]]


def _one_line(layer: str | dict[str, Any]) -> str:
    if isinstance(layer, str):
        return layer
    text = yaml.dump(layer, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=math.inf)
    return text.strip()[1:-1].removesuffix(": {}")  # without the outer braces, and without empty ones


def _in_yaml(leaves: dict[str, Any], key: str) -> str:
    """A value in YAML."""
    value = leaves.get(key, "(nothing)")
    return value if isinstance(value, str) else json.dumps(value)


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every single value below `value`, with its dotted path."""
    if not isinstance(value, dict | list) or not value:
        yield path, value
        return
    for key, inside in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _leaves(inside, f"{path}.{key}" if path else str(key))


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.2 would read as a number, in addition to what YAML 1.1 would."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _pattern in (INTEGER, OCTAL_OR_HEX, FLOAT):
    _Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _pattern, list("+-.0123456789"))
