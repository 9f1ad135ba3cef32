"""The `model:` part of the YAML, one entry per layer with the options of its constructor; and the network.

Input sizes are inferred layer by layer.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import GenericAlias
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model, model_serializer, model_validator

from gpucnn import nn
from gpucnn.config.explain import label
from gpucnn.config.faults import NOTHING_TO_SCALE, Fault, Path
from gpucnn.config.options import Options, field, options_model
from gpucnn.config.yaml_reader import Document
from gpucnn.errors import ConfigError, InputError
from gpucnn.nn.layer import undrawn

Shape = tuple[int, ...]  # without the batch: (C, H, W) or (F,)
BLOCKS = ("residual", "branches")  # layers of layers
PROBABILITIES = ("softmax", "log_softmax")
OUTPUTS, MAPS, CLASSES = "out_features", "out_channels", "classes"  # options, and the word for as many as the classes


class OneLayer(Options):
    """A layer: its name, and under it its options."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "OneLayer":
        if len(self.model_fields_set) != 1:
            given = ", ".join(sorted(self.model_fields_set)) or "none"
            raise ValueError(f"given {given}, expected one layer; begin each layer on its own line with '- '")
        return self

    @property
    def name(self) -> str:
        """The layer's name in `nn.LAYERS`."""
        return next(iter(self.model_fields_set))

    @property
    def options(self) -> Any:
        """The layer's options; a list of layers for `residual`, how to merge and lists of layers for `branches`."""
        return getattr(self, self.name)

    @model_serializer
    def _as_written(self) -> Any:
        """`relu` for a layer without options, else `{conv2d: {...}}`."""
        return {self.name: self.options} if has_options(self.name) else self.name


class Branching(Options):
    """Layers in paths that begin at the same input, and how their outputs become one."""

    merge: Literal["sum", "concat"] = Field(
        description="Whether the paths' outputs are added, or their channels joined."
    )
    paths: list[list["Layer"]] = Field(
        min_length=2, description="Lists of layers; an empty one gives the input as it is."
    )


def inner_layers(entry: OneLayer) -> Iterator[tuple[Sequence[OneLayer], Path, str]]:
    """The lists of layers inside a layer: each with its place below the layer, and what names in it begin with."""
    if entry.name == "residual":
        yield entry.options, ("residual",), ""
    elif entry.name == "branches":
        for number, path in enumerate(entry.options.paths):
            yield path, ("branches", "paths", number), f"{number}."


def layer_model() -> type[OneLayer]:
    """OneLayer with a field for each of `nn.LAYERS`."""
    fields: dict[str, Any] = {
        name: (_layer_options(name, layer), Field(default=None))
        for name, layer in nn.LAYERS.items()
        if layer not in (nn.Residual, nn.Branches)
    }
    nested = Field(default=None, min_length=1, description="Layers whose output is added to their input.")
    fields["residual"] = (GenericAlias(list, ("Layer",)), nested)
    fields["branches"] = (Branching, Field(default=None))
    return create_model("Layer", __base__=OneLayer, __module__=__name__, **fields)


def _layer_options(name: str, layer: type[nn.Layer]) -> type[Options]:
    """The options of a layer's constructor, and `lr_scale` if the layer has parameters.

    Those are the layers with an inferred size: that of their parameters.
    """
    if layer.inferred is None:
        return options_model(name, layer, skip=("inplace",))  # it changes no result
    added: dict[str, Any] = {"lr_scale": field("lr_scale", float, 1.0)}
    for option in (OUTPUTS, MAPS):
        if option in inspect.signature(layer).parameters:
            added[option] = field(option, int | Literal[CLASSES], inspect.Parameter.empty)
    return options_model(name, layer, skip=(layer.inferred,), more=added)


def counts_classes(entry: OneLayer) -> bool:
    """Whether a layer has as many outputs, or maps, as the data have classes."""
    return CLASSES in (getattr(entry.options, option, None) for option in (OUTPUTS, MAPS))


def with_classes(entries: Sequence[OneLayer], classes: int | None) -> list[OneLayer]:
    """The entries with the number of classes in place of the word; unchanged if it is None, not known yet.

    Raises MisfitError if the word stands on another layer than the last that learns.
    """
    for path, option in _misplaced(entries):
        raise MisfitError(path, f"{option}: {CLASSES} is for the last layer that learns; give a number")
    if classes is None:
        return list(entries)
    return [_with_outputs(entry, classes) if counts_classes(entry) else entry for entry in entries]


