"""LeNet-5's subsampling layer."""

import numpy as np

from gpucnn import functional as F
from gpucnn.functional.pooling import pooling_window
from gpucnn.geometry import PerAxis, Sizes, Sliding, Window, hashable
from gpucnn.nn.layer import Layer, check_count, check_features
from gpucnn.nn.module import Parameter
from gpucnn.tensor import Tensor

__all__ = ["Subsample2d"]


class Subsample2d(Layer):
    """coefficient · mean + bias of each window of (N, C, H, W), windows side by side; see functional.subsample2d.

    coefficient, which begins at 1, and bias, at 0: (num_features,).
    """

    kind, inferred = "subsample2d", "num_features"

    def __init__(self, num_features: int, kernel_size: PerAxis = 2) -> None:
        self.num_features, self.kernel_size = (
            check_count(self.kind, "num_features", num_features),
            hashable(kernel_size),
        )
        self.coefficient = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, OH, OW)."""
        return F.subsample2d(x, self.coefficient, self.bias, self.kernel_size)

    def output_shape(self, shape: Sizes) -> Sizes:
        """(C, OH, OW) for (C, H, W)."""
        sizes = self.window(shape).output_sizes(shape[1:])
        check_features(self.kind, shape, self.num_features)
        return (self.num_features, *sizes)

    def window(self, shape: Sizes) -> Window:
        """The window whose mean is taken."""
        return pooling_window(self.kind, 2, (1, *shape), self.kernel_size, Sliding(self.kernel_size))
