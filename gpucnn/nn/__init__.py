"""Modules, layers and initial weights; names are PyTorch's."""

from types import ModuleType
from typing import Any

from gpucnn.nn import activation, init
from gpucnn.nn.activation import *
from gpucnn.nn.branches import *
from gpucnn.nn.containers import *
from gpucnn.nn.group_normalization import *
from gpucnn.nn.layer import *
from gpucnn.nn.layers import *
from gpucnn.nn.losses import *
from gpucnn.nn.module import *
from gpucnn.nn.normalization import *
from gpucnn.nn.others import *
from gpucnn.nn.prelu import *
from gpucnn.nn.resampling import *
from gpucnn.nn.subsampling import *
from gpucnn.nn.transposed_convolution import *
from gpucnn.tensor.absent import missing

globals().update(activation.OTHERS)

# By the name a configuration gives them.
LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in list(vars().values())
    if isinstance(layer, type) and issubclass(layer, Layer) and hasattr(layer, "kind") and layer is not Sequential
}

# The files above, which `import *` makes names of this package.
_FILES = [file for file in vars().copy().values() if isinstance(file, ModuleType) and hasattr(file, "__all__")]
__all__ = ["LAYERS", "init"]
__all__ += sorted(name for file in _FILES for name in file.__all__)


def __getattr__(name: str) -> Any:
    """Say what to use in place of PyTorch's modules that are not here."""
    raise AttributeError(missing("nn", name, globals()))
