"""What every operation asks of its arrays: floating numbers, of one dtype."""

import numpy as np

from gpucnn.errors import InputError
from gpucnn.tensor import Tensor

FLOATING = frozenset((np.dtype(np.float32), np.dtype(np.float64)))


def check_floating(name: str, *tensors: Tensor | None) -> None:
    """Raises InputError unless all are float32, or all float64; None is an argument left out."""
    check_dtypes(name, *(None if tensor is None else tensor.data.dtype for tensor in tensors))


def check_dtypes(name: str, *given: np.dtype | None) -> None:
    """As check_floating, of the arrays' dtypes."""
    dtypes = {dtype for dtype in given if dtype is not None}
    if len(dtypes) > 1 or not dtypes <= FLOATING:
        raise InputError(
            f"{name}: given {' and '.join(sorted(map(str, dtypes)))}; expected float32, or float64, for all. "
            f"Convert images and weights alike, as in Tensor(array.astype('float32'))"
        )
