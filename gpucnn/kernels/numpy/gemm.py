"""Matrix products, the large ones cut into tiles of rows for the pool of threads."""

import math

from gpucnn import threads
from gpucnn.backend import Array, module_of
from gpucnn.geometry import split

TILE_PRODUCTS = 1 << 22  # multiply-adds that outweigh waking a thread, about 50 microseconds
MOST_TILES = 16


def matmul(a: Array, b: Array, out: Array, bias: Array | None = None, least: float = -math.inf) -> None:
    """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N; at least `least`."""
    xp = module_of(out)
    tiles = split(out.shape[-2], min(MOST_TILES, 2 * (a.shape[-1] * out.size // (2 * TILE_PRODUCTS))))

    def tile(index: int) -> None:
        start, stop = tiles[index]
        xp.matmul(a[..., start:stop, :], b, out=out[..., start:stop, :])
        if bias is not None:
            out[..., start:stop, :] += bias[start:stop, None]
        if least > -math.inf:
            xp.maximum(out[..., start:stop, :], least, out=out[..., start:stop, :])

    threads.run(tile, len(tiles), out)


def matmul_and_row_sums(a: Array, b: Array, out: Array, sums: Array) -> None:
    """out (M, N) = a (M, K) @ b (K, N), and sums (M,) = the sum of each row of a."""
    matmul(a, b, out)
    module_of(a).sum(a, axis=1, out=sums)


def product(a: Array, b: Array) -> Array:
    """a @ b by NumPy's rules. Raises ValueError where the shapes do not fit."""
    return module_of(a).matmul(a, b)
