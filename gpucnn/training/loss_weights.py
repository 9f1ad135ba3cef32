"""Weights of classes and labels in a loss: by name or in order, balanced, on the device."""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpucnn import backend
from gpucnn.errors import InputError
from gpucnn.tensor import Tensor

ByName = dict[str, float] | tuple[float, ...]  # a number for each class or label: by its name, or in their order


def balanced_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """For each class the number of all images over that of classes and over the class's own; 1 for one without any.

    Classes without images do not count. G. King, L. Zeng, Logistic Regression in Rare Events Data, 2001.
    """
    there = [count for count in counts if count]
    return tuple(sum(there) / (len(there) * count) if count else 1.0 for count in counts)


def in_order(option: str, given: Any, names: Sequence[str]) -> Any:
    """Numbers by name as numbers in the order of `names`, 1 for those left out; others as they are.

    Raises InputError for a name that is none of them, and for another number of numbers.
    """
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in names]
        if unknown:
            raise InputError(f"loss.{option} names {unknown[0]!r}, which is none of {', '.join(names[:12])}")
        return tuple(float(given.get(name, 0.5 if option == "threshold" else 1.0)) for name in names)
    if isinstance(given, tuple) and len(given) != len(names):
        raise InputError(f"loss.{option} has {len(given)} numbers; expected {len(names)}, for {', '.join(names[:12])}")
    return given


def check_weights(option: str, given: Any) -> None:
    """Raise InputError unless the numbers of an option are weights: at least 0, and not 0 alone."""
    numbers = numbers_of(given)
    if not all(0 <= each < math.inf for each in numbers) or numbers and not any(numbers):
        raise InputError(f"{option} is {given}; expected numbers of at least 0, and not 0 alone")


def numbers_of(given: Any) -> list[float]:
    """The numbers of an option: one, several, by name, or none."""
    if given is None:
        return []
    return (
        list(given.values()) if isinstance(given, Mapping) else [given] if isinstance(given, int | float) else [*given]
    )


def on_device(weight: Any, like: Tensor) -> Tensor | None:
    """Weights as a Tensor of a dtype, on the device; the same one in each step, so that captured steps find it."""
    if weight is None:
        return None
    if isinstance(weight, str | Mapping):
        raise InputError(f"weight is {weight!r}, for which the classes must be known; give a number for each")
    return _weights(weight, like.dtype, str(backend.device()))


@functools.lru_cache(maxsize=16)
def _weights(weight: float | tuple[float, ...], dtype: np.dtype, device: str) -> Tensor:
    return Tensor(np.asarray(weight, dtype))
