"""Pooling to maps of a given size, in windows that divide the input as evenly as they can."""

from collections.abc import Sequence
from fractions import Fraction

from gpucnn.backend import module_of
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.functional.dimensions import over
from gpucnn.functional.pooling import avg_pool, check_axes, global_avg_pool, max_pool
from gpucnn.functional.resampling import Choose, Resample
from gpucnn.geometry import Reach, Sizes, Window, is_count
from gpucnn.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]

OutputSize = int | tuple[int | None, ...] | None


def adaptive_avg_pool(axes: int, x: Tensor, output_size: OutputSize) -> Tensor:
    """The averages of windows of x (N, C, H, W) that make maps of output_size: (N, C, OH, OW).

    Window i of an axis of H pixels reaches from floor(i · H / OH) to ceil((i + 1) · H / OH). `output_size` is a number
    for all axes, or one per axis; None keeps an axis as it is. Raises ShapeError for another number of axes or sizes.
    """
    name = f"adaptive_avg_pool{axes}d"
    outputs = adaptive_sizes(name, axes, x.shape, output_size)
    check_floating(name, x)
    if set(outputs) == {1}:
        return global_avg_pool(axes, x)
    if (window := even_window(x.shape[2:], outputs)) is not None:
        return avg_pool(axes, x, window.kernel)
    xp, matrices = module_of(x.memory), []
    for size, count in zip(x.shape[2:], outputs, strict=True):
        place, output = xp.arange(size), xp.arange(count)[:, None]
        begin, end = output * size // count, -(-(output + 1) * size // count)
        matrices.append((((place >= begin) & (place < end)) / (end - begin)).astype(x.dtype))  # (count, size)
    return Resample.apply(x, matrices=matrices)


def adaptive_max_pool(axes: int, x: Tensor, output_size: OutputSize) -> Tensor:
    """As adaptive_avg_pool2d, the largest value of each window; of equal ones the first has the gradient."""
    name = f"adaptive_max_pool{axes}d"
    outputs = adaptive_sizes(name, axes, x.shape, output_size)
    check_floating(name, x)
    if (window := even_window(x.shape[2:], outputs)) is not None:
        return max_pool(axes, x, window.kernel)
    xp, places, kernel = module_of(x.memory), [], []
    for size, count in zip(x.shape[2:], outputs, strict=True):
        output, longest = xp.arange(count)[:, None], max(end - begin for begin, end in adaptive_ranges(size, count))
        begin, end = output * size // count, -(-(output + 1) * size // count)
        kernel.append(longest)  # every window in that many places: a shorter one repeats its last
        places.append(xp.minimum(begin + xp.arange(longest), end - 1).reshape(-1))
    return max_pool(axes, Choose.apply(x, places=places), tuple(kernel))


adaptive_avg_pool1d = over(1, adaptive_avg_pool, "As adaptive_avg_pool2d, over x (N, C, W).")
adaptive_avg_pool2d = over(2, adaptive_avg_pool)
adaptive_avg_pool3d = over(3, adaptive_avg_pool, "As adaptive_avg_pool2d, over x (N, C, D, H, W).")
adaptive_max_pool1d = over(1, adaptive_max_pool, "As adaptive_max_pool2d, over x (N, C, W).")
adaptive_max_pool2d = over(2, adaptive_max_pool)
adaptive_max_pool3d = over(3, adaptive_max_pool, "As adaptive_max_pool2d, over x (N, C, D, H, W).")


def adaptive_sizes(name: str, axes: int, shape: Sizes, output_size: OutputSize) -> Sizes:
    """The sizes of the outputs for an input of `shape` (N, C, sizes...). Raises ShapeError where they do not fit."""
    check_axes(name, axes, shape)
    given = tuple(output_size) if isinstance(output_size, Sequence) else (output_size,) * axes
    if len(given) != axes or not all(size is None or is_count(size, 1) for size in given):
        raise ShapeError(
            f"{name}: output_size is {output_size!r}; expected a whole number of at least 1, or {axes} of them; None "
            f"keeps an axis"
        )
    return tuple(size if count is None else int(count) for count, size in zip(given, shape[2:], strict=True))


def adaptive_ranges(size: int, outputs: int) -> list[tuple[int, int]]:
    """Where the windows of an axis begin and end."""
    return [(i * size // outputs, -(-(i + 1) * size // outputs)) for i in range(outputs)]


def even_window(sizes: Sizes, outputs: Sizes) -> Window | None:
    """The window that all outputs have, side by side; None where they differ."""
    if any(size % count for size, count in zip(sizes, outputs, strict=True)):
        return None
    kernel = tuple(size // count for size, count in zip(sizes, outputs, strict=True))
    return Window(kernel, kernel, ((0, 0),) * len(sizes), (1,) * len(sizes))


def adaptive_reach(size: int, outputs: int) -> Reach:
    """What the outputs of an axis read."""
    ratio = Fraction(size, outputs)
    rest = Fraction(ratio.denominator - 1, ratio.denominator)
    return Reach(ratio, -rest, ratio + rest - 1)
