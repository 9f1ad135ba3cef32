"""The gradients of a linear layer, by the kernels of products and activations."""

from gpucnn.backend import Array, written_by
from gpucnn.kernels.numpy.activation import Activation
from gpucnn.kernels.numpy.gemm import Gemm


class Linear:
    """The linear map's gradients; a set gives the kernels of its own."""

    def __init__(self, gemm: Gemm, activation: Activation) -> None:
        self.gemm, self.activation = gemm, activation

    def backward(
        self,
        x: Array,
        weight: Array,
        y: Array | None,
        grad: Array,
        by_x: Array | None,
        by_weight: Array | None,
        by_bias: Array | None,
    ) -> None:
        """The gradients by x (F, N), weight (O, F) and bias (O,), each where it is not None, from `grad` (O, N).

        y: the result, where it went through ReLU.
        """
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
