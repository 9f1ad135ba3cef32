"""How exactly a GPU multiplies float32 arrays: as they are, or rounded for its tensor cores. float64 is untouched."""

from gpucnn.errors import InputError

PRECISIONS = ("float32", "tf32", "bf16")  # of the factors: 24, 11 and 8 significant bits; sums are float32

_current = "float32"


def set(name: str) -> None:  # noqa: A001 - it is called as precision.set
    """Multiply float32 arrays as `float32`, `tf32` or `bf16` from now on. Raises InputError for another name."""
    global _current
    if name not in PRECISIONS:
        raise InputError(f"precision is {name!r}; expected one of {', '.join(PRECISIONS)}")
    _current = name


def get() -> str:
    """The precision that was last set; at first float32."""
    return _current
