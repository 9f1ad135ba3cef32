"""Pictures of every layer's feature maps for an image."""

import math
from typing import TYPE_CHECKING

import numpy as np

from gpucnn import nn
from gpucnn.errors import ShapeError
from gpucnn.explain.layers import layer_outputs, sequential
from gpucnn.report.figures import MAGNITUDES, SIGNED, new_figure
from gpucnn.report.tiles import flat_tiles, mosaic

if TYPE_CHECKING:
    from gpucnn.report.canvas import Picture

MOST_MAPS = 64  # shown of a layer
MOST_NUMBERS = 512  # shown of a layer whose outputs are single numbers
COLUMNS, COLUMNS_OF_NUMBERS = 16, 64
WIDTH, LARGEST_TILE = 10.0, 1.0  # inches
EDGE, TITLE, LEAST = 0.1, 0.3, 0.12  # inches: round the whole, for a title above each block, and high a block at least


def plot_feature_maps(net: nn.Module, image: np.ndarray) -> "Picture":
    """The output of every layer of `net`, an nn.Sequential, for `image` (C, H, W), normalised as in training.

    A block to each layer, with its own scale, which its title tells: from 0 up, or symmetric about 0 where values fall
    below it. Raises InputError for any other module, ShapeError for an image that does not fit.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3, 4):
        raise ShapeError(f"expected one image (C, H, W), a signal (C, W) or a volume (C, D, H, W); given {image.shape}")
    layers = [
        (f"layer {name} ({getattr(layer, 'kind', type(layer).__name__)})", output[0])
        for name, layer, output in layer_outputs(sequential(net), image[None])
        if not isinstance(layer, nn.Flatten)  # the numbers of the layer before
    ]
    pictures = [_mosaic_of(shown_maps(maps)) for _, maps in layers]
    heights = [max(LEAST, wide * picture.shape[0] / picture.shape[1]) for picture, wide in pictures]
    figure, top = new_figure(WIDTH + 2 * EDGE, sum(heights) + TITLE * len(layers) + EDGE), 0.0
    for (name, maps), (picture, width), height in zip(layers, pictures, heights, strict=True):
        low, high = value_range(maps)
        panel = figure.panel(EDGE, top + TITLE, width, height)
        colours = SIGNED if low < 0 else MAGNITUDES
        panel.imshow(picture, cmap=colours, vmin=low, vmax=high, interpolation="nearest", aspect="auto")
        panel.set_axis_off()
        panel.set_title(f"{name}: {_counted(maps)}, {_scale_in_words(low, high)}", fontsize=9, loc="left", y=1.0)
        top += TITLE + height
    return figure


def shown_maps(maps: np.ndarray) -> np.ndarray:
    """The maps (M, *sizes) of a layer that are shown."""
    return maps[: MOST_NUMBERS if maps.ndim == 1 else MOST_MAPS]


def value_range(maps: np.ndarray) -> tuple[float, float]:
    """The range of the colours of maps: 0 to the largest value, or symmetric about 0 if any is negative.

    Of what is no finite number nothing is known.
    """
    finite = np.isfinite(maps)
    low, high = (float(each(initial=0.0, where=finite)) for each in (maps.min, maps.max))
    reach = max(-low, high) or 1.0
    return (-reach if low < 0 else 0.0), reach


def _scale_in_words(low: float, high: float) -> str:
    return f"{low:.3g} (blue) to {high:.3g} (red)" if low < 0 else f"0 (dark) to {high:.3g} (bright)"


def _mosaic_of(maps: np.ndarray) -> tuple[np.ndarray, float]:
    """The maps (M, *sizes) as one picture, and how many inches wide it is drawn."""
    tiles = flat_tiles(maps)
    columns = min(len(tiles), COLUMNS_OF_NUMBERS if maps.ndim == 1 else COLUMNS)
    tile = 0.15 if maps.ndim == 1 else LARGEST_TILE * min(4.0, tiles.shape[2] / min(tiles.shape[1:]))
    return mosaic(tiles, columns), min(WIDTH, columns * tile)


def _counted(maps: np.ndarray) -> str:
    count, *sizes = maps.shape
    what = f"{count} maps of {' × '.join(map(str, sizes))}" if math.prod(sizes) > 1 else f"{count} numbers"
    shown = len(shown_maps(maps))
    return what if shown == count else f"{what}, {shown} shown"
