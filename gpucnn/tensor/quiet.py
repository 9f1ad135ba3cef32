"""Operations without NumPy's warnings."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.backend import Array


def quietly(operation: Callable[..., Array], *arrays: Array, **options: Any) -> Array:
    """operation(*arrays, **options), without NumPy's warnings: 1 / 0 is infinite, as in PyTorch.

    It runs in a context of this thread in which they are off, which takes less time than to turn them off and on. What
    such an operation calls, a signal's handler say, is in that context already, and cannot enter it again.
    """
    if _is_quiet.get():
        return operation(*arrays, **options)
    try:
        run = _quiet.run
    except AttributeError:
        context = contextvars.copy_context()
        context.run(np.seterr, all="ignore")
        context.run(_is_quiet.set, True)
        run = _quiet.run = context.run
    return run(operation, *arrays, **options)


_quiet = threading.local()
_is_quiet = contextvars.ContextVar("_is_quiet", default=False)
