"""The CUDA kernels as functions of NumPy arrays, so that tests judge them as they do the C kernels."""

from typing import Any

import numpy as np

from tests.emulation.arrays import host_memory, ndarray, wrapped


class OnHost:
    """A set of kernels, or those of one kind, that take and return NumPy arrays: their memory, not copies."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._kernels, name)
        if not callable(found):
            return OnHost(found)
        return lambda *arguments, **keywords: each(
            host_memory, ndarray, found(*each(wrapped, np.ndarray, arguments), **each(wrapped, np.ndarray, keywords))
        )


def each(change: Any, kind: type, value: Any) -> Any:
    """`value`, an array of a kind or whatever holds some, with these changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(each(change, kind, part) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(each(change, kind, part) for part in value)
    if isinstance(value, dict):
        return {name: each(change, kind, part) for name, part in value.items()}
    return value
