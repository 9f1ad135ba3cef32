"""Layers that work place by place, without weights: activations, dropout, flatten."""

from gpucnn import functional as F
from gpucnn.errors import InputError
from gpucnn.nn.layer import Layer
from gpucnn.tensor import Tensor


class ReLU(Layer):
    """max(x, 0)"""

    kind = "relu"

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.relu(x)


class LeakyReLU(Layer):
    """x where x > 0, else negative_slope · x"""

    kind = "leaky_relu"

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.leaky_relu(x, self.negative_slope)


class Tanh(Layer):
    """The hyperbolic tangent"""

    kind = "tanh"

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.tanh(x)


class ScaledTanh(Layer):
    """1.7159 · tanh(2x / 3), LeNet-5's activation"""

    kind = "scaled_tanh"

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.scaled_tanh(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x))"""

    kind = "sigmoid"

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.sigmoid(x)


class Softmax(Layer):
    """Probabilities along axis `dim` of (N, C, ...)"""

    kind = "softmax"

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.softmax(x, self.dim)


class LogSoftmax(Layer):
    """Logarithms of probabilities along axis `dim` of (N, C, ...)"""

    kind = "log_softmax"

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.log_softmax(x, self.dim)


class Dropout(Layer):
    """Elements dropped with probability p in training, the others divided by 1 - p. InputError unless 0 <= p < 1."""

    kind = "dropout"

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p < 1:
            raise InputError(f"dropout: p is {p}; expected a probability of at least 0 and less than 1")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout(x, self.p, self.training)
