"""How the work of a convolution is divided on a GPU: tiles, threads that share a sum, and the structs that say so.

The structs are those of source/*.cu. One and two spatial axes are three, the first of size 1. The numbers that say
which tile to take are for a GPU of about 130 multiprocessors.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from gpucnn.errors import ShapeError
from gpucnn.geometry import Sizes, Window
from gpucnn.kernels.plans import Axis, axes_of, cached_by_shape

STAGED = 2048  # numbers that a block of a contraction keeps in shared memory
POOLED, UNPOOLED = (16, 8, 4), (8, 2)  # outs of a thread before max-pooling, and of its gradient, by four images
NEAR, SIDE = 8, 2  # fours of images (on tensor cores images) beside each other where places of a window are pooled
CONTRACTIONS = [(16, 4), (8, 4), (4, 4), (8, 1), (2, 4), (4, 1), (1, 4), (1, 1)]  # outs x images of a thread
THREADS = 128  # in a block of a contraction whose sums are not shared
LANES = 32  # threads in a block for each share of the sums
MOST_SLICES = 8  # threads that share a sum
# Instructions that a thread takes: to begin, to wait for a line of taps, and to read a tap's numbers beside multiplying
# them; and the threads for which the GPU issues instructions at one time. Fitted to the times of 18 convolutions in all
# tiles on an H200: the tiles chosen take on average 4 % longer than the best.
BEGINNING, WAIT, READING = 400, 50, 12
BUSY = 132 * 4 * 32
TENSOR_ROWS, TENSOR_COLUMNS, TENSOR_THREADS = (64, 32), 128, 128  # of a contraction's tiles on tensor cores
GROUP = 16  # parts of a gradient by the weight that one block adds up
GRADIENT_THREADS = 128  # in a block of the gradient by the weight, of any tile
COLUMN_THREADS = 256
LARGEST = 2**31 - 1  # what an int holds


class GradientTile(NamedTuple):
    """Of the gradient by the weight: outs and columns, numbers summed at a time, and blocks that keep the GPU busy."""

    high: int
    wide: int
    depth: int
    enough: int


LOW_GRADIENT = GradientTile(8, 32, 64, 132 * 2)
SMALL_GRADIENT = GradientTile(16, 32, 64, 132 * 4)
LARGE_GRADIENT = GradientTile(64, 64, 32, 132 * 4)
TENSOR_GRADIENT = GradientTile(64, 80, 32, 132 * 3)


class Launch(NamedTuple):
    """A kernel's name, its blocks and threads, and its struct."""

    kernel: str
    blocks: int
    threads: int
    plan: np.ndarray


def struct(numbers: Iterable[int]) -> np.ndarray:
    """A struct of ints, as a kernel's argument."""
    fields = np.array([*numbers], np.int32)
    return fields.view([("fields", np.int32, len(fields))])


def of_outputs(axis: Axis) -> tuple[int, ...]:
    """The Axis of the CUDA code whose places are outputs, and whose sources the pixels they read."""
    linear = (axis.stride, -axis.before, axis.dilation, 1)
    return axis.outputs, axis.size, axis.kernel, *linear, 1, axis.dilation


def of_pixels(axis: Axis) -> tuple[int, ...]:
    """The Axis of the CUDA code whose places are pixels, and whose sources the outputs that read them."""
    common = math.gcd(axis.stride, axis.dilation)
    linear = (1, axis.before, -axis.dilation, axis.stride)
    return axis.size, axis.outputs, axis.kernel, *linear, axis.stride // common, -(axis.dilation // common)


@cached_by_shape
def forward(window: Window, groups: int, x: Sizes, weight: Sizes, quads: bool) -> Launch:
    """The convolution of x (I, spatial..., N) by weight (O, I / groups, kernel...).

    `quads`: four neighbouring images can be read at once.
    """
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    axes = [of_outputs(axis) for axis in _axes(window, x)]
    columns = math.prod(axis[0] for axis in axes) * x[-1]
    steps = (outs * ins * taps, ins * taps, taps)
    return _contraction(axes, (groups, outs, ins, x[-1]), steps, columns, "", _shares(quads))


