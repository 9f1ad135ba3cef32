"""The table of PyTorch's methods, which the files beside this fill."""

from collections.abc import Callable
from typing import Any

from gpucnn.tensor.tensor import Tensor

METHODS: dict[str, Callable[..., Any]] = {}


def method(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function` a method of Tensor and a function of gpucnn."""
    METHODS[function.__name__] = function
    setattr(Tensor, function.__name__, function)
    return function
