"""Images that stay in files and are read a part at a time, for data sets larger than memory."""

import itertools
import math
import os
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.errors import DataError

_PIECE = 2**22  # bytes of images looked at at a time
_MOST = 512  # images looked at at a time

Read = Callable[[np.ndarray], np.ndarray]  # numbers (n,) of images -> the images (n, C, H, W)


@dataclass(frozen=True, eq=False)
class Stored:
    """Images (N, C, H, W) that `read` reads by their numbers. In a Dataset they take the place of an array.

    An index reads; `take` does not. What needs all images at once, such as transposing them, raises DataError.
    """

    read: Read
    image_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: np.ndarray  # the number of each image, as `read` takes it

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return len(self.rows), *self.image_shape

    @property
    def ndim(self) -> int:
        """The number of axes, that of the images included."""
        return 1 + len(self.image_shape)

    @property
    def size(self) -> int:
        """The number of pixels of all images."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes that all images would take in memory."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        """Read the images at a slice or at numbers (n,)."""
        return self.read(self.rows[index])

    def take(self, indices: np.ndarray) -> "Stored":
        """The images at `indices`, without reading them."""
        return replace(self, rows=self.rows[indices])

    def astype(self, dtype: Any, copy: bool = True) -> "Stored":
        """The same images, converted to `dtype` when they are read."""
        return replace(self, read=lambda numbers: self.read(numbers).astype(dtype, copy=False), dtype=np.dtype(dtype))

    def min(self) -> Any:
        """The lowest pixel."""
        return min(piece.min() for piece in pieces(self))

    def max(self) -> Any:
        """The highest pixel."""
        return max(piece.max() for piece in pieces(self))

    def __array__(self, *options: Any, **more: Any) -> np.ndarray:
        raise DataError(
            f"the {len(self):,} images take {self.nbytes:,} bytes, more than the memory for images, and stay on disk; "
            "data.transpose, data.split over all images and the conversion to another range need all of them at once. "
            "Take fewer (data.limit), a smaller data.size, or more memory (GPUCNN_MEMORY)"
        )


class Rows:
    """Reads images from a file that holds them one after another, in C order, from byte `offset` on."""

    def __init__(self, path: Path, image_shape: tuple[int, ...], dtype: np.dtype[Any], offset: int = 0) -> None:
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._path, self._shape, self._dtype, self._offset = path, image_shape, dtype, offset
        self._bytes = math.prod(image_shape) * dtype.itemsize

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """The images of these numbers; neighbours are read at once. Raises DataError if the file ends early."""
        images = np.empty((len(numbers), *self._shape), self._dtype)
        memory = memoryview(images.reshape(-1).view(np.uint8).data)
        bounds = [*np.flatnonzero(np.diff(numbers, prepend=-2) != 1).tolist(), len(numbers)]
        for start, stop in itertools.pairwise(bounds):
            place = memory[start * self._bytes : stop * self._bytes]
            self._fill(place, self._offset + int(numbers[start]) * self._bytes)
        return images

    def _fill(self, memory: memoryview, at: int) -> None:
        while len(memory):
            read = os.preadv(self._file, [memory], at)
            if not read:
                raise DataError(f"{self._path} ends early: it is damaged, or was shortened while in use; make it again")
            memory, at = memory[read:], at + read


def pieces(images: "np.ndarray | Stored") -> Iterator[np.ndarray]:
    """The images (N, ...) some at a time, so many that little memory is needed, and that eight divide their bytes."""
    image = math.prod(images.shape[1:]) * images.dtype.itemsize
    count = min(_MOST, max(8, _PIECE // max(image, 1) // 8 * 8))
    for start in range(0, len(images), count):
        yield images[start : start + count]
