"""Labels as targets of a loss: one-hot rows, and rows in memory order."""

from typing import Any, Literal

import numpy as np

from gpucnn.backend import Array, empty, module_of, to_device
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.parallel import computed
from gpucnn.tensor import Tensor
from gpucnn.tensor.function import wrap

Reduction = Literal["mean", "sum", "none"]


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """Class numbers of any shape as a new first axis (classes, ...): 1 at the class, 0 elsewhere.

    Raises InputError for a label outside 0..classes-1.
    """
    kernels_of(type(labels)).softmax.check_labels(labels, classes)
    xp = module_of(labels)
    numbers = xp.arange(classes).reshape((classes,) + (1,) * labels.ndim)
    return (numbers == labels).astype(dtype)


def as_target(rows: Any, like: Tensor) -> Tensor:
    """Rows or numbers that are no Tensor, copied to one of like's dtype and memory order."""
    given = to_device(rows if hasattr(rows, "dtype") else np.asarray(rows))
    batch_last = like.batch_last and given.ndim > 1

    def make() -> tuple[Array]:
        moved = module_of(given).moveaxis(given, 0, -1) if batch_last else given
        out = empty(moved.shape, like.memory)
        out[...] = moved
        return (out,)

    return wrap(computed(make, given)[0], batch_last)
