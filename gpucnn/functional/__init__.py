"""Operations of convolutional networks; names and argument order are PyTorch's.

Shapes in the documentation are logical, (N, C, H, W); inside the Functions images lie as (C, H, W, N). Each function
checks its inputs and raises ShapeError, with the shapes in the message.
"""

from types import ModuleType
from typing import Any

from gpucnn.functional import activation
from gpucnn.functional.activation import *
from gpucnn.functional.adaptive_pooling import *
from gpucnn.functional.convolution import *
from gpucnn.functional.group_normalization import *
from gpucnn.functional.interpolation import *
from gpucnn.functional.loss import *
from gpucnn.functional.more_activations import *
from gpucnn.functional.more_losses import *
from gpucnn.functional.normalization import *
from gpucnn.functional.padding import *
from gpucnn.functional.pooling import *
from gpucnn.functional.subsampling import *
from gpucnn.functional.transposed_convolution import *
from gpucnn.tensor import Tensor
from gpucnn.tensor.absent import missing
from gpucnn.tensor.view import in_place

globals().update(activation.ACTIVATIONS)
for _name in ("relu", "sigmoid", "tanh", "softmax", "log_softmax"):  # methods of PyTorch's Tensor too
    setattr(Tensor, _name, getattr(activation, _name))
for _name in ("relu", "sigmoid", "tanh"):
    setattr(Tensor, f"{_name}_", in_place(getattr(activation, _name)))


def __getattr__(name: str) -> Any:
    """Say what to use in place of PyTorch's functions that are not here."""
    raise AttributeError(missing("functional", name, globals()))


# The files above, which `import *` makes names of this package.
_FILES = [file for file in vars().copy().values() if isinstance(file, ModuleType) and hasattr(file, "__all__")]
__all__ = sorted(name for file in _FILES for name in file.__all__)
