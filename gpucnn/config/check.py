"""Finding, reading and checking a configuration: all faults are reported at once, before any data is read."""

import json
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gpucnn import nn
from gpucnn.config.build import (
    build_augment,
    build_average,
    build_early_stop,
    build_loss,
    build_optimizer,
    build_schedule,
)
from gpucnn.config.explain import explain, label
from gpucnn.config.faults import Fault, Path, config_error, did_you_mean
from gpucnn.config.layers import (
    Layer,
    MisfitError,
    OneLayer,
    check_outputs,
    check_some_are_trained,
    fault_of,
    output_shape,
    with_classes,
    written_out,
)
from gpucnn.config.overrides import apply_overrides
from gpucnn.config.schema import (
    AnyData,
    Checked,
    Config,
    Data,
    answer_shape,
    json_schema,
    kinds_of,
    source_options,
    takes_of,
)
from gpucnn.config.yaml_reader import LONGEST, Document, read_yaml
from gpucnn.data import MAY_VALIDATE, PER_PIXEL, peek, transposed_shape
from gpucnn.errors import ConfigError, InputError
from gpucnn.optim.schedules import Monitored
from gpucnn.tensor import Tensor
from gpucnn.training.given import check_monitored


def load_config(config: str, overrides: Iterable[str] = ()) -> Checked:
    """The configuration CONFIG (a file, or the name of a shipped one) with `key.path=value` overrides.

    Raises ConfigError that lists every fault with its place: in the YAML, in names, types and ranges, and of layers
    that do not fit each other or the images, of which only the shape is looked up.
    """
    text, source = read_config(config)
    return check(read_yaml(text, source), overrides)


def check(document: Document, overrides: Iterable[str] = ()) -> Checked:
    """Check a whole configuration; see `load_config`."""
    checked, faults = _read(document, overrides)
    return _accepted(checked, [*faults, *network_faults(document)])


def load_options(config: str, overrides: Iterable[str] = ()) -> Checked:
    """As `load_config`, without checking the layers against the data, which may be absent."""
    text, source = read_config(config)
    return check_options(read_yaml(text, source), overrides)


def check_options(document: Document, overrides: Iterable[str] = ()) -> Checked:
    """Check a whole configuration, except its layers against the data. Raises ConfigError."""
    return _accepted(*_read(document, overrides))


def _accepted(checked: Checked | None, faults: list[Fault]) -> Checked:
    """The configuration. Raises ConfigError if there are faults."""
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
    """Faults of options that are valid alone but not together."""
    config, document = checked
    parts: dict[Path, Callable[[], object]] = {
        ("model",): lambda: check_some_are_trained(config.model),
        ("optimizer",): lambda: build_optimizer(config, [Tensor([0.0], requires_grad=True)]),
        ("schedule",): lambda: _check_monitored(config, build_schedule(config)),
        ("loss",): lambda: build_loss(config),
        ("data", "augment"): lambda: build_augment(config),
        ("train", "average"): lambda: build_average(config),
        ("train", "early_stop"): lambda: _check_monitored(config, build_early_stop(config)),
        ("train",): lambda: _check_drawn(config),
        ("data",): lambda: _check_labels(config),
    }
    faults = []
    for path, build in parts.items():
        try:
            build()
        except InputError as error:
            faults.append(Fault(document.place(path), f"{label(path, document.data)}: {error}"))
    return faults


def _check_monitored(config: Config, rule: object) -> None:
    """Raise ConfigError if early stopping, or a schedule, monitors validation images and there are none.

    Whether data that may bring their own validation images do is known only when they are read.
    """
    none = not config.data.validation and config.data.name not in MAY_VALIDATE and not config.train.folds
    kinds = kinds_of(config.data, config.loss.name)
    if isinstance(rule, Monitored) and len(kinds) == 1:
        check_monitored("classes" if kinds == ("classes",) else None, it=rule)
    if isinstance(rule, Monitored) and rule.needs_validation and none:
        raise ConfigError(f"monitors {rule.monitor}, but data.validation is 0; hold images out, or monitor train_loss")


def _check_drawn(config: Config) -> None:
    """Raise ConfigError for a sampler or folds beside options that they exclude."""
    train = config.train
    if train.sampler is not None and not train.shuffle:
        raise ConfigError("sampler draws the images of an epoch in any order; leave shuffle at true")
    if train.fold is not None and (train.folds is None or train.fold > train.folds):
        raise ConfigError(f"fold is {train.fold}, and folds {train.folds}; expected a fold from 1 to folds")
    if train.folds is not None and config.data.validation:
        raise ConfigError("folds takes parts of the training images for validation in turn; leave data.validation out")


