"""PReLU, the activation whose slope below 0 is trained."""

import numpy as np

from gpucnn import functional as F
from gpucnn.geometry import Sizes
from gpucnn.nn.layer import Layer, check_count, check_features
from gpucnn.nn.module import Parameter
from gpucnn.tensor import Tensor

__all__ = ["PReLU"]


class PReLU(Layer):
    """x where x > 0, else weight · x; weight (num_parameters,) begins at `init`. See functional.prelu.

    `num_parameters` is 1, or the number of channels; in a configuration it is the latter.
    """

    kind, inferred = "prelu", "num_parameters"

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = check_count(self.kind, "num_parameters", num_parameters)
        self.weight = Parameter(np.full(num_parameters, init, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.prelu(x, self.weight)

    def output_shape(self, shape: Sizes) -> Sizes:
        """The input's shape, checked."""
        if self.num_parameters > 1:
            check_features(self.kind, shape, self.num_parameters, "num_parameters")
        return shape
