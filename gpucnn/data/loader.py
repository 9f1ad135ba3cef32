"""Batches for training and evaluation: shuffled, augmented, normalised, in the memory order of the kernels."""

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from gpucnn.data.ahead import ahead
from gpucnn.data.augment import Augment, apply
from gpucnn.data.colour import recoloured
from gpucnn.data.dataset import Dataset
from gpucnn.data.label_changes import moved
from gpucnn.data.mix import mixed
from gpucnn.data.normalize import Normalizer
from gpucnn.data.ranges import full_scale
from gpucnn.data.stored import Stored
from gpucnn.errors import ConfigError, DataError
from gpucnn.kernels.interface import Changes


class Batch(NamedTuple):
    """images: (C, H, W, n), C-contiguous, floating. labels: class numbers (n,) int64, or rows (n, classes).

    Or a class per pixel, (n, H, W) uint8, or pictures (n, C, H, W), floating, where white is 1.
    """

    images: np.ndarray
    labels: np.ndarray


class Batches(Protocol):
    """The interface of the trainer's data; `Loader` implements it.

    What yields pairs (images, labels) each time it is iterated, and has a length, is taken too: see `Iterated`.
    A batch must depend only on the epoch and its number, so that training can resume in the middle of an epoch.
    """

    def __len__(self) -> int:
        """The number of batches in an epoch."""

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on."""


@dataclass(frozen=True)
class Loaders:
    """The batches for training, for validation after each epoch, and for the test at the end."""

    train: Batches
    validation: Batches | None = None
    test: Batches | None = None


class Iterated:
    """Batches from an object that yields (images (n, C, H, W), labels) each time it is iterated, and has a length.

    A list of such pairs is one, and PyTorch's DataLoader. Raises DataError for a generator, which ends for good.
    """

    def __init__(self, data: Any, dtype: str) -> None:
        if iter(data) is data or not hasattr(data, "__len__"):
            raise DataError(
                f"batches are given as {type(data).__name__}, which can be gone through once or has no length; give a "
                "list of (images, labels), or a class with __iter__ and __len__"
            )
        self._data, self._dtype = data, dtype

    def __len__(self) -> int:
        return len(self._data)

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The pairs from number `first` on, in the network's memory order."""
        for pair in itertools.islice(self._data, first, None):
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise DataError(f"a batch is {type(pair).__name__}; expected a pair (images, labels)")
            images, labels = _arrays((_host(pair[0]), _host(pair[1])), self._dtype)
            yield Batch(to_batch_last(images, self._dtype), labels)


def _host(value: Any) -> np.ndarray:
    return value.numpy() if hasattr(value, "numpy") else np.asarray(value)


Arrays = tuple[np.ndarray, np.ndarray]  # images (N, ...) with their labels
Data = Batches | Dataset | Arrays | Iterable[Any]
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # (n, C, H, W) images as they are kept -> others
COLOURS, MIXTURE = 0, 1  # what a batch draws by generators of their own


