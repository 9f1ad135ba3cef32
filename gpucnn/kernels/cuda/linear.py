"""The gradients of a small linear layer in one launch."""

import math

from gpucnn.backend import Array
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import gemm, program
from gpucnn.kernels.cuda.plans import struct
from gpucnn.kernels.interface import Gradients

SIDES = (8, 16)  # of the kernels' tiles: products that fill larger ones take longer than the launches between them


class Linear(numpy.Linear):
    def backward(self, x: Array, weight: Array, y: Array | None, grad: Array, into: Gradients) -> None:
        by_x, by_weight, by_bias = into
        (outs, features), images = weight.shape, x.shape[1]
        if by_weight is None or not (gemm.is_small(weight.size, images) and gemm.is_small(x.size, outs)):
            super().backward(x, weight, y, grad, into)
            return
        shapes = [(outs, features + (by_bias is not None))] + [(features, images)] * (by_x is not None)
        side = gemm.fitting_side(1, shapes)
        if side not in SIDES:
            super().backward(x, weight, y, grad, into)
            return
        tiles = [(-(-rows // side), -(-columns // side)) for rows, columns in shapes]
        weights = struct([outs, features, images, False, True, *tiles[0], 0, 0])
        inputs = struct([features, images, outs, True, False, *tiles[-1], 0, 0])
        arguments = (weights, inputs, math.prod(tiles[0]), grad, y, x, weight, by_weight, by_bias, by_x)
        blocks = sum(map(math.prod, tiles))
        name = f"linear_gradients_{side}x{side}"
        program.launch("gemm", name, grad.dtype, (blocks,), (gemm.THREADS,), *arguments)
