"""Convolution as im2col and GEMM, in tiles: the column matrix exists for a range of output rows at a time only.

Shapes, beside those of Conv: G groups, K taps, and L = outputs · N places. A tile is a range of the first
output axis, or of input channels; the pool of threads shares them.
"""

import math
import operator

import numpy as np

from gpucnn import threads
from gpucnn.backend import Array, empty, module_of
from gpucnn.geometry import Sides, Sizes, Window, split, unpadded_places
from gpucnn.kernels.plans import cached_by_shape

CPU_TILE_BYTES = 1 << 22  # columns of 4 MiB, or of one row or channel: few large pieces, within the last-level cache
GPU_TILE_BYTES = 1 << 28  # a GPU computes fastest in as few pieces as its memory allows
WORTH_SHARING = 1 << 19  # bytes of columns whose work outweighs waking a thread
WIDE = 32  # rows of a product from which BLAS runs well


class Conv:
    """Convolution over x (I, spatial..., N) by weight (O, I / groups, kernel...), to outputs (O, outputs..., N)."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        """out[o] = sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o], with `relu` no less than 0."""
        xp = module_of(x)
        matrix = weight.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, I/G·K)
        result = out.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, L)
        view = window_view(padded(x, window, 0), window, out.shape[1:-1])
        tiles = _tiles(out.shape[1:-1], view.size * x.itemsize, xp is np)

        def tile(index: int) -> None:
            places, columns = im2col(view, *tiles[index], groups)
            xp.matmul(matrix, columns, out=result[:, :, places])
            if bias is not None:
                result[:, :, places] += bias.reshape(groups, -1, 1)
            if relu:
                xp.maximum(result[:, :, places], 0, out=result[:, :, places])

        threads.run(tile, len(tiles), x)

    def backward_weight(
        self, x: Array, grad: Array, window: Window, groups: int, grad_weight: Array, grad_bias: Array | None = None
    ) -> None:
        """grad_weight[o, i, tap] = sum over places and images of grad[o] · x[i at tap]; in an order that is fixed.

        grad_bias (O,), where it is given, becomes the same as by `backward_bias`.

        Computed as the product grad · columnsᵀ, the tiles added up in their order.

        With few output channels that product is too thin for BLAS. So R neighbouring output rows are taken together, as
        if each were a channel of its own, over a window that reaches over the input rows of all R; the parts of the
        product that belong to the R rows are then added up.
        """
        xp = module_of(x)
        outputs, outs = grad.shape[1:-1], grad_weight.shape[0] // groups
        rows, tall = _rows_together(window, outputs, outs)
        grads = grad.reshape(groups, outs, outputs[0] // rows, rows, -1).swapaxes(2, 3)  # (G, O/G, R, rows/R, rest·N)
        grads = grads.reshape(groups, outs * rows, -1)  # (G, O/G·R, L/R): a copy where R > 1
        view = window_view(padded(x, window, 0), tall, (outputs[0] // rows, *outputs[1:]))
        tiles = _tiles((outputs[0] // rows, *outputs[1:]), view.size * x.itemsize, xp is np)
        shape = (groups, outs * rows, grad_weight.shape[1] * math.prod(tall.kernel))  # (G, O/G·R, I/G·K)
        parts = empty((len(tiles), *shape), x)

        def tile(index: int) -> None:
            places, columns = im2col(view, *tiles[index], groups)
            xp.matmul(grads[:, :, places], columns.swapaxes(1, 2), out=parts[index])

        threads.run(tile, len(tiles), x)
        by_row = parts.sum(axis=0).reshape(
            grad_weight.shape[0], rows, grad_weight.shape[1], *tall.kernel
        )  # (O, R, I/G, tall kernel...)
        grad_weight.fill(0)
        for row in range(rows):
            start = row * window.stride[0]
            grad_weight += by_row[:, row, :, start : start + window.kernel[0]]
        if grad_bias is not None:
            self.backward_bias(grad, grad_bias)

    def backward_bias(self, grad: Array, out: Array) -> None:
        """out (O,) = the sum of grad over places and images."""
        module_of(grad).sum(grad.reshape(grad.shape[0], -1), axis=1, out=out)

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        """out (I, spatial..., N) = for each pixel the sum of weight[o, i, tap] · grad[o] over the taps that read it.

        Computed as the product weightᵀ · grad: columns, which are added up where they came from.

        A tile is a range of one group's input channels, so that tiles share no pixel.
        """
        outputs, images, outs = grad.shape[1:-1], grad.shape[-1], weight.shape[0] // groups
        matrix = weight.reshape(groups, outs, weight.shape[1], -1)  # (G, O/G, I/G, K)
        grads = grad.reshape(groups, outs, -1)  # (G, O/G, L)
        channels = out.reshape(groups, weight.shape[1], *out.shape[1:])  # (G, I/G, spatial..., N)
        ranges = _tiles(weight.shape[1:], weight[0].size * grads[0, 0].nbytes, module_of(grad) is np)

        def tile(index: int) -> None:
            group, (start, stop) = index // len(ranges), ranges[index % len(ranges)]
            columns = empty((stop - start, *window.kernel, *outputs, images), grad)
            by_tap = matrix[group, :, start:stop].reshape(outs, -1)  # (O/G, channels·K)
            module_of(grad).matmul(by_tap.T, grads[group], out=columns.reshape(by_tap.shape[1], -1))
            col2im(columns, window, channels[group, start:stop])

        threads.run(tile, groups * len(ranges), grad)


def padded(x: Array, window: Window, value: float) -> Array:
    """x with the window's padding; x itself where there is none."""
    return bordered(x, ((0, 0), *window.padding, (0, 0)), value) if any(map(any, window.padding)) else x


