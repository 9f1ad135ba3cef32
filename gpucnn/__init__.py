"""gpucnn: convolutional networks on NumPy or on a GPU, from one YAML file.

`import gpucnn` brings tensors, layers and optimizers; the trainer and what reads files are imported when first used.
"""

import importlib
from typing import Any

import numpy as np

from gpucnn import filters, functional, nn, notebook, optim
from gpucnn.backend import device, set_device
from gpucnn.errors import InputError
from gpucnn.generators import manual_seed
from gpucnn.tensor import FUNCTIONS, Function, Tensor, check_gradients, concatenate, is_grad_enabled, no_grad, stack
from gpucnn.tensor.absent import missing
from gpucnn.tensor.exchange import from_dlpack
from gpucnn.version import __version__

__all__ = [
    "Function",
    "InputError",
    "Tensor",
    "Trainer",
    "__version__",
    "capture",
    "check_gradients",
    "concatenate",
    "data",
    "device",
    "explain",
    "export",
    "filters",
    "from_dlpack",
    "functional",
    "is_grad_enabled",
    "load",
    "load_into",
    "load_state_dict",
    "manual_seed",
    "nn",
    "no_grad",
    "notebook",
    "optim",
    "save",
    "set_device",
    "stack",
    "torch_state_dict",
]

_LATER = {
    "Trainer": ("gpucnn.training", "Trainer"),
    "capture": ("gpucnn.training", "capture"),
    "load": ("gpucnn.runs", "load"),
    "load_into": ("gpucnn.training", "load_into"),
    "load_state_dict": ("gpucnn.training", "load_state_dict"),
    "torch_state_dict": ("gpucnn.training", "torch_state_dict"),
    "save": ("gpucnn.training", "save"),
    "data": ("gpucnn.data", None),
    "explain": ("gpucnn.explain", None),
    "export": ("gpucnn.export", None),
}


# PyTorch's functions: gpucnn.zeros, gpucnn.exp, gpucnn.where, ... Its dtypes are NumPy's here.
globals().update(FUNCTIONS)
float32, float64, int32, int64, uint8 = map(np.dtype, ("float32", "float64", "int32", "int64", "uint8"))


def __getattr__(name: str) -> Any:
    """Import a name of `_LATER` when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(missing("torch", name, globals()).replace("torch", "module 'gpucnn'", 1))
    module, attribute = _LATER[name]
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded
