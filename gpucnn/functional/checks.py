"""Checks that several operations make of their inputs and options."""

from collections.abc import Mapping

import numpy as np

from gpucnn.errors import InputError, ShapeError
from gpucnn.tensor import Tensor

FLOATING = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


def check_floating(name: str, *tensors: Tensor | None) -> None:
    """Raises InputError unless all are float32, or all float64; None stands for an omitted argument."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor) and tensors[0].memory.dtype in FLOATING:
        return
    for tensor in tensors:
        if tensor is not None and not isinstance(tensor, Tensor):
            raise no_tensor(name, tensor)
    check_dtypes(name, *(None if tensor is None else tensor.memory.dtype for tensor in tensors))


def no_tensor(name: str, value: object) -> TypeError:
    """The error about a value that is no Tensor, such as a numpy.ndarray or a torch.Tensor."""
    kind = f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")
    return TypeError(f"{name} was given a {kind}; expected a gpucnn.Tensor. Wrap it: gpucnn.Tensor(array)")


def check_dtypes(name: str, *given: np.dtype | None) -> None:
    """Check dtypes as check_floating does."""
    dtypes = {dtype for dtype in given if dtype is not None}
    if len(dtypes) > 1 or not dtypes <= FLOATING:
        raise InputError(
            f"{name}: given {' and '.join(sorted(map(str, dtypes)))}; expected float32, or float64, for all. "
            f"Convert images and weights alike, as in Tensor(array.astype('float32'))"
        )


def check_per_channel(
    name: str, x: tuple[int, ...], given: Mapping[str, Tensor | None], option: str = "num_features"
) -> None:
    """Raises ShapeError unless each Tensor of `given`, by its argument's name, is (C,) for x (N, C, ...).

    option: what a layer calls the number of channels.
    """
    channels = x[1] if len(x) > 1 else 0
    for argument, tensor in given.items():
        if tensor is not None and tensor.shape != (channels,):
            raise ShapeError(
                f"{name}: input has {channels} channels, {argument} has shape {tensor.shape}: x {x}. "
                f"Give {option}={channels}"
            )


def check_dropout(p: float) -> float:
    """`p`, the probability that dropout drops an element. Raises InputError unless 0 <= p < 1."""
    if not 0 <= p < 1:
        raise InputError(f"dropout: p is {p}; expected a probability of at least 0 and less than 1")
    return p