def _check_labels(config: Config) -> None:
    """Raise ConfigError where the loss takes other labels than the data have."""
    data, takes, loss = config.data, takes_of(config.loss.name), config.loss.name
    if kinds_of(data, loss):
        return
    if data.target == "inputs":
        raise ConfigError(f"target: inputs takes a loss of pictures, such as mse, l1 or smooth_l1; given {loss}")
    if data.name in PER_PIXEL:
        raise ConfigError(f"{data.name} has a class per pixel, for which the loss is cross_entropy; given {loss}")
    if not hasattr(data, "labels"):
        raise ConfigError(
            f"loss {loss} takes labels that are {' or '.join(takes)}, and {data.name} has classes; npz and "
            "csv may have such labels"
        )
    raise ConfigError(f"labels is {data.labels}, and loss {loss} takes {' or '.join(takes)}")


def network_faults(document: Document) -> list[Fault]:
    """Faults of shapes, in the layers before the first invalid one; none if the data is invalid."""
    data = _valid(AnyData, document.data.get("data"))
    entries = _leading_layers(document.data.get("model"))
    if data is None or not entries:
        return []
    try:
        shape, classes = data_shape(data, _loss_name(document.data))
    except InputError as error:
        return [Fault(document.place(("data",)), f"data: {error}")]
    except OSError as error:
        words = f"data: {error.filename}: {error.strerror}; give another path"
        return [Fault(document.place(("data",)), words)]
    try:
        init = document.data.get("init")
        entries = with_classes(entries, classes)
        output = output_shape(entries, shape, init if init in nn.init.NAMES else None)
        if len(entries) == len(document.data["model"]):
            loss = _loss_name(document.data)
            check_outputs(entries, output, loss, answer_shape(data, loss, shape, classes))
    except MisfitError as error:
        return [fault_of(error, document)]
    return list(_weight_faults(document, classes))


def _weight_faults(document: Document, classes: int | None) -> Iterator[Fault]:
    """Faults of lists that have another length than there are classes or labels."""
    loss = document.data.get("loss")
    for option in ("weight", "pos_weight", "threshold"):
        given = loss.get(option) if isinstance(loss, dict) else None
        if isinstance(given, list) and classes is not None and len(given) != classes:
            path = ("loss", option)
            yield Fault(
                document.place(path), f"loss.{option}: has {len(given)} numbers, expected {classes}, one for each"
            )


def data_shape(data: Data, loss: str = "cross_entropy") -> tuple[tuple[int, ...], int | None]:
    """Image shape (C, H, W), and the number of classes, None if it is unknown before the data is read.

    For a `loss` of labels that are no classes, the number of labels or numbers.
    """
    shape, classes = peek(data.name, source_options(data, loss))
    shape = transposed_shape(shape) if data.transpose else shape
    return shape, len(data.classes) if isinstance(data.classes, list) else classes


def stated_shape(data: Data) -> tuple[int, ...] | None:
    """The shape of images as the options alone give it, for data that are absent; None if they do not."""
    channels, size, shape = (getattr(data, name, None) for name in ("channels", "size", "shape"))
    if size is not None:
        shape = (channels, size, size) if isinstance(size, int) else (channels, *size)
    return transposed_shape(shape) if shape and data.transpose else shape


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
    """A part of the configuration, validated alone; None if it has faults."""
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(data))
    except ValidationError:
        return None


def _leading_layers(model: Any) -> list[OneLayer]:
    """The layers before the first invalid one."""
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


def shipped_folder() -> pathlib.Path:
    """The folder of the shipped configurations: inside the package, or beside it in a checkout."""
    package = pathlib.Path(__file__).parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def shipped_configs() -> list[str]:
    """The names of the shipped configurations."""
    return sorted(file.stem for file in shipped_folder().glob("*.yaml"))


def read_config(config: str) -> tuple[str, str]:
    """The text of CONFIG, a file or the name of a shipped configuration, and its name in messages.

    Raises ConfigError if there is no such configuration or its text is not UTF-8.
    """
    path = pathlib.Path(config)
    if path.exists() and not path.is_dir():
        with path.open("rb") as file:
            return _decoded(file.read(4 * LONGEST + 1), config), config
    if config in shipped_configs():
        return _decoded((shipped_folder() / f"{config}.yaml").read_bytes(), config), f"{config}.yaml"
    what = "is a folder" if path.is_dir() else "is neither a file nor a shipped configuration"
    raise ConfigError(f"CONFIG '{config}' {what}; {did_you_mean(path.stem, shipped_configs())}")


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}:{line}:1: not text in UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8"
        ) from None