def bordered(x: Array, sides: Sides, value: float) -> Array:
    """x with (before, after) more elements of `value` along each of its axes."""
    befores, afters = zip(*sides, strict=True)
    ends = tuple(map(operator.add, befores, x.shape))
    out = empty(tuple(map(operator.add, ends, afters)), x)
    inside = tuple(map(slice, befores, ends))
    for axis, (before, end) in enumerate(zip(befores, ends, strict=True)):  # the borders first, the inside last
        if before:
            out[(*inside[:axis], slice(0, before))] = value
        if end < out.shape[axis]:
            out[(*inside[:axis], slice(end, None))] = value
    out[inside] = x
    return out


def window_view(x: Array, window: Window, outputs: Sizes) -> Array:
    """What every tap reads of the padded x for every output: a view (C, kernel..., outputs..., N), pixels repeated."""
    channels, *steps, images = x.strides
    by_tap, by_output = map(operator.mul, steps, window.dilation), map(operator.mul, steps, window.stride)
    shape = (x.shape[0], *window.kernel, *outputs, x.shape[-1])
    return module_of(x).lib.stride_tricks.as_strided(x, shape, (channels, *by_tap, *by_output, images))


def im2col(view: Array, start: int, stop: int, groups: int) -> tuple[slice, Array]:
    """The places of outputs `start` to `stop` along the first axis of a view, and their columns (G, I/G·K, places)."""
    axes = (view.ndim - 2) // 2
    part = view[(slice(None),) * (1 + axes) + (slice(start, stop),)]
    row = math.prod(view.shape[2 + axes :])  # places in one row of the first output axis
    columns = empty(part.shape, part)
    module_of(part).copyto(columns, part)
    return slice(start * row, stop * row), columns.reshape(groups, -1, (stop - start) * row)


def col2im(columns: Array, window: Window, out: Array) -> None:
    """Add columns (C, kernel..., outputs..., N) up into the pixels they came from: out (C, spatial..., N), unpadded.

    Runs tap by tap, each a gather of whole rows, so the order of the sums is fixed.
    """
    sizes, outputs = out.shape[1:-1], columns.shape[1 + len(window.kernel) : -1]
    by_tap = columns.reshape(out.shape[0], -1, *outputs, out.shape[-1])  # (C, K, outputs..., N)
    out.fill(0)
    for tap, (inside, places) in enumerate(unpadded_places(window, sizes, outputs)):
        target = out[(slice(None), *inside)]
        target += by_tap[(slice(None), tap, *places)]


@cached_by_shape
def _tiles(lengths: Sizes, columns_bytes: int, on_cpu: bool) -> tuple[tuple[int, int], ...]:
    """Ranges of the first of `lengths`, for columns of so many bytes.

    An even number of them, so that two threads share them evenly.
    """
    if not on_cpu:
        return split(lengths[0], -(-columns_bytes // GPU_TILE_BYTES))
    return split(lengths[0], 2 * -(-columns_bytes // (2 * CPU_TILE_BYTES)) if columns_bytes > WORTH_SHARING else 1)


@cached_by_shape
def _rows_together(window: Window, outputs: Sizes, outs: int) -> tuple[int, Window]:
    """How many output rows to take together: enough to make the product WIDE, at no more than twice the work.

    And the window that reaches over the input rows of all of them, and moves on by as many.
    """
    stride, most = window.stride[0], min(WIDE // outs, 1 + window.kernel[0] // window.stride[0])
    if window.dilation[0] > 1 or most < 2:
        return 1, window
    rows = max(rows for rows in range(1, most + 1) if outputs[0] % rows == 0)
    kernel = (window.kernel[0] + (rows - 1) * stride, *window.kernel[1:])
    return rows, Window(kernel, (stride * rows, *window.stride[1:]), window.padding, window.dilation)
