"""Matrix products: small ones by a kernel that adds the bias and clips in the same launch, large ones by cuBLAS."""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import cublas, program
from gpucnn.kernels.cuda.plans import struct
from gpucnn.kernels.cuda.sums import row_sums

# The largest products for the kernels here, which read every operand once per tile; on an H200 cuBLAS is faster beyond.
MOST_PRODUCTS = 1 << 24  # multiply-adds
MOST_DEPTH = 1 << 10  # of a sum, which is not split over blocks
SIDES, SMALLEST_SIDE = (32, 16), 8  # of the tiles, which are square
ENOUGH_BLOCKS = 132  # of a tile: with fewer, a smaller one keeps more of a GPU busy
THREADS = 256  # in a block of any kernel here


class Gemm(numpy.Gemm):
    def matmul(self, a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> None:
        if not out.size:
            return
        if is_small(out.size, a.shape[-1]):
            _small(a, b, bias, relu, out)
            return
        result = out.reshape(-1, *out.shape[-2:])  # (B, M, N)
        cublas.multiply(_stack(a), _stack(b), result)
        finish(result, bias, relu)

    def matmul_and_row_sums(self, a: Array, b: Array, out: Array, sums: Array) -> None:
        if is_small(out.size + len(a), a.shape[-1]):
            _small(a, b, None, False, out, sums)
            return
        self.matmul(a, b, out)
        row_sums(a, sums)

    def row_sums(self, rows: Array, out: Array) -> None:
        row_sums(rows, out)

    def product(self, a: Array, b: Array) -> Array:
        xp = module_of(a)
        dtype: Any = np.result_type(a.dtype, b.dtype)
        if dtype.name not in program.REALS or not (a.ndim and b.ndim):
            return xp.matmul(a, b)
        left = (a if a.ndim > 1 else a[None, :]).astype(dtype, copy=False)
        right = (b if b.ndim > 1 else b[:, None]).astype(dtype, copy=False)
        if left.shape[-1] != right.shape[-2]:
            raise ValueError(f"sums over {left.shape[-1]} and over {right.shape[-2]} numbers")
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        if left.ndim > 2:
            left = xp.broadcast_to(left, (*batch, *left.shape[-2:]))
        out = empty((*batch, left.shape[-2], right.shape[-1]), a, dtype)
        self.matmul(left, xp.broadcast_to(right, (*batch, *right.shape[-2:])), out)
        if a.ndim == 1:
            out = out[..., 0, :]
        return out[..., 0] if b.ndim == 1 else out


def finish(x: Array, bias: Array | None, relu: bool) -> None:
    """Add bias (M,) to x (B, M, N) along B and N, and with `relu` set what is below 0 to 0, in place."""
    if bias is not None or relu:
        batch, rows, columns = x.shape
        blocks = -(-columns // THREADS)
        arguments = (blocks, rows, columns, bias, int(relu), x)
        program.launch("gemm", "finish", x.dtype, (batch * rows * blocks,), (THREADS,), *arguments)


def is_small(results: int, depth: int) -> bool:
    """Whether the kernels here compute a product of so many results, each summed over `depth`."""
    return results * depth <= MOST_PRODUCTS and depth <= MOST_DEPTH


def fitting_side(batch: int, shapes: list[tuple[int, int]]) -> int:
    """The side of the tiles of a launch that computes `batch` products of each of these shapes."""
    blocks = (sum(-(-rows // side) * -(-columns // side) for rows, columns in shapes) * batch for side in SIDES)
    return next((side for side, count in zip(SIDES, blocks, strict=True) if count >= ENOUGH_BLOCKS), SMALLEST_SIDE)


def _small(a: Array, b: Array, bias: Array | None, relu: bool, out: Array, a_sums: Array | None = None) -> None:
    """The product in one launch, and the sums of a's rows where they are asked for."""
    rows, columns = out.shape[-2:]
    batch, depth = out.size // (rows * columns), a.shape[-1]
    width = columns if a_sums is None else columns + 1
    side = fitting_side(batch, [(rows, width)])
    tiles = (-(-rows // side), -(-width // side))
    (left, a_turned), (right, b_turned) = _lying(a), _lying(b)
    steps = (rows * depth if a.ndim > 2 else 0, depth * columns if b.ndim > 2 else 0)
    plan = struct([rows, columns, depth, a_turned, b_turned, *tiles, *steps])
    blocks = batch * math.prod(tiles)
    arguments = (plan, left, right, bias, int(relu), out, a_sums)
    program.launch("gemm", f"matmul_{side}x{side}", out.dtype, (blocks,), (THREADS,), *arguments)


def _lying(x: Array) -> tuple[Array, bool]:
    """x in C order and whether that is its transpose; a copy where neither x nor its transpose is in C order."""
    if not x.flags.c_contiguous and x.swapaxes(-1, -2).flags.c_contiguous:
        return x.swapaxes(-1, -2), True
    return program.contiguous(x), False


def _stack(x: Array) -> Array:
    """x (..., R, C) as (B, R, C): a view of it, or of a copy where neither x nor its transpose is in C order."""
    lying, turned = _lying(x)
    stack = lying.reshape(-1, *lying.shape[-2:])
    return stack.swapaxes(-1, -2) if turned else stack
