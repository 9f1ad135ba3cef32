"""Convolution as im2col and GEMM, in tiles: the column matrix exists for a range of output rows at a time only.

Shapes: x (I, spatial..., N), weight (O, I / groups, kernel...), outputs (O, outputs..., N); G groups, K taps, and
L = outputs · N places. A tile is a range of the first output axis, or of input channels; the pool of threads shares
them.
"""

import math

import numpy as np

from gpucnn import threads
from gpucnn.backend import Array, empty, module_of
from gpucnn.geometry import Sizes, Window, split
from gpucnn.kernels.reference.window import col2im, padded, window_view

CPU_TILE_BYTES = 1 << 22  # columns of 4 MiB, or of one row or channel: few large pieces, within the last-level cache
GPU_TILE_BYTES = 1 << 28  # a GPU wants its work in as few pieces as its memory allows
WORTH_SHARING = 1 << 19  # bytes of columns that take longer to work through than a thread to wake
WIDE = 32  # rows of a product from which BLAS runs well


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, least: float, out: Array) -> None:
    """out[o] = max(sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o], least)."""
    xp = module_of(x)
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, I/G·K)
    result = out.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, L)
    tiles = _Columns(padded(x, window, 0), window, out.shape[1:-1], groups)

    def tile(index: int) -> None:
        places, columns = tiles[index]
        xp.matmul(matrix, columns, out=result[:, :, places])
        if bias is not None:
            result[:, :, places] += bias.reshape(groups, -1, 1)
        if least > -math.inf:
            xp.maximum(result[:, :, places], least, out=result[:, :, places])

    threads.run(tile, len(tiles), x)


def backward_weight(
    x: Array, grad: Array, window: Window, groups: int, out: Array, by_bias: Array | None = None
) -> None:
    """out = the gradient by the weight: grad · columnsᵀ, the tiles summed in their order; by_bias as backward_bias.

    With few output channels that product is too thin for BLAS. So R neighbouring output rows are taken together, as if
    each were a channel of its own, over a window that reaches over the input rows of all R; what the product then says
    of each of the R rows is added up.
    """
    xp = module_of(x)
    outputs, outs = grad.shape[1:-1], out.shape[0] // groups
    rows = _rows_together(window, outputs, outs)
    tall = _over_rows(window, rows)
    grads = grad.reshape(groups, outs, outputs[0] // rows, rows, -1).swapaxes(2, 3)  # (G, O/G, R, rows/R, rest·N)
    grads = grads.reshape(groups, outs * rows, -1)  # (G, O/G·R, L/R): a copy where R > 1
    tiles = _Columns(padded(x, window, 0), tall, (outputs[0] // rows, *outputs[1:]), groups)
    shape = (groups, outs * rows, out.shape[1] * math.prod(tall.kernel))  # (G, O/G·R, I/G·K)
    parts = empty((len(tiles), *shape), x)

    def tile(index: int) -> None:
        places, columns = tiles[index]
        xp.matmul(grads[:, :, places], columns.swapaxes(1, 2), out=parts[index])

    threads.run(tile, len(tiles), x)
    by_row = parts.sum(axis=0).reshape(out.shape[0], rows, out.shape[1], *tall.kernel)  # (O, R, I/G, tall kernel...)
    out.fill(0)
    for row in range(rows):
        start = row * window.stride[0]
        out += by_row[:, row, :, start : start + window.kernel[0]]
    if by_bias is not None:
        backward_bias(grad, by_bias)


def backward_bias(grad: Array, out: Array) -> None:
    """out[o] = the sum of grad over places and images."""
    module_of(grad).sum(grad.reshape(grad.shape[0], -1), axis=1, out=out)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """out = the gradient by the input: columns weightᵀ · grad, added up where they came from.

    A tile is a range of one group's input channels, so that tiles share no pixel.
    """
    outputs, images, outs = grad.shape[1:-1], grad.shape[-1], weight.shape[0] // groups
    matrix = weight.reshape(groups, outs, weight.shape[1], -1)  # (G, O/G, I/G, K)
    grads = grad.reshape(groups, outs, -1)  # (G, O/G, L)
    channels = out.reshape(groups, weight.shape[1], *out.shape[1:])  # (G, I/G, spatial..., N)
    ranges = split(weight.shape[1], _tile_count(weight[0].size * grads[0, 0].nbytes, grad))

    def tile(index: int) -> None:
        group, (start, stop) = index // len(ranges), ranges[index % len(ranges)]
        columns = empty((stop - start, *window.kernel, *outputs, images), grad)
        by_tap = matrix[group, :, start:stop].reshape(outs, -1)  # (O/G, channels·K)
        module_of(grad).matmul(by_tap.T, grads[group], out=columns.reshape(by_tap.shape[1], -1))
        col2im(columns, window, channels[group, start:stop])

    threads.run(tile, groups * len(ranges), grad)


class _Columns:
    """im2col of the padded x, cut into tiles: tile i is its range of places, and its columns (G, I/G·K, places)."""

    def __init__(self, x: Array, window: Window, outputs: Sizes, groups: int) -> None:
        self._view = window_view(x, window, outputs)  # (I, kernel..., outputs..., N)
        self._axes, self._groups = len(outputs), groups
        self._row = math.prod(outputs[1:]) * x.shape[-1]  # places in one row of the first output axis
        self._ranges = split(outputs[0], _tile_count(self._view.size * x.itemsize, x))

    def __len__(self) -> int:
        return len(self._ranges)

    def __getitem__(self, index: int) -> tuple[slice, Array]:
        start, stop = self._ranges[index]
        part = self._view[(slice(None),) * (1 + self._axes) + (slice(start, stop),)]
        columns = empty(part.shape, part)
        module_of(part).copyto(columns, part)
        return slice(start * self._row, stop * self._row), columns.reshape(self._groups, -1, (stop - start) * self._row)


def _tile_count(columns_bytes: int, like: Array) -> int:
    """How many tiles columns of so many bytes are cut into: an even number, so that two threads share them evenly."""
    if module_of(like) is not np:
        return -(-columns_bytes // GPU_TILE_BYTES)
    return 2 * -(-columns_bytes // (2 * CPU_TILE_BYTES)) if columns_bytes > WORTH_SHARING else 1


def _rows_together(window: Window, outputs: Sizes, outs: int) -> int:
    """How many output rows to take together: enough to make the product WIDE, at no more than twice the work."""
    if window.dilation[0] > 1:
        return 1
    most = min(WIDE // outs, 1 + window.kernel[0] // window.stride[0])
    return max((rows for rows in range(1, most + 1) if outputs[0] % rows == 0), default=1)


def _over_rows(window: Window, rows: int) -> Window:
    """The window that reaches over the input rows of `rows` output rows, and moves on by as many."""
    if rows == 1:
        return window
    stride = window.stride[0]
    kernel = (window.kernel[0] + (rows - 1) * stride, *window.kernel[1:])
    return Window(kernel, (stride * rows, *window.stride[1:]), window.padding, window.dilation)
