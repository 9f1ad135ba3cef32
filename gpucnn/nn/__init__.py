"""Modules, layers and initial weights; names are PyTorch's."""

from gpucnn.nn import activation, containers, init, layer, layers, module, normalization, subsampling
from gpucnn.nn.activation import *
from gpucnn.nn.containers import *
from gpucnn.nn.layer import *
from gpucnn.nn.layers import *
from gpucnn.nn.module import *
from gpucnn.nn.normalization import *
from gpucnn.nn.subsampling import *

globals().update(activation.OTHERS)

# By the name a configuration gives them.
LAYERS: dict[str, type[Layer]] = {
    layer.kind: layer
    for layer in list(vars().values())
    if isinstance(layer, type) and issubclass(layer, Layer) and hasattr(layer, "kind") and layer is not Sequential
}

_FILES = (activation, containers, layer, layers, module, normalization, subsampling)
__all__ = ["LAYERS", "init"]
__all__ += sorted(name for file in _FILES for name in file.__all__)
