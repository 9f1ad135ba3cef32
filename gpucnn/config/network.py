"""The network that a configuration describes, its input sizes inferred layer by layer."""

from collections.abc import Sequence

from gpucnn import nn
from gpucnn.config.faults import NOTHING_TO_SCALE, Path
from gpucnn.config.layers import OneLayer
from gpucnn.errors import ConfigError, InputError

Shape = tuple[int, ...]  # without the batch: (C, H, W) or (F,)
PROBABILITIES = ("softmax", "log_softmax")


class MisfitError(ConfigError):
    """A layer that does not fit what comes before it, or the data. `path` leads to the layer."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path


def build_layers(
    entries: Sequence[OneLayer], shape: Shape, init: str | None, path: Path = ("model",)
) -> tuple[list[nn.Layer], Shape]:
    """The layers of `entries` for inputs of `shape`, and the shape of their output.

    `init` serves the layers that name none of their own; `path` leads to the entries.
    Raises MisfitError at the first layer that does not fit.
    """
    layers = []
    for position, entry in enumerate(entries):
        layer, shape = _build_layer(entry, shape, init, (*path, position))
        layers.append(layer)
    return layers, shape


def check_outputs(entries: Sequence[OneLayer], shape: Shape, loss: str, classes: int | None) -> None:
    """Raise MisfitError unless the last layer gives the loss one logit per class (None: not known yet)."""
    path: Path = ("model", len(entries) - 1)
    if loss == "cross_entropy" and entries[-1].name in PROBABILITIES:
        raise MisfitError(
            path,
            "cross_entropy takes logits and applies log_softmax itself; remove this layer "
            "(`gpucnn predict` still tells probabilities)",
        )
    if len(shape) != 1:
        raise MisfitError(
            path,
            f"the network's output has shape {shape}, expected one number per class; "
            f"add flatten and linear: {{out_features: {classes or 'number of classes'}}}",
        )
    if classes is not None and shape[0] != classes:
        override = f" (model.{path[1]}.linear.out_features={classes})" if entries[-1].name == "linear" else ""
        raise MisfitError(
            path,
            f"the network has {shape[0]} outputs, expected {classes}, one per class of the data; "
            f"let its last linear layer have out_features: {classes}{override}",
        )


def _build_layer(entry: OneLayer, shape: Shape, init: str | None, path: Path) -> tuple[nn.Layer, Shape]:
    """One layer and the shape of its output."""
    if entry.name == "residual":
        inner, _ = build_layers(entry.options, shape, init, (*path, "residual"))
        return _fitted(nn.Residual, inner, {}, shape, path)
    kind = nn.LAYERS[entry.name]
    options = dict(entry.options)
    lr_scale = options.pop("lr_scale", 1.0)
    if "init" in options:
        options["init"] = options["init"] or init
    if kind.inferred:
        options[kind.inferred] = shape[0]
    layer, output = _fitted(kind, (), options, shape, path)
    if lr_scale != 1 and next(layer.parameters(), None) is None:  # batch normalisation with affine: false
        raise MisfitError(path, f"lr_scale: {NOTHING_TO_SCALE}")
    return layer, output


def _fitted(
    kind: type[nn.Layer], layers: Sequence[nn.Layer], options: dict[str, object], shape: Shape, path: Path
) -> tuple[nn.Layer, Shape]:
    try:
        layer = kind(*layers, **options)
        return layer, layer.output_shape(shape)
    except InputError as error:
        raise MisfitError(path, str(error).removeprefix(f"{kind.kind}: ")) from None
