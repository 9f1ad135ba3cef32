"""Matrix products, cut into tiles of rows for the pool of threads."""

from gpucnn.backend import Array, module_of
from gpucnn.geometry import split
from gpucnn.kernels import threads

TILE_PRODUCTS = 1 << 20  # multiply-adds that outweigh handing a tile to another thread


def matmul(a: Array, b: Array, out: Array) -> None:
    """out (..., M, N) = a (M, K) @ b (..., K, N)."""
    xp = module_of(out)
    tiles = split(a.shape[0], _tiles(a.shape[1] * out.size))

    def tile(index: int) -> None:
        start, stop = tiles[index]
        xp.matmul(a[start:stop], b, out=out[..., start:stop, :])

    threads.run(tile, len(tiles), out)


def sum_of_products(a: Array, b: Array, out: Array) -> None:
    """out (M, K) = the sum over the leading axes of a (..., M, N) @ b (..., K, N)ᵀ."""
    xp = module_of(out)
    tiles = split(out.shape[0], _tiles(a.size * b.shape[-2]))

    def tile(index: int) -> None:
        start, stop = tiles[index]
        if a.ndim == 2:
            xp.matmul(a[start:stop], b.T, out=out[start:stop])
        else:
            products = xp.matmul(a[..., start:stop, :], b.swapaxes(-1, -2))  # (..., m, K)
            out[start:stop] = products.sum(axis=tuple(range(a.ndim - 2)))

    threads.run(tile, len(tiles), out)


def _tiles(products: int) -> int:
    """How many tiles a number of multiply-adds is worth: at most eight, as the number of threads must not matter."""
    return min(8, products // TILE_PRODUCTS)
