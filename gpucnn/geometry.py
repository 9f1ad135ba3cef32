"""Arithmetic of sliding windows: padding, output sizes, the input of each tap, receptive fields.

All values are integers, no arrays. Every function serves one, two and three spatial axes; tuples have one entry per
axis.
"""

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from gpucnn.errors import ShapeError

Sizes = tuple[int, ...]
PerAxis = int | tuple[int, ...]
Sides = tuple[tuple[int, int], ...]  # (before, after) per axis
Slices = tuple[slice, ...]
Padding = int | tuple[int, ...] | Sides | Literal["same", "valid"]


class Sliding(NamedTuple):
    """The options of a sliding window, as users give them: one number for all axes, or one per axis."""

    stride: PerAxis = 1
    padding: Padding = 0
    dilation: PerAxis = 1
    ceil_mode: bool = False

    def hashable(self) -> "Sliding":
        """The same options with lists, at any depth, as tuples."""
        return Sliding(*map(hashable, self))


class Reach(NamedTuple):
    """Output i of an axis reads the inputs from ratio · i + first to ratio · i + last, those that are whole numbers."""

    ratio: int | Fraction
    first: int | Fraction
    last: int | Fraction


class Window(NamedTuple):
    """A window of `kernel` taps, `dilation` apart, moving by `stride` over axes padded by `padding` (before, after)."""

    kernel: Sizes
    stride: Sizes
    padding: Sides
    dilation: Sizes

    @property
    def extent(self) -> Sizes:
        """How far the window reaches along each axis, gaps included: dilation · (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def padded(self) -> bool:
        """Whether any side is padded."""
        return any(map(any, self.padding))

    @property
    def reach(self) -> tuple[Reach, ...]:
        """What an output reads along each axis."""
        axes = zip(self.stride, self.extent, self.padding, strict=True)
        return tuple(Reach(stride, -before, extent - 1 - before) for stride, extent, (before, _) in axes)

    @functools.lru_cache(maxsize=1024)  # noqa: B019 (every step of a training asks for the same few; windows are small)
    def output_sizes(self, sizes: Sizes) -> Sizes:
        """The number of window positions: floor((size + before + after - extent) / stride) + 1 along each axis."""
        spans = zip(sizes, self.padding, self.extent, self.stride, strict=True)
        return tuple((size + before + after - extent) // stride + 1 for size, (before, after), extent, stride in spans)


def make_window(name: str, sizes: Sizes, kernel: PerAxis, *options: Any, **named: Any) -> Window:
    """The window of operation `name` over an input of the given spatial `sizes`; the other options are Sliding's.

    `padding` is a number, one number per axis, one (before, after) pair per axis, "valid" (none), or "same":
    ceil(size / stride) outputs, the odd pixel at the end (TensorFlow's rule).
    With `ceil_mode` a last, partial window counts too if it starts inside the input or the padding before it.
    Raises ShapeError where a number is out of range or the window does not fit into the input.
    """
    axes, (stride, padding, dilation, ceil_mode) = len(sizes), Sliding(*options, **named)
    kernel = per_axis(name, "kernel_size", kernel, axes, least=1)
    stride = per_axis(name, "stride", stride, axes, least=1)
    dilation = per_axis(name, "dilation", dilation, axes, least=1)
    window = Window(kernel, stride, ((0, 0),) * axes, dilation)
    window = Window(kernel, stride, sides_of(name, window, sizes, padding), dilation)
    if ceil_mode:
        window = Window(kernel, stride, _ceil_padding(window, sizes), dilation)
    for size, extent, (before, after) in zip(sizes, window.extent, window.padding, strict=True):
        if size + before + after < extent:
            raise ShapeError(
                f"{name}: the window does not fit: it reaches over {extent} pixels (kernel_size {kernel}, "
                f"dilation {dilation}), the input has {size} with {before} + {after} of padding "
                f"(input sizes {sizes}). Give a smaller kernel_size or more padding, or pool less before it"
            )
    return window


def hashable(value: Any) -> Any:
    """Lists, at any depth, as tuples."""
    return tuple(map(hashable, value)) if isinstance(value, list | tuple) else value


def per_axis(name: str, option: str, value: object, axes: int, least: int) -> Sizes:
    """`value` as one integer per axis; a single integer stands for all. Raises ShapeError otherwise."""
    values: tuple[Any, ...] = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(values) != axes or not all(is_count(v, least) for v in values):
        raise ShapeError(
            f"{name}: {option} is {value!r}; expected a whole number of at least {least}, or {axes} of them"
        )
    return tuple(map(int, values))


def is_count(value: Any, least: int) -> bool:
    """Whether `value` is a whole number, Python's or NumPy's, of at least `least`."""
    return hasattr(value, "__index__") and not isinstance(value, bool) and value >= least


def sides_of(name: str, window: Window, sizes: Sizes, padding: Padding) -> Sides:
    """`padding` in any of its forms as one (before, after) pair per axis. Raises ShapeError for anything else."""
    axes = len(sizes)
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        return tuple(map(_same, sizes, window.extent, window.stride))
    given: tuple[Any, ...] = tuple(padding) if isinstance(padding, Sequence) else (padding,) * axes
    sides = tuple(tuple(side) if isinstance(side, Sequence) else (side, side) for side in given)
    if len(sides) == axes and all(len(side) == 2 and all(is_count(p, 0) for p in side) for side in sides):
        return tuple((int(before), int(after)) for before, after in sides)
    raise ShapeError(
        f"{name}: padding is {padding!r}; expected a whole number of at least 0, {axes} of them (one per axis), "
        f'{axes} pairs (before, after), "same" or "valid"'
    )


def _same(size: int, extent: int, stride: int) -> tuple[int, int]:
    """Padding for ceil(size / stride) outputs, the odd pixel at the end."""
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + extent - size, 0)
    return total // 2, total - total // 2


def _ceil_padding(window: Window, sizes: Sizes) -> Sides:
    """Padding enlarged at the end so that the last, partial window fits, as PyTorch's pooling counts it."""
    sides = []
    for size, extent, stride, (before, after) in zip(sizes, window.extent, window.stride, window.padding, strict=True):
        steps = -(-(size + before + after - extent) // stride)
        if steps * stride >= size + before:  # the last window would start in the padding at the end
            steps -= 1
        sides.append((before, max(after, steps * stride + extent - size - before)))
    return tuple(sides)


def taps(window: Window) -> Iterator[Sizes]:
    """The window's positions, in order: the last axis runs fastest."""
    return itertools.product(*map(range, window.kernel))


@functools.lru_cache(maxsize=1024)  # every step of a training asks for the same few
def padded_places(window: Window, outputs: Sizes) -> tuple[Slices, ...]:
    """For each tap in order, slices of the padded input (C, spatial...) that it reads for all outputs."""
    by_tap = (map(operator.mul, tap, window.dilation) for tap in taps(window))
    return tuple((slice(None), *map(_spaced, firsts, window.stride, outputs)) for firsts in by_tap)


@functools.lru_cache(maxsize=1024)  # every step of a training asks for the same few
def unpadded_places(window: Window, sizes: Sizes, outputs: Sizes) -> tuple[tuple[Slices, Slices], ...]:
    """For each tap in order, slices of the unpadded input and of the outputs that it connects, of equal shape.

    Output o reads input o · stride + tap · dilation - before; outputs whose tap lies in the padding are left out.
    """
    return tuple(_unpadded(window, tap, sizes, outputs) for tap in taps(window))


def _unpadded(window: Window, tap: Sizes, sizes: Sizes, outputs: Sizes) -> tuple[Slices, Slices]:
    inside, places = [], []
    for axis, (position, stride) in enumerate(zip(tap, window.stride, strict=True)):
        offset = position * window.dilation[axis] - window.padding[axis][0]
        first = max(0, -(offset // stride))  # the first output whose tap is not before the input
        last = min(outputs[axis], (sizes[axis] - 1 - offset) // stride + 1)
        inside.append(_spaced(first * stride + offset, stride, last - first))
        places.append(slice(first, max(first, last)))
    return tuple(inside), tuple(places)


def _spaced(first: int, step: int, count: int) -> slice:
    """The slice of `count` places from `first` on, `step` apart."""
    return slice(first, first + (count - 1) * step + 1, step) if count > 0 else slice(0, 0, step)


@functools.lru_cache(maxsize=1024)  # every step of a training asks for the same few
def split(length: int, parts: int) -> tuple[tuple[int, int], ...]:
    """`length` cut into at most `parts` non-empty ranges (start, stop) whose sizes differ by one at most."""
    parts = max(1, min(parts, length))
    return tuple((length * i // parts, length * (i + 1) // parts) for i in range(parts))


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels a unit depends on, along each axis: unit i sees [start + i · jump, start + i · jump + size).

    Behind a layer that enlarges maps these may be fractions, and the pixels are those from one whole number there to
    another; where maps were made smaller before, some of these pixels are not seen.

    Source: A. Araujo, W. Norris, J. Sim, Computing Receptive Fields of Convolutional Neural Networks, Distill, 2019.
    """

    size: tuple[int | Fraction, ...]
    jump: tuple[int | Fraction, ...]
    start: tuple[int | Fraction, ...]

    @classmethod
    def of_input(cls, axes: int) -> "ReceptiveField":
        """The field of the input's pixels themselves."""
        return cls((1,) * axes, (1,) * axes, (0,) * axes)

    def through(self, window: Window) -> "ReceptiveField":
        """The field of the outputs of `window` sliding over units of this field."""
        return self.reading(window.reach)

    def reading(self, reach: Sequence[Reach]) -> "ReceptiveField":
        """The field of outputs that read units of this field."""
        axes = list(zip(reach, self.size, self.jump, self.start, strict=True))
        return ReceptiveField(
            tuple(_whole(size + (r.last - r.first) * jump) for r, size, jump, _ in axes),
            tuple(_whole(r.ratio * jump) for r, _, jump, _ in axes),
            tuple(_whole(start + r.first * jump) for r, _, jump, start in axes),
        )

    @property
    def pixels(self) -> Sizes:
        """The most pixels that a unit sees along each axis."""
        return tuple(map(math.floor, self.size))

    def facts(self) -> dict[str, tuple[float, ...]]:
        """The same in numbers that JSON has."""
        return {name: tuple(n if isinstance(n, int) else float(n) for n in axes) for name, axes in vars(self).items()}

    def of(self, unit: Sizes, sizes: Sizes) -> Slices:
        """The pixels of an image of `sizes` that a unit sees, as slices: image[..., *field.of(unit, sizes)]."""
        starts = [start + place * jump for start, place, jump in zip(self.start, unit, self.jump, strict=True)]
        return tuple(
            slice(min(max(math.ceil(start), 0), size), max(min(math.floor(start + reach), size), 0))
            for start, reach, size in zip(starts, self.size, sizes, strict=True)
        )


def _whole(number: int | Fraction) -> int | Fraction:
    """As an int, if it is one."""
    return int(number) if number == int(number) else number
