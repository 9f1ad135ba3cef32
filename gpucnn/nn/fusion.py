"""Which layers run as one operation: one pass over memory where two or three would be needed."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard

from gpucnn.nn.activation import ReLU
from gpucnn.nn.layers import Convolution, Linear, MaxPool
from gpucnn.nn.module import Module
from gpucnn.nn.normalization import BatchNorm

# A layer's number, the layer, the name of its method that runs, and the method's arguments beside the input.
Operation = tuple[int, Module, str, tuple[Any, ...]]


def fused(layers: Sequence[Module]) -> Iterator[Operation]:
    """The operations to run; a ReLU is fused with the max-pooling after it, else with the layer before it.

    Max-pooling is fused with the convolution before it, and with a ReLU between them.
    """
    number = 0
    while number < len(layers):
        layer = layers[number]
        second, third = (*layers[number + 1 : number + 3], None, None)[:2]
        relu = _is_relu(second)
        pool = third if relu else second
        if isinstance(layer, Convolution) and _ends_in_relu(layer) and _pools_relu(pool) and layer.axes == pool.axes:
            yield number, layer, "forward_pooled", (pool, relu)
            number += 2 + relu
        elif _is_relu(layer) and _pools_relu(second):
            yield number + 1, second, "forward_of_relu", ()
            number += 2
        elif _is_relu(second) and _ends_in_relu(layer) and not _pools_relu(third):
            yield number, layer, "forward_relu", ()
            number += 2
        else:
            yield alone(number, layer)
            number += 1


def alone(number: int, layer: Module) -> Operation:
    """The layer run by itself."""
    return number, layer, "__call__" if layer._hooks else "forward", ()


def _is_relu(layer: Module | None) -> bool:
    return type(layer) is ReLU and not layer._hooks


def _pools_relu(layer: Module | None) -> TypeGuard[MaxPool]:
    """Whether the layer is max-pooling with its own forward, which can apply ReLU in the same pass."""
    return isinstance(layer, MaxPool) and type(layer).forward is MaxPool.forward and not layer._hooks


def _ends_in_relu(layer: Module) -> TypeGuard[Convolution | Linear | BatchNorm]:
    """Whether the layer has the forward of one of three kinds, which can apply ReLU in the same pass."""
    return type(layer).forward in (Convolution.forward, Linear.forward, BatchNorm.forward) and not layer._hooks
