"""Layers made of functional's activations, and dropout."""

import inspect
from collections.abc import Callable
from typing import Any

from gpucnn import functional as F
from gpucnn.functional.activation import ACTIVATIONS
from gpucnn.functional.checks import check_dropout
from gpucnn.nn.layer import Layer, keeping_options
from gpucnn.tensor import Tensor

__all__ = [
    "ELU",
    "GELU",
    "Dropout",
    "Hardswish",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "ScaledTanh",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Activation(Layer):
    """A layer that applies one of functional's activations, with options given to its constructor."""


def activation_layer(function: Callable[..., Tensor], name: str = "") -> type[Activation]:
    """The layer of an activation: its options, and its name in YAML, are those of the function.

    `name` is the class's name; by default leaky_name becomes LeakyName.
    """
    options = list(inspect.signature(function).parameters)[1:]

    def forward(self: Activation, x: Tensor) -> Tensor:
        return function(x, *[getattr(self, option) for option in options])

    members: dict[str, Any] = {"kind": function.__name__, "__doc__": function.__doc__, "__module__": __name__}
    members |= {"__init__": keeping_options(function), "forward": forward if options else staticmethod(function)}
    return type(name or function.__name__.title().replace("_", ""), (Activation,), members)


ReLU, LeakyReLU = activation_layer(F.relu, "ReLU"), activation_layer(F.leaky_relu, "LeakyReLU")
Tanh, ScaledTanh, Sigmoid = map(activation_layer, (F.tanh, F.scaled_tanh, F.sigmoid))
Softmax, LogSoftmax = map(activation_layer, (F.softmax, F.log_softmax))
GELU, SiLU, ELU = map(activation_layer, (F.gelu, F.silu, F.elu), ("GELU", "SiLU", "ELU"))
Hardswish, Softplus = map(activation_layer, (F.hardswish, F.softplus))

# The activations that have no name above, such as new ones, under their classes' names.
KINDS = {layer.kind for layer in list(vars().values()) if isinstance(layer, type) and hasattr(layer, "kind")}
OTHERS = {
    layer.__name__: layer for layer in map(activation_layer, (ACTIVATIONS[n] for n in ACTIVATIONS if n not in KINDS))
}
globals().update(OTHERS)


class Dropout(Layer):
    """Elements dropped with probability p in training, the others divided by 1 - p. InputError unless 0 <= p < 1.

    With `inplace` the input becomes the result.
    """

    kind = "dropout"

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        self.p, self.inplace = check_dropout(p), inplace

    def forward(self, x: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout(x, self.p, self.training, self.inplace)
