"""Convolution as a matrix of what every tap reads, and products by cuBLAS. Shapes as in numpy.Conv.

The matrix is made in tiles of bounded memory: of places, or of input channels where pixels must not be shared.
"""

import math
from collections.abc import Iterator

from gpucnn.backend import Array, empty
from gpucnn.geometry import Window, split
from gpucnn.kernels.cuda import cublas, gemm, plans, program

TILE_BYTES = 1 << 28  # a GPU computes fastest in as few pieces as its memory allows


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array) -> None:
    """As Conv.forward: weight · columns."""
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, I/G·K)
    result = out.reshape(groups, weight.shape[0] // groups, -1)  # (G, O/G, L)
    for places, columns in _tiles(x, window, groups):
        cublas.multiply(matrix, columns, result[:, :, places])
    gemm.finish(out.reshape(1, len(out), -1), bias, relu)


def backward_weight(x: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """As Conv.backward_weight, without the bias: grad · columnsᵀ, the tiles added up in their order."""
    grads = grad.reshape(groups, out.shape[0] // groups, -1)  # (G, O/G, L)
    result = out.reshape(groups, out.shape[0] // groups, -1)  # (G, O/G, I/G·K)
    for places, columns in _tiles(x, window, groups):
        cublas.multiply(grads[:, :, places], columns.swapaxes(1, 2), result, add=places.start > 0)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """As Conv.backward_input: columns weightᵀ · grad, of which each pixel sums those that read it."""
    outs, taps = weight.shape[0] // groups, math.prod(window.kernel)
    matrix = weight.reshape(groups, outs, weight.shape[1], taps)  # (G, O/G, I/G, K)
    grads = grad.reshape(groups, outs, -1)  # (G, O/G, L)
    quads, channel_bytes = program.quads(grad, out), groups * taps * grads[0, 0].nbytes
    for first, stop in split(weight.shape[1], -(-weight.shape[1] * channel_bytes // TILE_BYTES)):
        columns = empty((groups, (stop - first) * taps, grads.shape[-1]), grad)
        by_tap = matrix[:, :, first:stop].reshape(groups, outs, -1)  # (G, O/G, channels·K)
        cublas.multiply(by_tap.swapaxes(1, 2), grads, columns)
        _launch(plans.from_columns(window, out.shape, groups, first, stop - first, quads), columns, out)


def _tiles(x: Array, window: Window, groups: int) -> Iterator[tuple[slice, Array]]:
    """Ranges of the L places and images, and what every tap reads there: columns (G, I/G·K, places·N)."""
    places, images = math.prod(window.output_sizes(x.shape[1:-1])), x.shape[-1]
    rows, quads = len(x) * math.prod(window.kernel), program.quads(x)
    for start, stop in split(places, -(-rows * places * images * x.itemsize // TILE_BYTES)):
        columns = empty((groups, rows // groups, (stop - start) * images), x)
        _launch(plans.to_columns(window, x.shape, groups, start, stop - start, quads), x, columns)
        yield slice(start * images, stop * images), columns


def _launch(launch: plans.Launch, source: Array, out: Array) -> None:
    program.launch("conv", launch.kernel, out.dtype, (launch.blocks,), (launch.threads,), launch.plan, source, out)
