"""Convolution as im2col and GEMM, in tiles: the column matrix exists for a few output rows at a time only.

Shapes: x (I, spatial..., N), weight (O, I / groups, kernel...), outputs (O, outputs..., N). A tile is a range of the
first output axis, and its columns (groups, I / groups · taps, rows · ... · N) fit into a core's cache.
"""

import math

import numpy as np

from gpucnn.arena import empty, scratch
from gpucnn.backend import Array, module_of
from gpucnn.geometry import Window, split
from gpucnn.kernels import threads
from gpucnn.kernels.window import col2im, padded, window_view

TILE_BYTES = 1 << 20  # columns of about a megabyte stay in a core's second-level cache
GPU_TILE_BYTES = 1 << 28  # a GPU wants its work in few large pieces


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, out: Array) -> None:
    """out[o] = sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o]."""
    outputs = out.shape[1:-1]
    view = window_view(padded(x, window, 0), window, outputs)
    matrix = _by_group(weight, groups)  # (G, O/G, I/G·K)
    result = out.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, L), L = outputs · N
    row = result.shape[2] // outputs[0]  # elements of L in one row of the first output axis
    tiles = _tiles(view, len(outputs))

    def tile(index: int) -> None:
        start, stop = tiles[index]
        part = result[:, :, start * row : stop * row]
        module_of(x).matmul(matrix, _columns(view, start, stop, groups), out=part)
        if bias is not None:
            part += bias.reshape(groups, -1, 1)

    threads.run(tile, len(tiles), x)


def backward_weight(x: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """out = the gradient by the weight: for each tile grad · columnsᵀ, the tiles summed in their order."""
    xp = module_of(x)
    outputs = grad.shape[1:-1]
    view = window_view(padded(x, window, 0), window, outputs)
    grads = grad.reshape(groups, out.shape[0] // groups, -1)  # (G, O/G, L)
    row = grads.shape[2] // outputs[0]
    tiles = _tiles(view, len(outputs))
    parts = empty((len(tiles), *_by_group(out, groups).shape), x)  # (tiles, G, O/G, I/G·K)

    def tile(index: int) -> None:
        start, stop = tiles[index]
        columns = _columns(view, start, stop, groups)
        xp.matmul(grads[:, :, start * row : stop * row], columns.swapaxes(1, 2), out=parts[index])

    threads.run(tile, len(tiles), x)
    xp.sum(parts, axis=0, out=_by_group(out, groups))


def backward_bias(grad: Array, out: Array) -> None:
    """out[o] = the sum of grad over places and images."""
    module_of(grad).sum(grad.reshape(grad.shape[0], -1), axis=1, out=out)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """out = the gradient by the input: columns weightᵀ · grad, added up where they came from.

    A tile is a range of one group's input channels: tiles share no pixel, and each adds up in the order of its taps.
    """
    xp = module_of(grad)
    outputs, images = grad.shape[1:-1], grad.shape[-1]
    matrix = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)  # (G, O/G, I/G, K)
    grads = grad.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, L)
    channels = out.reshape(groups, weight.shape[1], *out.shape[1:])  # (G, I/G, spatial..., N)
    bytes_each = matrix.shape[3] * grads.shape[2] * grad.itemsize
    ranges = split(weight.shape[1], _count(weight.shape[1] * bytes_each, grad))

    def tile(index: int) -> None:
        group, (start, stop) = index // len(ranges), ranges[index % len(ranges)]
        columns = scratch((stop - start, *window.kernel, *outputs, images), grad)
        by_tap = matrix[group, :, start:stop].reshape(grads.shape[1], -1)  # (O/G, channels·K)
        xp.matmul(by_tap.T, grads[group], out=columns.reshape(by_tap.shape[1], -1))
        col2im(columns, window, channels[group, start:stop])

    threads.run(tile, groups * len(ranges), grad)


def _by_group(weight: Array, groups: int) -> Array:
    """(O, I/G, kernel...) as (G, O/G, I/G·K)."""
    return weight.reshape(groups, weight.shape[0] // groups, -1)


def _columns(view: Array, start: int, stop: int, groups: int) -> Array:
    """im2col: rows [start, stop) of the window view (I, kernel..., outputs..., N) copied to (G, I/G·K, L)."""
    axes = (view.ndim - 2) // 2
    rows = view[(slice(None),) * (1 + axes) + (slice(start, stop),)]
    columns = scratch(rows.shape, view)
    module_of(view).copyto(columns, rows)
    taps = math.prod(rows.shape[: 1 + axes]) // groups
    return columns.reshape(groups, taps, -1)


def _tiles(view: Array, axes: int) -> list[tuple[int, int]]:
    """Ranges of the first output axis whose columns fill a tile each; their number depends on the shapes alone."""
    total = math.prod(view.shape) * view.itemsize
    return split(view.shape[1 + axes], _count(total, view))


def _count(total_bytes: int, like: Array) -> int:
    """How many tiles `total_bytes` of columns are cut into: an even number, so that two threads share them evenly."""
    if module_of(like) is not np:
        return -(-total_bytes // GPU_TILE_BYTES)
    return 2 * -(-total_bytes // (2 * TILE_BYTES))
