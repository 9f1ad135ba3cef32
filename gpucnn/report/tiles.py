"""Many small pictures laid side by side: kernels, feature maps. Arrays on the host."""

import math

import numpy as np

GAP = 1  # pixels between two tiles


def flat_tiles(maps: np.ndarray) -> np.ndarray:
    """Maps (M, *sizes) of up to three axes as pictures (M, H, W), floating.

    Numbers (M,) become single pixels, signals (M, W) rows, volumes (M, D, H, W) their slices side by side with a NaN
    column between.
    """
    maps = maps.astype(np.float64)
    if maps.ndim < 4:
        return maps.reshape(len(maps), *(1,) * (3 - maps.ndim), *maps.shape[1:])  # (M, W) -> (M, 1, W)
    parted = np.pad(maps, ((0, 0), (0, 0), (0, 0), (0, GAP)), constant_values=np.nan)
    beside = np.moveaxis(parted, 1, 2).reshape(len(maps), maps.shape[2], -1)  # (M, D, H, W + 1) -> (M, H, D·(W + 1))
    return beside[..., :-GAP]


def mosaic(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (M, H, W) in rows of `columns`, one picture with NaN between and where the last row ends early."""
    count, height, width = tiles.shape
    rows = math.ceil(count / columns)
    filled = np.full((rows * columns, height + GAP, width + GAP), np.nan)
    filled[:count, :height, :width] = tiles
    grid = filled.reshape(rows, columns, height + GAP, width + GAP)  # (rows·columns, h, w) -> (rows, columns, h, w)
    joined = grid.transpose(0, 2, 1, 3).reshape(rows * (height + GAP), columns * (width + GAP))
    return joined[:-GAP, :-GAP]
