"""Matrix products, the large ones cut into tiles of rows for the pool of threads, and a linear layer's gradients."""

from gpucnn import threads
from gpucnn.backend import Array, module_of, written_by
from gpucnn.geometry import split
from gpucnn.kernels.interface import Gradients
from gpucnn.kernels.numpy.activation import Activation

TILE_PRODUCTS = 1 << 22  # multiply-adds that outweigh waking a thread, about 50 microseconds
MOST_TILES = 16


class Gemm:
    """Matrix products, and sums of rows. Factors in C order, and transposes of such, are read without a copy."""

    def matmul(self, a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> None:
        """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N; with `relu` at least 0."""
        xp = module_of(out)
        tiles = split(out.shape[-2], min(MOST_TILES, 2 * (a.shape[-1] * out.size // (2 * TILE_PRODUCTS))))

        def tile(index: int) -> None:
            start, stop = tiles[index]
            xp.matmul(a[..., start:stop, :], b, out=out[..., start:stop, :])
            if bias is not None:
                out[..., start:stop, :] += bias[start:stop, None]
            if relu:
                xp.maximum(out[..., start:stop, :], 0, out=out[..., start:stop, :])

        threads.run(tile, len(tiles), out)

    def matmul_and_row_sums(self, a: Array, b: Array, out: Array, sums: Array) -> None:
        """out (M, N) = a (M, K) @ b (K, N), and sums (M,) = the sum of each row of a."""
        self.matmul(a, b, out)
        self.row_sums(a, sums)

    def row_sums(self, rows: Array, out: Array) -> None:
        """out (C,) = the sum of each row of (C, L), added up in an order that depends on their shape alone."""
        module_of(rows).sum(rows, axis=1, out=out)

    def total(self, x: Array) -> Array:
        """The sum of all elements, ()."""
        return module_of(x).asarray(x.sum())

    def product(self, a: Array, b: Array) -> Array:
        """a @ b by the rules of NumPy. Raises ValueError where the shapes do not fit."""
        return module_of(a).matmul(a, b)


class Linear:
    """The linear map's gradients; a set gives the kernels of its own."""

    def __init__(self, gemm: Gemm, activation: Activation) -> None:
        self.gemm, self.activation = gemm, activation

    def backward(self, x: Array, weight: Array, y: Array | None, grad: Array, into: Gradients) -> None:
        """Write the gradients by x (F, N), weight (O, F) and bias (O,) into `into`, from `grad` (O, N).

        y: the result, where it went through ReLU.
        """
        by_x, by_weight, by_bias = into
        if y is not None:
            grad = written_by(self.activation.relu_backward, grad.shape, grad, y)
        if by_weight is not None and by_bias is not None:
            self.gemm.matmul_and_row_sums(grad, x.T, by_weight, by_bias)
        elif by_weight is not None:
            self.gemm.matmul(grad, x.T, by_weight)
        elif by_bias is not None:
            self.gemm.row_sums(grad, by_bias)
        if by_x is not None:
            self.gemm.matmul(weight.T, grad, by_x)
