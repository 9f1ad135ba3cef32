"""What every operation asks of its arrays: floating numbers, of one dtype."""

from gpucnn.autograd import Tensor
from gpucnn.errors import InputError


def check_floating(name: str, *tensors: Tensor | None) -> None:
    """Raises InputError unless all are float32, or all float64; None stands for an argument left out."""
    dtypes = [str(tensor.dtype) for tensor in tensors if tensor is not None]
    if len(set(dtypes)) > 1 or not dtypes[0].startswith("float"):
        raise InputError(
            f"{name}: given {' and '.join(dtypes)}; expected float32, or float64, for all. Convert images and weights "
            f"alike, as in Tensor(array.astype('float32'))"
        )