class Loader:
    """A Dataset, or arrays, in batches of `batch_size`.

    Of arrays (images, labels), images are (N, ...) of any shape, labels class numbers (N,) or rows (N, classes), or
    for pictures (N, C, H, W) a class per pixel (N, H, W) or pictures of the same shape, whose pixels become fractions.
    Labels that are as large as images move with them.
    `augment` is an Augment, or a function of (images (n, C, H, W), a NumPy generator) that returns as many.
    Without a `normalizer` pixels of a usual range, 0 to 255 or 16 bits, become fractions of 1, whatever their type;
    other numbers, and whole ones up to 16, are taken as they are. With `weights` (N,) the images of an epoch are drawn
    with replacement, each in proportion to its weight, as by PyTorch's WeightedRandomSampler.

    The last batch may be smaller; a single remaining image joins the batch before it, since batch normalisation
    needs more than one. The order and the augmentation of a batch depend on
    (seed, epoch, number of the batch) alone, so that a resumed run sees the same batches. Raises ConfigError for
    options that are out of range, DataError for arrays that do not fit together.
    """

    def __init__(
        self,
        data: Dataset | Arrays,
        batch_size: int,
        normalizer: Normalizer | None = None,
        augment: Augment | Change | None = None,
        shuffle: bool = False,
        seed: int = 0,
        dtype: str = "float32",
        weights: np.ndarray | None = None,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}; it must be at least 1.")
        if seed < 0:
            raise ConfigError(f"seed is {seed}; it must not be negative.")
        self.images, self.labels = _arrays(data, dtype)
        self.names = data.class_names if isinstance(data, Dataset) else None  # of classes or labels
        self.batch_size = batch_size
        self.normalizer = Normalizer.of_fractions(self.images) if normalizer is None else normalizer
        self.augment = augment
        self.classes = _classes(data, self.labels)
        if self.labels.ndim > 2 and self.mixes:
            raise ConfigError(
                "augment: mixup and cutmix mix classes, and labels are as large as images; leave both out"
            )
        self._label_white = _label_white(data, self.labels, self.images)
        self._white = augment.white(self.images) if isinstance(augment, Augment) else 1.0
        self.shuffle = shuffle
        self.seed = seed
        self.dtype = dtype
        self.chances = None if weights is None else _chances(weights, len(self.images), shuffle)
        self._slices = _cut_into_batches(len(self.images), batch_size)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return len(self._slices)

    def in_batches_of(self, batch_size: int) -> "Loader":
        """The same images in batches of another size."""
        other = copy.copy(self)
        other.batch_size, other._slices = batch_size, _cut_into_batches(len(self.images), batch_size)
        return other

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one image, (C, H, W)."""
        return self.images.shape[1:]

    def batches(self, epoch: int, first: int = 0, part: Callable[[int], slice] | None = None) -> Iterator[Batch]:
        """The batches of an epoch, from number `first` on. Every batch has arrays of its own.

        Of a batch of n images only those of the slice `part(n)` are read; they are what they are in the whole.
        """
        every = self.indices(epoch)[first:]
        parts = [slice(None) if part is None else part(len(indices)) for indices in every]
        taken = [slice(None)] * len(every) if self.mixes else parts
        held = self._held(every, taken)
        for number, (indices, own, (images, rows)) in enumerate(zip(every, taken, held, strict=True), first):
            labels = self._labels(indices, own, epoch, number)
            batch = Batch(self._images(images, rows, own, len(indices), epoch, number), labels)
            yield self._mixed(batch, epoch, number, parts[number - first]) if self.mixes else batch

    def indices(self, epoch: int) -> list[np.ndarray]:
        """For each batch of an epoch, the numbers of its images in the data set."""
        n = len(self.images)
        if self.chances is not None:
            order = self._generator(epoch, 0).choice(n, n, p=self.chances)
        else:
            order = self._generator(epoch, 0).permutation(n) if self.shuffle else np.arange(n)
        return [order[part] for part in self._slices]

    def changes(self, epoch: int, number: int, images: int) -> Changes:
        """The random changes of the `images` of one batch."""
        if not isinstance(self.augment, Augment):
            return Changes()
        return self.augment.draw(images, self.image_shape, self._generator(epoch, 1 + number))

    @property
    def mixes(self) -> bool:
        """Whether the images of a batch are mixed, and labels become rows."""
        return isinstance(self.augment, Augment) and self.augment.mixes

    def mixture(self, epoch: int, number: int) -> np.ndarray:
        """What one batch is mixed by; see `mix.draw_mixture`."""
        assert isinstance(self.augment, Augment)
        return self.augment.draw_mixture(self.image_shape, self._generator(epoch, 1 + number, MIXTURE))

    def _mixed(self, batch: Batch, epoch: int, number: int, own: slice) -> Batch:
        """The part `own` of a whole batch after mixing."""
        images, labels = mixed(*batch, self.mixture(epoch, number), self.classes)
        return Batch(np.ascontiguousarray(images[..., own]), labels[own])

    def _held(self, every: list[np.ndarray], taken: list[slice]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each batch an array that holds the images of its part, and their rows; what is on disk is read ahead.

        A function that changes images sees the whole batch, so that it gives all processes the same.
        """
        if self.augment is None or isinstance(self.augment, Augment):
            every = [indices[own] for indices, own in zip(every, taken, strict=True)]
        if not isinstance(self.images, Stored):
            return ((self.images, indices) for indices in every)
        return ((images, np.arange(len(images))) for images in ahead(map(self.images.__getitem__, every)))

    def _images(
        self, held: np.ndarray, rows: np.ndarray, own: slice, count: int, epoch: int, number: int
    ) -> np.ndarray:
        """The part `own` of a batch of `count` images, of which `held` has at `rows` what `_held` says."""
        if self.augment is None:
            return self.normalizer.take_batch_last(held, rows, self.dtype)
        if isinstance(self.augment, Augment):
            changes = self.changes(epoch, number, count).each(lambda drawn: drawn[own])
            images = apply(self._recoloured(held[rows], own, count, epoch, number), changes)  # (n, C, H, W)
        else:
            images = np.asarray(self.augment(held[rows], self._generator(epoch, 1 + number)))
            if images.shape != (count, *self.image_shape):
                raise DataError(f"augment returned images {images.shape} of {(count, *self.image_shape)}")
            images = images[own]
        return self.normalizer.take_batch_last(images, np.arange(len(images)), self.dtype)

    def _labels(self, indices: np.ndarray, own: slice, epoch: int, number: int) -> np.ndarray:
        """The labels of the part `own` of a batch; those as large as images after what moves these."""
        labels = self.labels[indices[own]]
        if labels.ndim < 3:
            return labels
        if isinstance(self.augment, Augment):
            labels = moved(labels, self.changes(epoch, number, len(indices)).each(lambda drawn: drawn[own]))
        if self._label_white is None:
            return labels
        return np.divide(labels, self._label_white, dtype=self.dtype)

    def _recoloured(self, images: np.ndarray, own: slice, count: int, epoch: int, number: int) -> np.ndarray:
        """The images of the part `own` of a batch of `count` after the changes of their colours."""
        if not isinstance(self.augment, Augment) or not self.augment.recolours:
            return images
        drawn = self.augment.draw_colours(count, self._generator(epoch, 1 + number, COLOURS))
        return recoloured(images, drawn._replace(amounts=drawn.amounts[own]), self._white)

    def _generator(self, epoch: int, *purpose: int) -> np.random.Generator:
        """A generator for one epoch; purpose: 0 for the order of images, 1 + number for the changes of a batch.

        After it, COLOURS and MIXTURE have generators of their own.
        """
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epoch, *purpose)))


