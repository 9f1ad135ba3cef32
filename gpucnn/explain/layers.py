"""Facts on a network's layers: output shapes, costs, receptive fields."""

import inspect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from gpucnn import nn
from gpucnn.backend import to_device
from gpucnn.data.loader import to_batch_last
from gpucnn.errors import InputError
from gpucnn.geometry import ReceptiveField, Sizes
from gpucnn.tensor import Tensor
from gpucnn.training.evaluation import dtype_of, evaluating


@dataclass(frozen=True)
class LayerFacts:
    """A layer and its counts per image; `field` is the receptive field of one of its outputs.

    `name` is its number, such as 3, 4.1 inside the residual block 4, and 5.0.2 inside path 0 of the branches 5.
    """

    name: str
    layer: nn.Layer
    output: Sizes
    parameters: int
    multiply_adds: int
    field: ReceptiveField

    @property
    def values(self) -> int:
        """Numbers in its output."""
        return math.prod(self.output)


def layer_facts(
    net: nn.Sequential, shape: Sizes, field: ReceptiveField | None = None, prefix: str = ""
) -> Iterator[LayerFacts]:
    """Every layer of `net` for images of `shape` (C, H, W), whose units see `field`; without it they are the image.

    Layers inside a residual block, or branches, stand before them, which have no counts of their own.
    """
    field = field or ReceptiveField.of_input(len(shape) - 1)
    for number, layer in enumerate(cast("list[nn.Layer]", net.layers)):
        name = f"{prefix}{number}"
        parameters, multiply_adds = 0, 0  # of blocks, counted in their layers
        for inner, begin in blocks(layer, name):
            yield from layer_facts(inner, shape, field, begin)
        if not isinstance(layer, nn.Residual | nn.Branches):
            parameters, multiply_adds = sum(each.size for each in layer.parameters()), layer.multiply_adds(shape)
        field, shape = layer.receptive_field(shape, field), layer.output_shape(shape)
        yield LayerFacts(name, layer, shape, parameters, multiply_adds, field)


def blocks(layer: nn.Module, name: str) -> list[tuple[nn.Sequential, str]]:
    """The layers inside a residual block, or in each path of branches, and what their names begin with."""
    if isinstance(layer, nn.Branches):
        return [(path, f"{name}.{number}.") for number, path in enumerate(layer.paths)]
    return [(layer, f"{name}.")] if isinstance(layer, nn.Residual) else []


def layer_outputs(net: nn.Sequential, images: np.ndarray) -> Iterator[tuple[str, nn.Module, np.ndarray]]:
    """Each layer's name and the layer, in the order of `layer_facts`, with its output for `images` (N, C, H, W).

    The images are as the network takes them. Outputs are (N, ...), on the host.
    """
    array = to_device(to_batch_last(images, dtype_of(net).name))
    with evaluating(net):
        yield from _outputs(net, Tensor.from_batch_last(array))


def _outputs(net: nn.Sequential, x: Tensor, prefix: str = "") -> Iterator[tuple[str, nn.Module, np.ndarray]]:
    for number, layer in enumerate(net.layers):
        for inner, begin in blocks(layer, f"{prefix}{number}"):
            yield from _outputs(inner, x, begin)
        x = layer(x)
        yield f"{prefix}{number}", layer, x.numpy()


def chosen_options(layer: nn.Layer) -> dict[str, Any]:
    """The options of a layer that are not at their default, as in {"kernel_size": (5, 5), "padding": "same"}.

    Numbers of inputs, which follow from the layer before, are left out, and so are weights.
    """
    chosen = {}
    options = () if isinstance(layer, nn.Sequential) else inspect.signature(type(layer)).parameters.items()
    for name, option in options:
        value = getattr(layer, name, option.default)
        shown = isinstance(value, int | float | str | tuple | list) and name != layer.inferred
        if shown and option.kind is not option.VAR_POSITIONAL and not _is_default(value, option.default):
            chosen[name] = value
    return chosen


def _is_default(value: Any, default: Any) -> bool:
    """Whether a value is the default, or the default for each axis."""
    return value == default or (isinstance(value, tuple | list) and all(each == default for each in value))


def sequential(net: nn.Module) -> nn.Sequential:
    """`net`, if its layers come one after the other. Raises InputError for any other module."""
    if not isinstance(net, nn.Sequential):
        raise InputError(
            f"the layers of {type(net).__name__} are not known to come one after the other; give an nn.Sequential"
        )
    return net
