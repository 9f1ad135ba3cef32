"""Matrix products: small ones by a kernel that adds the bias and clips in the same launch, large ones by cuBLAS."""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, module_of
from gpucnn.kernels.cuda import cublas, program
from gpucnn.kernels.cuda.plans import struct
from gpucnn.kernels.cuda.sums import row_sums

# Up to where the kernels here are taken, which pass over every operand once per tile. Reckoned, not measured.
MOST_PRODUCTS = 1 << 26  # multiply-adds
MOST_DEPTH = 1 << 10  # of a sum, which is not split over blocks
ENOUGH_BLOCKS = 132  # of the larger tile: with fewer, the smaller one keeps more of a GPU busy
THREADS = 256  # in a block of any kernel here


def matmul(a: Array, b: Array, out: Array, bias: Array | None = None, least: float = -math.inf) -> None:
    """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N; at least `least`.

    `a` and `b` are C-contiguous, or the transposes of such; anything else is copied.
    """
    if not out.size:
        return
    if _is_small(out.size, a.shape[-1]):
        _small(a, b, bias, least, out)
        return
    result = out.reshape(-1, *out.shape[-2:])  # (B, M, N)
    cublas.multiply(_stack(a), _stack(b), result)
    finish(result, bias, least)


def matmul_and_row_sums(a: Array, b: Array, out: Array, sums: Array) -> None:
    """out (M, N) = a (M, K) @ b (K, N), and sums (M,) = the sum of each row of a."""
    if _is_small(out.size + len(a), a.shape[-1]):
        _small(a, b, None, -math.inf, out, sums)
        return
    matmul(a, b, out)
    row_sums(a, sums)


def finish(x: Array, bias: Array | None, least: float) -> None:
    """Add bias (M,) to x (B, M, N) along B and N, and raise it to at least `least`, in place."""
    if bias is not None or least > -math.inf:
        batch, rows, columns = x.shape
        blocks = -(-columns // THREADS)
        arguments = (blocks, rows, columns, bias, float(least), x)
        program.launch("gemm", "finish", x.dtype, (batch * rows * blocks,), (THREADS,), *arguments)


def product(a: Array, b: Array) -> Array:
    """a @ b by NumPy's rules. Raises ValueError where the shapes do not fit."""
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
    matmul(left, xp.broadcast_to(right, (*batch, *right.shape[-2:])), out)
    if a.ndim == 1:
        out = out[..., 0, :]
    return out[..., 0] if b.ndim == 1 else out


def _is_small(results: int, depth: int) -> bool:
    return results * depth <= MOST_PRODUCTS and depth <= MOST_DEPTH


def _small(a: Array, b: Array, bias: Array | None, least: float, out: Array, a_sums: Array | None = None) -> None:
    """The product in one launch, and the sums of a's rows where they are asked for."""
    rows, columns = out.shape[-2:]
    batch, depth = out.size // (rows * columns), a.shape[-1]
    width = columns if a_sums is None else columns + 1
    side = 32 if batch * -(-rows // 32) * -(-width // 32) >= ENOUGH_BLOCKS else 8
    tiles = (-(-rows // side), -(-width // side))
    (left, a_turned), (right, b_turned) = _lying(a), _lying(b)
    steps = (rows * depth if a.ndim > 2 else 0, depth * columns if b.ndim > 2 else 0)
    plan = struct([rows, columns, depth, a_turned, b_turned, *tiles, *steps])
    blocks = batch * math.prod(tiles)
    arguments = (plan, left, right, bias, float(least), out, a_sums)
    program.launch("gemm", f"matmul_{side}x{side}", out.dtype, (blocks,), (THREADS,), *arguments)


def _lying(x: Array) -> tuple[Array, bool]:
    """x as it lies in memory, and whether that is transposed; a copy where it is neither."""
    if not x.flags.c_contiguous and x.swapaxes(-1, -2).flags.c_contiguous:
        return x.swapaxes(-1, -2), True
    return program.contiguous(x), False


def _stack(x: Array) -> Array:
    """x (..., R, C) as (B, R, C): a view of it, or of a copy where it lies neither straight nor transposed."""
    lying, turned = _lying(x)
    stack = lying.reshape(-1, *lying.shape[-2:])
    return stack.swapaxes(-1, -2) if turned else stack