def balanced(labels: np.ndarray) -> np.ndarray:
    """A weight for each image, (N,), by which every class among its labels (N,) is drawn as often as any other."""
    return 1 / np.bincount(labels)[labels]


def _chances(weights: np.ndarray, images: int, shuffle: bool) -> np.ndarray:
    """The chance of each image to be drawn, (N,), from its weight. Raises ConfigError."""
    weights = np.asarray(weights, np.float64)
    good = weights.shape == (images,) and np.isfinite(weights).all() and (weights >= 0).all() and weights.any()
    if not good or not shuffle:
        raise ConfigError(
            f"weights are {weights.shape}, shuffle is {shuffle}; expected ({images},) numbers of at least 0, not 0 "
            "alone, and shuffle=True, since images are drawn in any order"
        )
    return weights / weights.sum()


def as_batches(data: Data, batch_size: int, dtype: str, shuffle: bool = False, seed: int = 0) -> Batches:
    """`data` in batches: a Dataset or (images, labels) through a Loader with these options; a Loader is returned as is.

    Raises DataError for anything else.
    """
    if isinstance(data, Dataset) or isinstance(data, tuple) and len(data) == 2:
        return Loader(data, batch_size, shuffle=shuffle, seed=seed, dtype=dtype)
    if hasattr(data, "batches") and hasattr(data, "__len__"):
        return cast(Batches, data)
    if hasattr(data, "__iter__") and not isinstance(data, np.ndarray | str | dict | tuple):
        return Iterated(data, dtype)
    raise DataError(
        f"data to train on is a Loader, a Dataset or (images, labels); got {type(data).__name__}. Batches of your own "
        "are a list of such pairs, or a class with __len__ and __iter__"
    )


def to_batch_last(images: np.ndarray, dtype: str) -> np.ndarray:
    """A network's inputs (N, ...) of any type of number in its order of axes: (..., N), C-contiguous, floating."""
    return np.ascontiguousarray(np.moveaxis(_numbers(images, dtype), 0, -1), dtype)


def _arrays(data: Dataset | Arrays, dtype: str) -> Arrays:
    """The images and labels of `data`, checked; images in C order, else every batch would copy them all."""
    if isinstance(data, Dataset):
        return data.images if isinstance(data.images, Stored) else np.ascontiguousarray(data.images), data.labels
    images, labels = np.asarray(data[0]), np.asarray(data[1])
    if images.ndim < 2 or labels.ndim < 1 or len(images) != len(labels) or len(images) < 1:
        raise DataError(f"images {images.shape} and labels {labels.shape}: expected (N, ...) and (N,), N at least 1")
    if labels.ndim == 1 and labels.dtype.kind in "iu":
        labels = labels.astype(np.int64, copy=False)
    return np.ascontiguousarray(_numbers(images, dtype)), labels


def _classes(data: Dataset | Arrays, labels: np.ndarray) -> int:
    """The number of classes, 0 where labels are no class numbers."""
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        return 0
    return len(data.class_names) if isinstance(data, Dataset) else int(labels.max()) + 1


def _label_white(data: Dataset | Arrays, labels: np.ndarray, images: np.ndarray) -> float | None:
    """The number that stands for white in labels that are pictures; None where they are none."""
    if labels.ndim < 3 or labels.ndim != images.ndim:
        return None
    return data.white if isinstance(data, Dataset) else full_scale(labels)


def _numbers(images: np.ndarray, dtype: str) -> np.ndarray:
    """Images as uint8 or float32, else as `dtype`: the types that kernels read. Raises DataError for other types."""
    if images.dtype in (np.uint8, np.float32):
        return images
    if images.dtype.kind not in "biuf":
        raise DataError(f"images are {images.dtype}; expected numbers, such as uint8 or float32")
    return images.astype(dtype)


def _cut_into_batches(images: int, batch_size: int) -> list[slice]:
    """Ranges of `batch_size` images; the last may be smaller, and if it were a single image joins the one before it."""
    batches = max(1, images // batch_size + (images % batch_size > 1))
    starts = [number * batch_size for number in range(batches)]
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], images], strict=True)]
