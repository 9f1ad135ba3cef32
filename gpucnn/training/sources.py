"""Whatever holds images with their labels, as batches."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gpucnn.data.dataset import Dataset
from gpucnn.data.loader import Batch, cut_into_batches
from gpucnn.errors import DataError


class Batches(Protocol):
    """What the trainer asks of its data; `data.Loader` is one.

    A batch must depend on the epoch and its number alone, so that training can go on in the middle of an
    epoch.
    """

    def __len__(self) -> int:
        """The number of batches in an epoch."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on."""


@dataclass(frozen=True)
class Loaders:
    """The images to train on, to validate on after each epoch, and to test on at the end."""

    train: Batches
    validation: Batches | None = None
    test: Batches | None = None


Data = Batches | Dataset | tuple[np.ndarray, np.ndarray]


class ArrayBatches:
    """Batches of arrays as they are: images (N, ...) of any shape, labels (N,) or rows (N, C).

    uint8 images are divided by 255. The order of an epoch depends on (seed, epoch) alone. A last batch of
    one image joins the batch before it. Raises DataError for arrays that do not fit together.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        batch_size: int,
        dtype: np.dtype,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}; it must be at least 1")
        if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels) or len(images) < 1:
            raise DataError(
                f"images {images.shape} and labels {labels.shape}: expected (N, ...) and (N,), N at least 1"
            )
        self.images, self.labels, self.dtype = images, labels, dtype
        self._slices = cut_into_batches(len(images), batch_size)
        self.shuffle, self.seed = shuffle, seed

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._slices)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on."""
        order = self._order(epoch)
        for number in range(first, len(self)):
            indices = order[self._slices[number]]
            yield Batch(to_batch_last(self.images[indices], self.dtype), self.labels[indices])

    def _order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(len(self.images))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.images))


def to_batch_last(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Images (N, ...) as the network takes them: (..., N), C-contiguous, floating; uint8 divided by 255."""
    turned = np.ascontiguousarray(np.moveaxis(images, 0, -1), dtype=dtype)
    return turned / dtype.type(255) if images.dtype == np.uint8 else turned


def as_batches(data: Data, batch_size: int, dtype: np.dtype, shuffle: bool = False, seed: int = 0) -> Batches:
    """`data` in batches: a Loader stays itself; a Dataset or (images, labels) is cut into `batch_size` images.

    Raises DataError for anything else.
    """
    if isinstance(data, Dataset):
        data = (data.images, data.labels)
    if isinstance(data, tuple) and len(data) == 2:
        images, labels = np.asarray(data[0]), np.asarray(data[1])
        return ArrayBatches(images, labels, batch_size, dtype, shuffle, seed)
    if hasattr(data, "batches") and hasattr(data, "__len__"):
        return data
    raise DataError(f"data to train on is a Loader, a Dataset or (images, labels); got {type(data).__name__}")
