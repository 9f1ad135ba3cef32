"""Operations of convolutional networks; names and argument order are PyTorch's.

Shapes in the documentation are logical, (N, C, H, W); inside the Functions images lie as (C, H, W, N). Each wrapper
checks what it is given and raises ShapeError with the shapes in its message.
"""

from gpucnn.functional.activation import (
    ACTIVATIONS,
    dropout,
    leaky_relu,
    log_softmax,
    relu,
    scaled_tanh,
    sigmoid,
    softmax,
    tanh,
)
from gpucnn.functional.convolution import conv1d, conv2d, conv3d, flatten, linear
from gpucnn.functional.loss import cross_entropy, mse_loss
from gpucnn.functional.normalization import batch_norm
from gpucnn.functional.padding import PadMode, pad
from gpucnn.functional.pooling import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from gpucnn.functional.subsampling import subsample2d

globals().update(ACTIVATIONS)

__all__ = [
    "PadMode",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "conv1d",
    "conv2d",
    "conv3d",
    "cross_entropy",
    "dropout",
    "flatten",
    "global_avg_pool2d",
    "global_max_pool2d",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mse_loss",
    "pad",
    "relu",
    "scaled_tanh",
    "sigmoid",
    "softmax",
    "subsample2d",
    "tanh",
]
