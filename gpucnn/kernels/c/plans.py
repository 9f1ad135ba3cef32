"""Where the taps of a window meet an input, as tables of whole numbers for the C kernels.

One and two spatial axes are three, the first of size 1. Along each axis, the taps that meet the input at one place are
neighbours, at even distances: a Meeting says how many, the first of them, and where it meets the input. Layouts are
those of source/*.h.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np

from gpucnn.geometry import Sides, Sizes, Window
from gpucnn.kernels.plans import AXES, POINT, Axis, axes_of, cached_by_shape

BLOCK_ROWS = 6  # outs that the C code takes together
PART_BYTES = 1 << 19  # of x and the gradient that a part of the rows reads: within the second cache
PARTS_BYTES = 1 << 26  # of sums over parts
LEAST_TASKS = 16  # enough for the threads to share evenly
COLUMNS = 16  # of a product, that threads take together at least
SUMMED = 1 << 10  # numbers of a row at least, for the sums over parts to take little time
ROWS_APART = 3 << 8  # of x that a part of a product reads at least: they stay in the second cache
WORTH_SHARING = 1 << 20  # multiply-adds of a gradient by weights that outweigh waking a thread


class Meetings(NamedTuple):
    """Along one axis, for every place: count, first tap, first source (places, 3); and the steps to the next tap."""

    table: np.ndarray
    tap_step: int
    source_step: int


@cached_by_shape
def forward(window: Window, groups: int, x: Sizes, weight: Sizes) -> np.ndarray:
    """The Plan of out = convolution of x (I, spatial..., N) by weight (O, I / groups, kernel...)."""
    axes = axes_of(window, x[1:-1])
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    numbers, steps = (groups, outs, ins, x[-1], 1), (outs * ins * taps, ins * taps, taps)
    return _plan([of_outputs(axis) for axis in axes], axes, [axis.size for axis in axes], numbers, steps)


@cached_by_shape
def border(x: Sizes, sides: Sides) -> tuple[np.ndarray, Sizes]:
    """The Border of pad.h that surrounds x (C, H, W, N) or (C, L, N) with zeros, and the shape of the result."""
    sizes = tuple(before + size + after for size, (before, after) in zip(x[1:-1], sides, strict=True))
    rows, numbers = (1, *x[1:-1])[-2], x[-2] * x[-1]
    (above, _), (before, _) = ((0, 0), *sides)[-2:]
    out_rows, out_numbers = (1, *sizes)[-2], sizes[-1] * x[-1]
    return np.array([x[0], rows, numbers, above, before * x[-1], out_rows, out_numbers]), (x[0], *sizes, x[-1])


@cached_by_shape
def gradient_sides(window: Window) -> Sides:
    """How many zeros around the outputs of a window of stride 1 have all its taps meet each pixel of x."""
    return tuple(
        (max(0, extent - 1 - before), max(0, extent - 1 - after))
        for extent, (before, after) in zip(window.extent, window.padding, strict=True)
    )


@cached_by_shape
def backward(window: Window, groups: int, x: Sizes, weight: Sizes, sides: Sides) -> np.ndarray:
    """The Plan of the gradient by x: the same contraction, from the outputs' gradient to x's.

    `sides` are zeros that the gradient has before and after its places.
    """
    axes = [*axes_of(window, x[1:-1])]
    for at, (before, after) in enumerate(sides, AXES - len(sides)):
        axis = axes[at]
        axes[at] = axis._replace(before=axis.before + before * axis.stride, outputs=before + axis.outputs + after)
    outs, ins, taps = weight[0] // groups, weight[1], math.prod(window.kernel)
    numbers, steps = (groups, ins, outs, x[-1], 1), (outs * ins * taps, taps, ins * taps)
    return _plan([of_pixels(axis) for axis in axes], axes, [axis.outputs for axis in axes], numbers, steps)


@cached_by_shape
def weight(window: Window, groups: int, x: Sizes, weight: Sizes, itemsize: int) -> tuple[np.ndarray, int]:
    """The WeightPlan of the gradient by the weight, and how many parts the rows of the outputs are cut into."""
    axes = axes_of(window, x[1:-1])
    outs, ins, images = weight[0] // groups, weight[1], x[-1]
    rows = axes[0].outputs * axes[1].outputs
    units = groups * ins * -(-outs // BLOCK_ROWS)
    row_bytes = (weight[0] * axes[2].outputs + x[0] * axes[2].size) * images * itemsize
    products = math.prod(weight) * rows * axes[2].outputs * images
    tasks = LEAST_TASKS if products >= WORTH_SHARING else 1
    wanted = max(-(-rows * row_bytes // PART_BYTES), -(-tasks // units))
    parts = max(1, min(wanted, rows, PARTS_BYTES // (math.prod(weight) * itemsize)))
    shares = -(-tasks // parts)
    fields = ([getattr(axis, name) for axis in axes] for name in ("outputs", "size", "kernel", "stride", "dilation"))
    header = [groups, outs, ins, images, *itertools.chain(*fields), parts, shares]
    overlaps = [number for axis in axes for tap in range(axis.kernel) for number in _overlap(axis, tap)]
    return np.array(header + overlaps, np.int64), parts


@cached_by_shape
def product(rows: int, summed: int, columns: int, row_step: int, sum_step: int) -> tuple[np.ndarray, int]:
    """The Plan of out (rows, columns) = w · x (summed, columns), where w[r, s] is at r · row_step + s · sum_step.

    Columns are places of a few images where they can be, so that threads may share them. Beside it into how many parts
    the rows of x are cut: each is read once, for all rows of the result.
    """
    shared = columns > 0 and columns % COLUMNS == 0
    places, together = (columns // COLUMNS, COLUMNS) if shared else (1, columns)
    one = Meetings(np.array([[1, 0, 0]]), 1, 1)
    along = Meetings(np.array([[1, 0, place] for place in range(places)]), 1, 1)
    parts = max(1, min(LEAST_TASKS, summed // ROWS_APART, summed // max(1, rows)))  # their sums are less than x
    numbers, steps = (1, rows, summed, together, parts), (0, row_step, sum_step)
    return _plan([one, one, along], [POINT] * AXES, [1, 1, places], numbers, steps), parts


@cached_by_shape
def rows_product(rows: int, columns: int, summed: int) -> tuple[np.ndarray, int]:
    """The RowsPlan of out (rows, columns) = a (rows, summed) · b (columns, summed)ᵀ, and how many parts it has."""
    parts = max(1, min(LEAST_TASKS, summed // SUMMED))
    return np.array([rows, columns, summed, parts, -(-LEAST_TASKS // parts)], np.int64), parts


def of_outputs(axis: Axis) -> Meetings:
    """For every output the input pixels it reads."""
    taps, places = np.arange(axis.kernel), np.arange(axis.outputs)[:, None]
    sources = places * axis.stride - axis.before + taps * axis.dilation  # (outputs, kernel)
    return Meetings(_table(sources, (sources >= 0) & (sources < axis.size)), 1, axis.dilation)


def of_pixels(axis: Axis) -> Meetings:
    """For every input pixel the outputs that read it."""
    taps, places = np.arange(axis.kernel), np.arange(axis.size)[:, None]
    reached = places + axis.before - taps * axis.dilation  # (size, kernel): stride times the output
    sources = reached // axis.stride
    meets = (reached % axis.stride == 0) & (sources >= 0) & (sources < axis.outputs)
    common = math.gcd(axis.stride, axis.dilation)
    return Meetings(_table(sources, meets), axis.stride // common, -(axis.dilation // common))


def _overlap(axis: Axis, tap: int) -> tuple[int, int, int]:
    """Outputs whose tap meets the input: the first, how many, and the offset; output o reads o · stride + offset."""
    offset = tap * axis.dilation - axis.before
    first = max(0, -(offset // axis.stride))
    last = min(axis.outputs, (axis.size - 1 - offset) // axis.stride + 1)
    return first, max(0, last - first), offset


def _table(sources: np.ndarray, meets: np.ndarray) -> np.ndarray:
    first = meets.argmax(axis=1)
    count = meets.sum(axis=1)
    table = np.stack([count, first, np.take_along_axis(sources, first[:, None], 1)[:, 0]], axis=1)
    table[count == 0] = 0
    return table


def _runs(table: np.ndarray) -> np.ndarray:
    """Neighbouring places with the same taps and neighbouring sources: start, places, and the first one's Meeting."""
    same = (table[1:, :2] == table[:-1, :2]).all(axis=1)
    follows = (table[1:, 2] == table[:-1, 2] + 1) | (table[1:, 0] == 0)
    starts = np.flatnonzero(np.concatenate([[True], ~(same & follows)]))
    lengths = np.diff(np.append(starts, len(table)))
    return np.column_stack([starts, lengths, table[starts]])


def _plan(
    meetings: list[Meetings], axes: list[Axis], sources: list[int], numbers: tuple[int, ...], steps: tuple[int, ...]
) -> np.ndarray:
    """A Plan, as contract.h lays it out. `sources` are the sizes of what is read.

    `numbers` are groups, outs, ins, images, and into how many parts the ins are cut. `steps` lead in the weight from a
    group, an output channel and an input channel to the next.
    """
    tables = [meeting.table for meeting in meetings]
    runs = _runs(tables[-1])
    kernel = [axis.kernel for axis in axes]
    taps = [math.prod(kernel[i + 1 :]) for i in range(AXES)]  # from one tap to the next in the weight
    header = [*numbers, *map(len, tables), *sources, *steps, *taps]
    header += [meeting.tap_step for meeting in meetings] + [meeting.source_step for meeting in meetings] + [len(runs)]
    parts = [np.array(header), tables[0].ravel(), tables[1].ravel(), runs.ravel()]
    return np.ascontiguousarray(np.concatenate(parts), np.int64)
