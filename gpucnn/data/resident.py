"""A data set on the device: batches are assembled there from tables that the host writes for many at once."""

import functools
import itertools
from collections.abc import Callable, Sequence

import numpy as np

from gpucnn.backend import Array, device, empty, to_device
from gpucnn.data.augment import Augment
from gpucnn.data.loader import Batch, Loader
from gpucnn.data.mix import NUMBERS, mixed
from gpucnn.data.stored import Stored
from gpucnn.errors import GpuMemoryError
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Changes, Epoch

MOST_IMAGES, MOST_BYTES = 1 << 16, 1 << 26  # the tables' capacity, unless a single batch is larger


class Resident:
    """The images, labels and tables of a loader's data set in device memory, at fixed addresses.

    Images are uint8 or float32 (see `can_reside`); labels class numbers (N,) or rows (N, classes).
    A table has a row for each image of the batches that were laid out: its number, and how it is changed. Of a batch of
    n images only those of the slice `part(n)` are. Raises GpuMemoryError where the device has no room for the images.
    """

    def __init__(self, loader: Loader, part: Callable[[int], slice] = slice) -> None:
        self._part = part
        normalizer = loader.normalizer
        largest = max(map(len, loader.indices(0)))
        drawn = loader.changes(0, 0, 1)
        row_bytes = sum(array.nbytes for array in drawn if isinstance(array, np.ndarray)) + 1
        rows = max(largest, min(MOST_IMAGES, MOST_BYTES // row_bytes, len(loader.images)))
        self._indices = functools.lru_cache(maxsize=1)(loader.indices)  # the epoch's order, for each part of it
        self._drawn, self._shape = loader.changes, loader.image_shape
        self._images, labels = _there(loader.images), to_device(loader.labels)
        xp = device().xp
        self._rows = labels if labels.ndim == 2 else None
        self._numbers = labels if labels.ndim == 1 else xp.arange(len(labels))  # the batch's, or its rows'
        self._shift, self._scale = (
            to_device(np.broadcast_to(array, loader.image_shape).astype(loader.dtype))
            for array in (normalizer.shift, normalizer.scale)
        )
        self._order = xp.zeros(rows, np.int64)
        self._mixture, self._classes = loader.mixture if loader.mixes else None, loader.classes
        self._mixtures = xp.zeros((rows, NUMBERS))  # that of a batch at its first place
        self._changes = drawn.each(lambda values: xp.zeros((rows, *values.shape[1:]), values.dtype))

    def arrays(self) -> list[Array]:
        """All arrays that `take` reads."""
        changes = (table for table in self._changes if not isinstance(table, int | None))
        rows = () if self._rows is None else (self._rows,)
        return [self._images, self._numbers, *rows, self._order, self._mixtures, *changes, self._shift, self._scale]

    def lay_out(self, epoch: int, first: int, most: int) -> tuple[list[int], list[int]]:
        """Write the epoch's batches from number `first` on into the tables, as many as fit and at most `most`.

        Returns for each batch the row it starts at, and how many images it has in all.
        """
        sizes = list(map(len, batches := self._indices(epoch)[first : first + most]))
        own = [indices[self._part(len(indices))] for indices in batches]
        stops = list(itertools.takewhile(len(self._order).__ge__, itertools.accumulate(map(len, own))))
        drawn = [self._changes_of(epoch, number, size) for number, size in enumerate(sizes[: len(stops)], first)]
        _fill(self._order, own[: len(stops)])
        for table, *values in zip(self._changes, *drawn, strict=True):
            if not isinstance(table, int | None):  # a whole number is the same for all images
                _fill(table, values)
        starts = [0, *stops[:-1]]
        if self._mixture is not None:
            mixtures = [self._mixture(epoch, number) for number in range(first, first + len(stops))]
            self._mixtures[to_device(np.array(starts))] = to_device(np.stack(mixtures))
        return starts, sizes[: len(stops)]

    def take(self, start: Array, images: int) -> Batch:
        """The part of the batch of `images` images whose rows begin at start, (1,) int64 on the device."""
        count = len(range(images)[self._part(images)])
        out, numbers = empty((*self._shape, count), self._shift), empty((count,), self._numbers)
        epoch = Epoch(self._images, self._numbers, self._order, self._changes, self._shift, self._scale)
        kernels_of(type(out)).gather.batch(epoch, start, out, numbers)
        labels = numbers if self._rows is None else self._rows[numbers]
        return Batch(out, labels) if self._mixture is None else self._mixed(out, labels, start)

    def _mixed(self, images: Array, labels: Array, start: Array) -> Batch:
        return Batch(*mixed(images, labels, self._mixtures[start][0], self._classes))

    def _changes_of(self, epoch: int, number: int, images: int) -> Changes:
        return self._drawn(epoch, number, images).each(lambda drawn: drawn[self._part(images)])


def can_reside(loader: Loader) -> bool:
    """Whether the kernels read the loader's images (not float64) and labels (classes, or rows of them)."""
    labels = loader.labels
    if isinstance(loader.images, Stored) or labels.ndim > 2:
        return False  # larger than memory, or labels as large as images
    if loader.augment is not None and (not isinstance(loader.augment, Augment) or loader.augment.recolours):
        return False  # a function of the user's, or changes of colours, which run on the host
    return loader.images.dtype in (np.uint8, np.float32) and (labels.dtype == np.int64 or labels.ndim == 2)


def _there(images: np.ndarray) -> Array:
    """Images on the device. Raises GpuMemoryError where it has no room for them."""
    try:
        return to_device(images)
    except MemoryError as error:
        raise GpuMemoryError(
            f"the data set, images {images.shape} of {images.dtype}, does not fit in the GPU's memory ({error}); give "
            "fewer images (data.limit), or compute on the CPU"
        ) from None


def _fill(table: Array, parts: Sequence[np.ndarray]) -> None:
    """Copy `parts`, one after the other, into the first rows of `table`."""
    rows = np.concatenate(parts)
    table[: len(rows)] = to_device(rows)
