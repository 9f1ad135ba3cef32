"""Pictures of the kernels of convolutions, all on one scale."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gpucnn import nn
from gpucnn.errors import InputError
from gpucnn.nn.layers import Convolution
from gpucnn.report.figures import SIGNED, new_figure
from gpucnn.report.tiles import flat_tiles, mosaic

if TYPE_CHECKING:
    from gpucnn.report.canvas import Picture

MOST_OUTPUTS, MOST_INPUTS, MOST_IN_A_GRID = 32, 16, 128  # kernels shown of a layer
WIDTH, LARGEST_TILE = 9.0, 0.6  # inches
EDGE, TITLE = 0.25, 0.32  # inches: left and right of the whole, and for a title above each layer
ABOVE_BAR, BAR, BELOW_BAR = 0.3, 0.22, 0.6  # inches: of the bar of colours, and round it


def convolutions(module: nn.Module) -> list[tuple[str, Convolution]]:
    """Every convolution in `module`, itself included, with its name there ("" for itself)."""
    return [(name, each) for name, each in module.named_modules() if isinstance(each, Convolution)]


def largest_weight(layers: Iterable[Convolution]) -> float:
    """The largest magnitude of a finite weight, where the colours of kernels end; 1 if all are 0."""
    sizes = (np.abs(layer.weight.numpy()) for layer in layers)
    return max((float(size.max(initial=0.0, where=np.isfinite(size))) for size in sizes), default=0.0) or 1.0


def shown_kernels(layer: Convolution) -> np.ndarray:
    """The kernels of a layer that are shown: (outputs, inputs, *kernel).

    Where every output has one input alone there is room for more outputs.
    """
    weight = layer.weight.numpy()
    return weight[:MOST_IN_A_GRID] if weight.shape[1] == 1 else weight[:MOST_OUTPUTS, :MOST_INPUTS]


def plot_kernels(layer: nn.Module) -> "Picture":
    """The kernels of a convolution, or of every convolution in a network, blue below 0 and red above.

    A column to each output, a row to each input; outputs of one input each fill a grid. All share one scale, symmetric
    about 0. Raises InputError where there is no convolution.
    """
    layers = convolutions(layer)
    if not layers:
        raise InputError(f"there is no convolution in this {type(layer).__name__}, so it has no kernels to show")
    scale = largest_weight(each for _, each in layers)
    pictures = [_mosaic_of(shown_kernels(each)) for _, each in layers]
    heights = [width * picture.shape[0] / picture.shape[1] for picture, width in pictures]
    figure, top = new_figure(WIDTH + 2 * EDGE, sum(heights) + TITLE * len(layers) + ABOVE_BAR + BAR + BELOW_BAR), 0.0
    for (name, each), (picture, width), height in zip(layers, pictures, heights, strict=True):
        panel = figure.panel(EDGE, top + TITLE, width, height)
        image = panel.imshow(picture, cmap=SIGNED, vmin=-scale, vmax=scale, interpolation="nearest")
        panel.set_axis_off()
        panel.set_title(_title(name, each), fontsize=10, loc="left", y=1.0)
        top += TITLE + height
    label = "weight; one scale for all kernels" if len(layers) > 1 else "weight"
    figure.colorbar(image, cax=figure.panel(EDGE, top + ABOVE_BAR, WIDTH, BAR), label=label, orientation="horizontal")
    return figure


def _mosaic_of(kernels: np.ndarray) -> tuple[np.ndarray, float]:
    """The kernels (outputs, inputs, *kernel) as one picture, and how many inches wide it is drawn."""
    outputs, inputs = kernels.shape[:2]
    tiles = flat_tiles(kernels.swapaxes(0, 1).reshape(-1, *kernels.shape[2:]))  # (O, I, ...) -> (I·O, ...)
    columns = outputs if inputs > 1 else min(outputs, 16)
    wide = tiles.shape[2] / min(tiles.shape[1:])  # times its height, or one
    return mosaic(tiles, columns), min(WIDTH, columns * LARGEST_TILE * min(wide, 4))


def _title(name: str, layer: Convolution) -> str:
    outputs, inputs, *kernel = layer.weight.shape
    size = " × ".join(map(str, kernel))
    what = f"layer {name} ({layer.kind})" if name else layer.kind
    shown = shown_kernels(layer).shape[:2]
    part = "" if math.prod(shown) == outputs * inputs else f", {shown[0]} × {shown[1]} of them shown"
    return f"{what}: {outputs} outputs × {inputs} inputs of {size}{part}"
