"""Batches for training and evaluation, normalised, in the memory order of the kernels."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gpucnn.data.augment import Augment, apply
from gpucnn.data.dataset import Dataset
from gpucnn.data.normalize import Normalizer
from gpucnn.errors import ConfigError
from gpucnn.kernels.reference.changes import Changes


class Batch(NamedTuple):
    """images: (C, H, W, n), C-contiguous, floating, on the host. labels: (n,) int64."""

    images: np.ndarray
    labels: np.ndarray


def cut_into_batches(images: int, batch_size: int) -> list[slice]:
    """Ranges of `batch_size` images; the last may be smaller, and if it were a single image joins the one before it."""
    batches = max(1, images // batch_size + (images % batch_size > 1))
    starts = [number * batch_size for number in range(batches)]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], images], strict=True)]


class Loader:
    """A data set in batches of `batch_size`, the last one smaller, or one larger where a single image would
    be left.

    (Batch normalisation has nothing to learn from a batch of one.) The order and the augmentation of a batch
    depend on (seed, epoch, number of the batch) alone, so that a resumed run sees the same batches.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        normalizer: Normalizer,
        augment: Augment | None = None,
        shuffle: bool = False,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1.")
        if seed < 0:
            raise ConfigError(f"seed is {seed}; it must not be negative.")
        self.dataset = dataset
        self.batch_size = batch_size
        self.normalizer = normalizer
        self.augment = augment
        self.shuffle = shuffle
        self.seed = seed
        self.dtype = dtype
        self._slices = cut_into_batches(len(dataset), batch_size)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._slices)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on. Every batch has arrays of its own."""
        for number, indices in enumerate(self.indices(epoch)[first:], first):
            yield Batch(self._images(indices, epoch, number), self.dataset.labels[indices])

    def indices(self, epoch: int) -> list[np.ndarray]:
        """For each batch of an epoch, the numbers of its images in the data set."""
        n = len(self.dataset)
        order = self._generator(epoch, 0).permutation(n) if self.shuffle else np.arange(n)
        return [order[part] for part in self._slices]

    def changes(self, epoch: int, number: int, images: int) -> Changes:
        """How the `images` of one batch are changed at random."""
        if self.augment is None:
            return Changes()
        return self.augment.draw(images, self.dataset.image_shape, self._generator(epoch, 1 + number))

    def _images(self, indices: np.ndarray, epoch: int, number: int) -> np.ndarray:
        if self.augment is None:
            return self.normalizer.take_batch_last(self.dataset.images, indices, self.dtype)
        images = apply(self.dataset.images[indices], self.changes(epoch, number, len(indices)))  # (n, C, H, W)
        return self.normalizer.take_batch_last(images, np.arange(len(images)), self.dtype)

    def _generator(self, epoch: int, purpose: int) -> np.random.Generator:
        """purpose: 0 for the epoch's order, 1 + number for what is drawn for a batch."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch, purpose)))
