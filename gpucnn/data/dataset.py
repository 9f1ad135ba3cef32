"""Images with their labels: what every source of data gives and every later step takes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gpucnn.data.strata import shares
from gpucnn.errors import DataError

MAX_CLASSES = 65_536  # more than any labelled set of images has; a damaged label must not make 2**31 of them


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images on the host.

    images: (N, C, H, W), uint8 (0..255) or float32; signals are (N, C, W), volumes (N, C, D, H, W). labels: (N,),
    int64 once held here; class `k` is called `class_names[k]`. Raises DataError where the three do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_images(self.images)
        _check_labels(self.labels, len(self.images), len(self.class_names))
        object.__setattr__(self, "labels", self.labels.astype(np.int64, copy=False))
        object.__setattr__(self, "class_names", tuple(self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of every image."""
        return self.images.shape[1:]

    @property
    def class_counts(self) -> np.ndarray:
        """How many images each class has, (K,)."""
        return np.bincount(self.labels, minlength=len(self.class_names))

    def take(self, indices: np.ndarray | Sequence[int]) -> "Dataset":
        """The images at `indices`, in that order."""
        return Dataset(self.images[indices], self.labels[indices], self.class_names)

    def limit(self, n: int) -> "Dataset":
        """At most `n` images: the first of each class, in the proportions of the whole, in the old order."""
        if n < 1:
            raise DataError(f"limit is {n}: keep at least 1 image.")
        if n >= len(self):
            return self
        parts = shares(self.class_counts, n)
        kept = [np.flatnonzero(self.labels == label)[:part] for label, part in enumerate(parts)]
        return self.take(np.sort(np.concatenate(kept)))


@dataclass(frozen=True, eq=False)
class Source:
    """What a data set consists of: images to train on, and images to test on, of one shape and kind."""

    train: Dataset
    test: Dataset

    def __post_init__(self) -> None:
        for what, train, test in (
            ("images are", self.train.image_shape, self.test.image_shape),
            ("pixels are", self.train.images.dtype, self.test.images.dtype),
            ("classes are", self.train.class_names, self.test.class_names),
        ):
            if train != test:
                raise DataError(f"Training {what} {train}, but test {what} {test}: they must be alike.")


def numbered_classes(*labels: np.ndarray) -> tuple[str, ...]:
    """Names "0", "1", ... for every class up to the highest label in any of the arrays `labels`."""
    highest = max((int(part.max()) for part in labels if part.size), default=0)
    if highest >= MAX_CLASSES:
        raise DataError(f"The highest label is {highest}; labels number the classes from 0 to {MAX_CLASSES - 1}.")
    return tuple(str(k) for k in range(highest + 1))


def compact(values: np.ndarray) -> np.ndarray:
    """Pixel values as uint8 where all are whole numbers from 0 to 255, otherwise as float32."""
    if values.dtype == np.uint8:
        return values
    if values.size and values.min() >= 0 and values.max() <= 255:
        small = values.astype(np.uint8)
        if np.array_equal(small, values):
            return small
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, which Dataset refuses
        return values.astype(np.float32, copy=False)


def _check_images(images: np.ndarray) -> None:
    if images.ndim not in (3, 4, 5) or 0 in images.shape:
        raise DataError(
            f"Images have the shape {images.shape}; expected (N, C, H, W) with at least one image, "
            "(N, C, W) for signals or (N, C, D, H, W) for volumes."
        )
    if images.dtype not in (np.uint8, np.float32):
        raise DataError(f"Pixels are {images.dtype}; expected uint8 (0 to 255) or float32.")
    if images.dtype == np.float32 and not np.isfinite(images).all():
        first = int(np.flatnonzero(~np.isfinite(images).all(axis=tuple(range(1, images.ndim))))[0])
        raise DataError(f"Image {first} holds pixels that are not finite numbers (NaN or infinite).")


def _check_labels(labels: np.ndarray, n_images: int, n_classes: int) -> None:
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"Labels are {labels.dtype} of shape {labels.shape}; expected one integer per image.")
    if len(labels) != n_images:
        raise DataError(
            f"{n_images} images but {len(labels)} labels: every image needs one label. "
            "Give the files that belong together."
        )
    wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if wrong.size:
        at = int(wrong[0])
        raise DataError(
            f"Label {labels[at]} of image {at} is out of range: {n_classes} classes are labelled 0 to {n_classes - 1}. "
            "Mend the label, or name as many classes as there are."
        )
