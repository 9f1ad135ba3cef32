"""The precision in which a GPU multiplies float32 arrays: full, or with factors rounded for its tensor cores.

Rounded are the products of large matrices, by cuBLAS (gemm.py has the limit), and convolutions with many outputs and
taps, by kernels that round to TF32 in bf16 too (tensor.py), or by cuBLAS where arrays do not fit these. Smaller
products, which rounding would not make faster, are computed in full in every precision; so is float64.
"""

from gpucnn.errors import InputError

PRECISIONS = ("float32", "tf32", "bf16")  # of the factors: 24, 11 and 8 significant bits; sums are float32

_current = "float32"  # of the process, like the device: no operation has an argument for it


def set(name: str) -> None:  # noqa: A001 - it is called as precision.set
    """Multiply float32 arrays as `float32`, `tf32` or `bf16` from now on. Raises InputError for another name."""
    global _current
    if name not in PRECISIONS:
        raise InputError(f"precision is {name!r}; expected one of {', '.join(PRECISIONS)}")
    _current = name


def get() -> str:
    """The precision that was last set; at first float32."""
    return _current