@cached_by_shape
def forward_pooled(window: Window, groups: int, x: Sizes, weight: Sizes) -> Launch:
    """The same with quads, and then max-pooling by 2 x 2: four neighbouring threads of NEAR have a window's places."""
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    axes = [of_outputs(axis) for axis in _axes(window, x)]
    images = SIDE * SIDE * 4 * NEAR * -(-x[-1] // (4 * NEAR))  # of a window's places, those of idle threads too
    columns = axes[1][0] // SIDE * (axes[2][0] // SIDE) * images
    return _contraction(
        *(axes, (groups, outs, ins, x[-1]), (outs * ins * taps, ins * taps, taps), columns),
        *("_pooled", [(high, 4) for high in POOLED]),
    )


@cached_by_shape
def backward(window: Window, groups: int, x: Sizes, weight: Sizes, quads: bool, pooled: bool = False) -> Launch:
    """The gradient by x: the same contraction, from the outputs' gradient to x's.

    `pooled`: that gradient is what max-pooling by 2 x 2 makes of its own; then `quads` too.
    """
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    axes = [of_pixels(axis) for axis in _axes(window, x)]
    numbers, steps = (groups, ins, outs, x[-1]), (outs * ins * taps, taps, ins * taps)
    shares = [(high, 4) for high in UNPOOLED] if pooled else _shares(quads)
    return _contraction(axes, numbers, steps, math.prod(x[1:]), "_unpooled" if pooled else "", shares)


def _shares(quads: bool) -> list[tuple[int, int]]:
    return [(high, wide) for high, wide in CONTRACTIONS if wide == 1 or quads]


def _contraction(
    axes: list[tuple[int, ...]],
    numbers: tuple[int, ...],
    steps: tuple[int, ...],
    columns: int,
    kind: str,
    shares: list[tuple[int, int]],
) -> Launch:
    """`numbers` are groups, outs, ins, images; `steps` lead in the weight to the next group, out and in.

    `columns`: places and images. `kind`: part of the kernel's name. `shares`: outs and images of its threads.
    """
    groups, outs, ins, _ = numbers
    taps = math.prod(axis[2] for axis in axes)
    high, wide, slices = _share(groups, outs, ins, columns, taps, taps // axes[-1][2], shares)
    lanes = LANES if slices > 1 else THREADS
    blocks = groups * -(-outs // high) * -(-columns // (wide * lanes))
    fitting = min(ins, STAGED // (taps * high))
    chunk = fitting // slices * slices or fitting  # as many for each slice, if possible
    plan = struct([*numbers, *steps, slices, chunk, *(number for axis in axes for number in axis)])
    return Launch(f"contract{kind}_{high}x{wide}", blocks, lanes * slices, plan)


def _share(
    groups: int, outs: int, ins: int, columns: int, taps: int, lines: int, shares: list[tuple[int, int]]
) -> tuple[int, int, int]:
    """Outs and images of a thread, and threads that share their sums: those that are reckoned to take least time."""
    found = {(*shares[-1], 1): math.inf}
    for high, wide in shares:
        if taps * high > STAGED:
            continue
        threads = groups * -(-outs // high) * columns // wide
        for slices in range(1, min(ins, MOST_SLICES, 1 + STAGED // (LANES * high * wide)) + 1):
            channels, sums = -(-ins // slices), high * wide
            own = BEGINNING + channels * (lines * WAIT + taps * (sums + READING + high / 4)) + (slices > 1) * 4 * sums
            found[high, wide, slices] = own * (1 + threads * slices / BUSY)
    return min(found, key=lambda share: found[share])


@cached_by_shape
def tensor(
    window: Window, groups: int, x: Sizes, weight: Sizes, backward: bool, before: bool = False, behind: bool = False
) -> Launch:
    """As `forward` or `backward`, on tensor cores, with quads.

    `behind`: max-pooling by 2 x 2 follows; `before`: what is read is the gradient by the input of such max-pooling.
    """
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    axes = [(of_pixels if backward else of_outputs)(axis) for axis in _axes(window, x)]
    numbers, steps = (groups, outs, ins, x[-1]), (outs * ins * taps, ins * taps, taps)
    if backward:
        numbers, steps = (groups, ins, outs, x[-1]), (outs * ins * taps, taps, ins * taps)
    columns = math.prod(axis[0] for axis in axes) * x[-1]
    if behind:
        columns = axes[1][0] // SIDE * (axes[2][0] // SIDE) * SIDE * SIDE * NEAR * -(-x[-1] // NEAR)
    high = TENSOR_ROWS[0] if numbers[1] > TENSOR_ROWS[1] else TENSOR_ROWS[1]
    blocks = groups * -(-numbers[1] // high) * -(-columns // TENSOR_COLUMNS)
    kind = "_pooled" if behind else "_unpooled" if before else ""
    plan = struct([*numbers, *steps, *(number for axis in axes for number in axis)])
    return Launch(f"tensor{kind}_{high}", blocks, TENSOR_THREADS, plan)


@cached_by_shape
def weight(
    window: Window,
    groups: int,
    x: Sizes,
    weight: Sizes,
    biased: bool,
    quads: bool,
    pooled: bool = False,
    rounded: bool = False,
) -> tuple[Launch, int]:
    """The gradient by the weight (and by a bias), and the numbers in memory by which blocks share sums; 0: none.

    `pooled`: as for `backward`. `rounded`: on tensor cores; then `quads` too.
    """
    axes = _axes(window, x)
    outs, columns = weight[0] // groups, math.prod(weight[1:])
    depths = math.prod(axis.outputs for axis in axes) * x[-1]
    tile = LOW_GRADIENT if outs <= LOW_GRADIENT.high else SMALL_GRADIENT
    if outs >= 32 and columns >= 32 and not pooled:
        tile = LARGE_GRADIENT
    if rounded:
        tile = TENSOR_GRADIENT
    row_tiles, column_tiles = -(-outs // tile.high), -(-(columns + biased) // tile.wide)
    tiles = groups * row_tiles * column_tiles
    share = max(2, -(-depths // (tile.depth * max(1, tile.enough // tiles)))) * tile.depth
    parts = -(-depths // share)
    plan = struct(
        [groups, outs, weight[1], x[-1], row_tiles, column_tiles, parts, share]
        + [number for axis in axes for number in of_outputs(axis)]
    )
    size = "tensor" if rounded else f"{tile.high}x{tile.wide}x{4 if quads else 1}"
    kernel = f"gradient{'_pooled' if pooled else ''}_{size}"
    shared = tiles * (parts + -(-parts // GROUP)) * tile.high * tile.wide if parts > 1 else 0
    return Launch(kernel, tiles * parts, GRADIENT_THREADS, plan), shared


def to_columns(window: Window, x: Sizes, groups: int, start: int, places: int, quads: bool) -> Launch:
    """What every tap reads of x for `places` outputs from the start-th on."""
    axes = _axes(window, x)
    numbers = (x[0] // groups, 0, x[0] // groups, x[-1], start, places)
    return _columns("to", x[0], places * x[-1], numbers, map(of_outputs, axes), quads)


def from_columns(window: Window, x: Sizes, groups: int, first: int, channels: int, quads: bool) -> Launch:
    """The sum of columns into `channels` of each group's channels of x, from the first on."""
    axes = _axes(window, x)
    numbers = (x[0] // groups, first, channels, x[-1], 0, 0)
    return _columns("from", groups * channels, math.prod(x[1:]), numbers, map(of_pixels, axes), quads)


def _columns(
    name: str, channels: int, size: int, numbers: tuple[int, ...], axes: Iterable[tuple[int, ...]], quads: bool
) -> Launch:
    images = 4 if quads else 1
    blocks = -(-size // (images * COLUMN_THREADS))
    plan = struct([*numbers, blocks, *(number for axis in axes for number in axis)])
    return Launch(f"{name}_columns_{images}", channels * blocks, COLUMN_THREADS, plan)


def _axes(window: Window, x: Sizes) -> list[Axis]:
    """The window along three axes. Raises ShapeError where a channel has more elements than an int counts."""
    axes = axes_of(window, x[1:-1])
    largest = max(math.prod(x[1:]), math.prod(axis.outputs for axis in axes) * x[-1])
    if largest > LARGEST:
        raise ShapeError(f"a channel of {largest} numbers is too large for a GPU's kernels; give smaller batches")
    return axes
