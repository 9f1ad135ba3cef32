"""A configuration read, checked and resolved: every fault at once, before any data is read."""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from gpucnn import nn
from gpucnn.autograd import Tensor
from gpucnn.config.explain import explain, label
from gpucnn.config.faults import Fault, Path, config_error
from gpucnn.config.find import read_config
from gpucnn.config.layers import Layer, OneLayer, written_out
from gpucnn.config.network import MisfitError, build_layers, check_outputs
from gpucnn.config.overrides import apply_overrides
from gpucnn.config.parts import build_augment, build_early_stop, build_loss, build_optimizer, build_schedule
from gpucnn.config.schema import AnyData, Config, Data, json_schema, source_options
from gpucnn.config.yaml_reader import Document, read_yaml
from gpucnn.data import MAY_VALIDATE, peek, transposed_shape
from gpucnn.errors import ConfigError, InputError


class Checked(NamedTuple):
    """A configuration that was found right, and the text it came from, for messages."""

    config: Config
    document: Document


def load_config(config: str, overrides: Iterable[str] = ()) -> Checked:
    """The configuration CONFIG (a file, or the name of a shipped one) with `key.path=value` overrides.

    Raises ConfigError that tells every fault with its place: of the YAML, of names, types and ranges, and of
    layers that do not fit each other or the data's images, whose shape is looked up but which are not read.
    """
    text, source = read_config(config)
    return check(read_yaml(text, source), overrides)


def check(document: Document, overrides: Iterable[str] = ()) -> Checked:
    """Check a whole configuration; see `load_config`."""
    checked, faults = _read(document, overrides)
    return _accepted(checked, [*faults, *network_faults(document)])


def load_options(config: str, overrides: Iterable[str] = ()) -> Checked:
    """As `load_config`, without a look at the data, which may be elsewhere."""
    text, source = read_config(config)
    return _accepted(*_read(read_yaml(text, source), overrides))


def _accepted(checked: Checked | None, faults: list[Fault]) -> Checked:
    """The configuration, if nothing is wrong with it."""
    if checked is None or faults:
        raise config_error(faults)
    return checked


def _read(document: Document, overrides: Iterable[str]) -> tuple[Checked | None, list[Fault]]:
    """The configuration with its overrides, or the faults of both."""
    if not isinstance(document.data, dict):
        found = "nothing" if document.data is None else "a single value or a list"
        raise ConfigError(
            f"{document.place(())}: found {found}, expected a mapping that begins, for example, "
            "with 'name: lenet'; `gpucnn config show lenet` prints a whole one"
        )
    _write_layers_out(document.data)
    override_faults = apply_overrides(document, overrides)
    _write_layers_out(document.data)
    checked, schema_faults = _validated(document)
    part_faults = [] if checked is None else _part_faults(checked)
    return checked, [*override_faults, *schema_faults, *part_faults]


def _part_faults(checked: Checked) -> list[Fault]:
    """Options that are right by themselves and do not go together."""
    config, document = checked
    parts: dict[Path, Callable[[], object]] = {
        ("optimizer",): lambda: build_optimizer(config, [Tensor([0.0], requires_grad=True)]),
        ("schedule",): lambda: build_schedule(config),
        ("loss",): lambda: build_loss(config),
        ("data", "augment"): lambda: build_augment(config),
        ("train", "early_stop"): lambda: _check_early_stop(config),
    }
    faults = []
    for path, build in parts.items():
        try:
            build()
        except InputError as error:
            faults.append(Fault(document.place(path), f"{label(path, document.data)}: {error}"))
    return faults


def _check_early_stop(config: Config) -> None:
    """Raises ConfigError where early stopping looks at validation images that there are not.

    Of data that may bring their own it is known only when they are read.
    """
    rule = build_early_stop(config)
    none = not config.data.validation and config.data.name not in MAY_VALIDATE
    if rule is not None and rule.needs_validation and none:
        raise ConfigError(f"monitors {rule.monitor}, but data.validation is 0; hold images out, or monitor train_loss")


def network_faults(document: Document) -> list[Fault]:
    """What is wrong with the layers before the first that is none; nothing where the data is unknown."""
    data = _valid(AnyData, document.data.get("data"))
    entries = _leading_layers(document.data.get("model"))
    if data is None or not entries:
        return []
    try:
        shape, classes = data_shape(data)
    except InputError as error:
        return [Fault(document.place(("data",)), f"data: {error}")]
    except OSError as error:
        words = f"data: {error.filename}: {error.strerror}; give another path"
        return [Fault(document.place(("data",)), words)]
    try:
        init = document.data.get("init")
        _, output = build_layers(entries, shape, init if init in nn.init.NAMES else None)
        if len(entries) == len(document.data["model"]):
            check_outputs(entries, output, _loss_name(document.data), classes)
    except MisfitError as error:
        return [fault_of(error, document)]
    return []


def fault_of(error: MisfitError, document: Document) -> Fault:
    """A layer that does not fit, with its place."""
    return Fault(document.place_of_whole(error.path), f"{label(error.path, document.data)}: {error}")


def data_shape(data: Data) -> tuple[tuple[int, ...], int]:
    """Image shape (C, H, W) and number of classes."""
    shape, classes = peek(data.name, source_options(data))
    shape = transposed_shape(shape) if data.transpose else shape
    return shape, len(data.classes) if isinstance(data.classes, list) else classes


def _write_layers_out(data: dict[str, Any]) -> None:
    if "model" in data:
        data["model"] = written_out(data["model"])


def _validated(document: Document) -> tuple[Checked | None, list[Fault]]:
    """The configuration, or its faults. It goes through JSON, where a list may stand for a tuple."""
    try:
        return Checked(Config.model_validate_json(json.dumps(document.data)), document), []
    except ValidationError as error:
        return None, explain(error, document, json_schema())


def _valid(annotation: Any, data: Any) -> Any:
    """A part of the configuration by itself, or None where it has faults."""
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(data))
    except ValidationError:
        return None


def _leading_layers(model: Any) -> list[OneLayer]:
    """The layers before the first that has faults."""
    layers: list[OneLayer] = []
    for entry in model if isinstance(model, list) else []:
        layer = _valid(Layer, entry)
        if layer is None:
            break
        layers.append(layer)
    return layers


def _loss_name(data: dict[str, Any]) -> str:
    loss = data.get("loss", {"name": "cross_entropy"})
    return str(loss.get("name")) if isinstance(loss, dict) else ""