def _misplaced(entries: Sequence[OneLayer], path: Path = ("model",)) -> Iterator[tuple[Path, str]]:
    """The places of layers that count classes and are not the last that learns, and the options that do."""
    for position, entry in enumerate(entries):
        here = (*path, position)
        for layers, place, _ in inner_layers(entry):
            yield from _misplaced(layers, (*here, *place))
        if counts_classes(entry) and (len(path) > 1 or any(map(_learns, entries[position + 1 :]))):
            yield here, _counting(entry)


def _learns(entry: OneLayer) -> bool:
    """Whether there are parameters in a layer, or in a layer inside it."""
    inside = any(_learns(inner) for layers, *_ in inner_layers(entry) for inner in layers)
    return inside or nn.LAYERS[entry.name].inferred is not None


def _counting(entry: OneLayer) -> str:
    """The option that says how many outputs, or maps, a layer has."""
    return OUTPUTS if hasattr(entry.options, OUTPUTS) else MAPS


def _with_outputs(entry: OneLayer, outputs: int) -> OneLayer:
    return entry.model_copy(update={entry.name: entry.options.model_copy(update={_counting(entry): outputs})})


def lr_scales(entries: Sequence[OneLayer], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The layers' names in the network, each with its `lr_scale`.

    They are such as `0`, `3.1` inside a residual block, and `4.0.2` inside the first path of branches.
    """
    for number, entry in enumerate(entries):
        name = f"{prefix}{number}"
        if entry.name in BLOCKS:
            for layers, _, begin in inner_layers(entry):
                yield from lr_scales(layers, f"{name}.{begin}")
        else:
            yield name, getattr(entry.options, "lr_scale", 1.0)


def check_some_are_trained(entries: Sequence[OneLayer]) -> None:
    """Raise ConfigError where all layers that have a learning rate are frozen."""
    if (scales := list(_own_scales(entries))) and not any(scales):
        raise ConfigError("all layers have lr_scale 0, so that nothing is trained; leave one free, such as the last")


def _own_scales(entries: Sequence[OneLayer]) -> Iterator[float]:
    for entry in entries:
        if entry.name == "residual":
            yield from _own_scales(entry.options)
        elif hasattr(entry.options, "lr_scale"):
            yield entry.options.lr_scale


def options_of(name: str) -> Any:
    """The type of a layer's options."""
    return Layer.model_fields[name].annotation


def has_options(name: str) -> bool:
    """Whether a layer has options."""
    return name in BLOCKS or bool(options_of(name).model_fields)


def needs_options(name: str) -> bool:
    """Whether a layer has options without a default."""
    return name in BLOCKS or any(field.is_required() for field in options_of(name).model_fields.values())


def written_out(entries: Any) -> Any:
    """The entries of `model:` with `relu` and `{relu: null}` written as `{relu: {}}`, in nested lists too.

    Anything else is left as it is, for the schema to refuse.
    """
    if not isinstance(entries, list):
        return entries
    return [_entry_written_out(entry) for entry in entries]


def _entry_written_out(entry: Any) -> Any:
    if isinstance(entry, str):
        return {entry: {}}
    if not isinstance(entry, dict):
        return entry
    return {name: _options_written_out(name, options) for name, options in entry.items()}


def _options_written_out(name: Any, options: Any) -> Any:
    if name == "residual":
        return written_out(options)
    if name == "branches" and isinstance(options, dict) and isinstance(options.get("paths"), list):
        return options | {"paths": [written_out(path) for path in options["paths"]]}
    return {} if options is None else options


if TYPE_CHECKING:
    Layer = OneLayer
else:
    Layer = layer_model()
    Branching.model_rebuild()
    Layer.model_rebuild()


# --- the network that the entries describe ----------------------------------------------------------------------------


class MisfitError(ConfigError):
    """A layer that does not fit what comes before it, or the data. `path` leads to the layer."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def fault_of(error: MisfitError, document: Document) -> Fault:
    """A layer that does not fit, with its place."""
    return Fault(document.place_of_whole(error.path), f"{label(error.path, document.data)}: {error}")


def build_layers(entries: Sequence[OneLayer], shape: Shape, init: str | None) -> tuple[list[nn.Layer], Shape]:
    """The layers of `entries` for inputs of `shape`, their weights drawn, and the shape of their output.

    `init` serves the layers that name none of their own. Raises MisfitError at the first layer that does not fit.
    """
    return _fit_layers(entries, shape, init, ("model",), lambda kind: kind)


def output_shape(entries: Sequence[OneLayer], shape: Shape, init: str | None) -> Shape:
    """The shape of the network's output, from the layers' options alone: no weights are drawn, however large they are.

    Raises MisfitError as `build_layers` does.
    """
    _, output = _fit_layers(entries, shape, init, ("model",), undrawn)
    return output


def check_outputs(entries: Sequence[OneLayer], shape: Shape, loss: str, expected: tuple[int | None, ...]) -> None:
    """Raise MisfitError unless the last layer's output, of `shape`, is `expected` by the loss.

    That is one logit per class (None: not known yet), of every pixel perhaps, or a picture.
    """
    path: Path = ("model", len(entries) - 1)
    applied = {"cross_entropy": "log_softmax", "binary_cross_entropy_with_logits": "sigmoid"}.get(loss)
    if applied and entries[-1].name in (*PROBABILITIES, applied):
        raise MisfitError(
            path,
            f"{loss} takes logits and applies {applied} itself; remove this layer "
            "(`gpucnn predict` still prints probabilities)",
        )
    classes = expected[0]
    if len(expected) > 1:
        _check_maps(entries, shape, expected)
        return
    if len(shape) != 1:
        raise MisfitError(
            path,
            f"the network's output has shape {shape}, expected one number per class; "
            f"add flatten and linear: {{{OUTPUTS}: {classes or CLASSES}}}",
        )
    if classes is not None and shape[0] != classes:
        override = f" (model.{path[1]}.linear.out_features={classes})" if entries[-1].name == "linear" else ""
        raise MisfitError(
            path,
            f"the network has {shape[0]} outputs, expected {classes}, one per class of the data; "
            f"let its last linear layer have {OUTPUTS}: {classes}{override}, or {OUTPUTS}: {CLASSES}",
        )


def _check_maps(entries: Sequence[OneLayer], shape: Shape, expected: tuple[int | None, ...]) -> None:
    path: Path = ("model", len(entries) - 1)
    if len(shape) != len(expected) or shape[1:] != expected[1:]:
        sizes = " x ".join(map(str, expected[1:]))
        raise MisfitError(
            path,
            f"the network's output has shape {shape}, expected maps of {sizes}, as large as the images; let its "
            "layers keep the size (padding: same), or upsample as often as they halve it",
        )
    if expected[0] not in (None, shape[0]):
        raise MisfitError(
            path,
            f"the network's output has {shape[0]} maps, expected {expected[0]}, one per class of a pixel or per "
            f"channel of a picture; let its last layer have {MAPS}: {expected[0]}",
        )


def freeze(layer: nn.Layer) -> None:
    """Keep a layer's weights as they are, and the running statistics of batch norm, which normalises by them."""
    layer.requires_grad_(False)
    if isinstance(layer, nn.BatchNorm | nn.InstanceNorm):
        layer.frozen = True


Making = Callable[[type[nn.Layer]], type[nn.Layer]]  # kind -> the class to make layers with


def _fit_layers(
    entries: Sequence[OneLayer], shape: Shape, init: str | None, path: Path, making: Making
) -> tuple[list[nn.Layer], Shape]:
    """The layers of `entries`, found at `path` of the configuration, and the shape of their output."""
    layers = []
    for position, entry in enumerate(entries):
        layer, shape = _fit_layer(entry, shape, init, (*path, position), making)
        layers.append(layer)
    return layers, shape


def _fit_layer(entry: OneLayer, shape: Shape, init: str | None, path: Path, making: Making) -> tuple[nn.Layer, Shape]:
    """One layer and the shape of its output."""
    kind = nn.LAYERS[entry.name]
    lists = [_fit_layers(each, shape, init, (*path, *place), making)[0] for each, place, _ in inner_layers(entry)]
    inner: list[nn.Layer] = lists[0] if entry.name == "residual" else [nn.Sequential(*layers) for layers in lists]
    options: dict[str, Any] = {"merge": entry.options.merge} if entry.name == "branches" else {}
    if entry.name not in BLOCKS:
        options = _constructor_options(entry, kind, shape, init, path)
    try:
        layer = making(kind)(*inner, **options)
        if getattr(entry.options, "lr_scale", 1.0) == 0:
            freeze(layer)
        return layer, layer.output_shape(shape)
    except InputError as error:
        raise MisfitError(path, str(error).removeprefix(f"{kind.kind}: ")) from None


def _constructor_options(
    entry: OneLayer, kind: type[nn.Layer], shape: Shape, init: str | None, path: Path
) -> dict[str, Any]:
    """The arguments of the layer's constructor: the entry's options, and what the input's shape implies."""
    options = dict(entry.options)
    affine = options.get("affine", options.get("elementwise_affine", True))
    if options.pop("lr_scale", 1.0) not in (0, 1) and not affine:
        raise MisfitError(path, f"lr_scale: {NOTHING_TO_SCALE}")
    if options.get("init", "") is None:
        options["init"] = init
    for option in (OUTPUTS, MAPS):
        if options.get(option) == CLASSES:
            options[option] = 1  # the data are absent; what depends on the number is described per class
    if kind.inferred:
        options[kind.inferred] = kind.infer(shape)
    return options
