"""What every operation asks of its arrays: floating numbers, of one dtype."""

from gpucnn.autograd import Tensor
from gpucnn.errors import InputError


def check_floating(name: str, *tensors: Tensor | None) -> None:
    """Raises InputError unless all are float32, or all float64; None is an argument left out."""
    dtypes = {tensor.dtype for tensor in tensors if tensor is not None}
    if len(dtypes) > 1 or any(dtype.kind != "f" for dtype in dtypes):
        raise InputError(
            f"{name}: given {' and '.join(sorted(map(str, dtypes)))}; expected float32, or float64, for all. "
            f"Convert images and weights alike, as in Tensor(array.astype('float32'))"
        )
