"""A minibatch out of a set of images in C, in one pass where a pixel is a byte."""

import math

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.c import library
from gpucnn.kernels.interface import Changes, Epoch


class Gather(numpy.Gather):
    def normalised(self, images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        if images.dtype != np.uint8 or not images.flags.c_contiguous:
            return super().normalised(images, indices, shift, scale)
        out = np.empty((*images.shape[1:], len(indices)), shift.dtype)
        if out.size:
            numbers = np.ascontiguousarray(indices, np.int64)
            library.c.gather(images, numbers, shift, scale, math.prod(images.shape[1:]), out)
            if math.isnan(out.item(0)):  # shift and scale are finite: a number of no image makes it so
                raise IndexError(
                    f"images are numbered 0 to {len(images) - 1}; given {numbers.min()} to {numbers.max()}"
                )
        return out

    def batch(self, epoch: Epoch, cursor: Array, out: Array, chosen: Array) -> None:
        images, labels, order, changes, shift, scale = epoch
        changed = any(array is not None for array in changes[:5])
        if not images.flags.c_contiguous or (images.dtype != np.uint8 and (changed or images.dtype != np.float32)):
            super().batch(epoch, cursor, out, chosen)
            return
        places, pixels = empty(chosen.shape, chosen), math.prod(images.shape[1:])
        library.c.choose(order, cursor, labels, places, chosen)
        if changed:
            images, places = _changed(images, places, changes.each(lambda table: _rows(table, cursor, len(chosen))))
        gather = library.c.gather if images.dtype == np.uint8 else library.c.gather_floats
        gather(images, places, shift, scale, pixels, out)


def _rows(table: Array, cursor: Array, count: int) -> Array:
    """The rows of a table from number cursor[0] on."""
    rows = empty((count, *table.shape[1:]), table)
    library.c.copy_rows(table.view(np.uint8), cursor, table.nbytes // len(table), rows.view(np.uint8))
    return rows


def _changed(images: Array, places: Array, changes: Changes) -> tuple[Array, Array]:
    """The images (M, C, H, W) at places (N,) after their changes (N, C, H, W), and where they lie there."""
    numbers, taken = empty(places.shape, places), empty((len(places), *images.shape[1:]), images)
    library.c.copy_images(images, places, numbers, taken)
    if changes.maps is not None:
        given, taken = taken, empty(taken.shape, taken)
        library.c.warp(given, *given.shape, taken, changes.displacements, changes.maps)
    if any(array is not None for array in changes[2:5]):
        given, taken = taken, empty(taken.shape, taken)
        moves = (changes.offsets, changes.flips, changes.boxes, changes.border, changes.hidden)
        library.c.move(given, *moves, *given.shape, taken)
    return taken, numbers
