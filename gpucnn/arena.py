"""Former names of gpucnn.backend's `empty` and `zeros`, for the kernels that still import them from here."""

from gpucnn.backend import Array, empty, zeros

__all__ = ["empty", "scratch", "zeros"]


def scratch(shape: tuple[int, ...], like: Array) -> Array:
    """A C-contiguous array for use within one kernel."""
    return empty(shape, like)
