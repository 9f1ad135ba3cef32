"""The CUDA kernels on a GPU as functions of NumPy arrays, so that tests judge them as they do the C kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.backend import load_cupy
from tests.emulation.proxy import each


class OnGpu:
    """A set of kernels, or those of one kind, that take NumPy arrays there, and bring back what became of them."""

    def __init__(self, kernels: Any) -> None:
        self._kernels = kernels

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._kernels, name)
        return _there_and_back(found) if callable(found) else OnGpu(found)


def _there_and_back(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, of NumPy arrays: one that is given twice, or returned, is one array there, too."""

    def called(*arguments: Any, **keywords: Any) -> Any:
        given: dict[int, tuple[np.ndarray, Any]] = {}

        def there(array: np.ndarray) -> Any:
            return given.setdefault(id(array), (array, load_cupy().asarray(array)))[1]

        returned = function(*each(there, np.ndarray, arguments), **each(there, np.ndarray, keywords))
        for host, on_device in given.values():
            if host.flags.writeable:
                np.copyto(host, on_device.get())
        hosts = {id(on_device): host for host, on_device in given.values()}
        return each(lambda array: hosts.get(id(array), array.get()), load_cupy().ndarray, returned)

    return called
