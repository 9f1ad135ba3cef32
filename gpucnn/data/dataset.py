"""Images with their labels: the result of every data source."""

import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from gpucnn.data.drawing import fractions
from gpucnn.data.label_maps import channel_names, check_maps, pixel_counts
from gpucnn.data.stored import Stored, pieces
from gpucnn.data.strata import shares
from gpucnn.errors import DataError

ClassNames = tuple[str | int, ...]  # as an option; numbers are converted to text
_MOST_LISTED = 12  # classes in one sentence
_ANOTHER_SCALE = 12  # times as high: 0..1, 0..16, 0..255, 12 and 16 bits are farther apart
MAX_CLASSES = 65_536  # bounds the memory that a damaged label can cause


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images on the host.

    images: (N, C, H, W), uint8 (0..255) or float32, an array or, where they are larger than memory, `Stored`; signals
    are (N, C, W), volumes (N, C, D, H, W). labels: (N,), converted to int64; class `k` is called `class_names[k]`. Or
    rows (N, L), whose columns have the names: uint8, of 0 and 1, where an image has any of several labels; float64
    where they are numbers to be predicted. Or a class per pixel, (N, H, W) uint8, 255 for none; or pictures of the
    images' shape, whose channels have the names, and `white` is the number that stands for white in them. keys: (N, 2)
    uint64, a name and a number under it, by which `hold_out` draws an image independently of the others; without them
    it draws by position. Raises DataError where they do not fit together.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    keys: np.ndarray | None = None
    white: float = 1.0

    def __post_init__(self) -> None:
        _check_images(self.images)
        if self.labels.ndim > 2:
            check_maps(self.labels, self.images, len(self.class_names))
        else:
            _check_labels(self.labels, len(self.images), len(self.class_names))
        if self.labels.ndim == 1:
            object.__setattr__(self, "labels", self.labels.astype(np.int64, copy=False))
        object.__setattr__(self, "class_names", checked_names(self.class_names))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """(C, H, W) of every image."""
        return self.images.shape[1:]

    @property
    def kind(self) -> Literal["classes", "several", "numbers", "pixels", "pictures"]:
        """What the labels are: a class, several labels that are there or not, numbers, a class per pixel, pictures."""
        if self.labels.ndim == 1:
            return "classes"
        if self.labels.ndim > 2:
            return "pictures" if self.labels.ndim == self.images.ndim else "pixels"
        return "numbers" if self.labels.dtype.kind == "f" else "several"

    @property
    def strata(self) -> np.ndarray:
        """What parts keep the proportions of, (N,): the classes; images without one are all alike."""
        return self.labels if self.labels.ndim == 1 else np.zeros(len(self), np.int64)

    @property
    def strata_counts(self) -> np.ndarray:
        """How many images each of `strata` has, (K,); (1,) where labels are no classes."""
        return np.bincount(self.strata, minlength=len(self.class_names) if self.labels.ndim == 1 else 1)

    @property
    def class_counts(self) -> np.ndarray:
        """How many images each class has, or pixels, (K,); (1,) where labels are no classes."""
        return pixel_counts(self.labels, len(self.class_names)) if self.kind == "pixels" else self.strata_counts

    def check_classes(self, option: str) -> None:
        """Raise DataError, which names the option that needs them, unless labels are classes."""
        if self.kind != "classes":
            what = {"several": "several labels an image", "pixels": "a class per pixel"}.get(self.kind, self.kind)
            raise DataError(f"{option} goes by classes, and the labels are {what}; leave it out.")

    def reproduced(self, white: float) -> "Dataset":
        """The same images, each its own label, of which the number `white` is white."""
        return replace(self, labels=self.images, class_names=channel_names(self.image_shape[0]), white=white)

    def take(self, indices: np.ndarray | Sequence[int]) -> "Dataset":
        """The images at `indices`, in that order."""
        keys = None if self.keys is None else self.keys[indices]
        indices = np.asarray(indices)
        images = self.images.take(indices) if isinstance(self.images, Stored) else self.images[indices]
        labels = images if self.labels is self.images else self.labels[indices]
        return replace(self, images=images, labels=labels, keys=keys)

    def renumbered(self, class_names: tuple[str, ...]) -> "Dataset":
        """The same images with the classes in another order, among others perhaps, matched by their names.

        Raises DataError, with both lists, where there is a class that is none of them.
        """
        if self.class_names == class_names:
            return self
        if self.labels.ndim > 1:
            if set(self.class_names) != set(class_names):
                raise DataError(f"its labels are {listed(self.class_names)}, the run's {listed(class_names)}")
            order = [self.class_names.index(name) for name in class_names]
            labels = _renumbered(self.labels, order) if self.kind == "pixels" else self.labels[:, order]
            return replace(self, labels=labels, class_names=class_names)
        number = {name: k for k, name in enumerate(class_names)}
        if not number.keys() >= set(self.class_names):
            raise DataError(f"its classes are {listed(self.class_names)}, the run's {listed(class_names)}")
        new_label = np.array([number[name] for name in self.class_names], np.int64)
        return Dataset(self.images, new_label[self.labels], class_names, self.keys)

    def limit(self, n: int) -> "Dataset":
        """At most `n` images, in the proportions of the whole and in the original order: the first of each class.

        Of images with keys they are drawn by these, so that others that are added displace few, and that they come
        from everywhere in folders. Raises DataError if `n` is less than 1.
        """
        if n < 1:
            raise DataError(f"limit is {n}: keep at least 1 image.")
        if n >= len(self):
            return self
        parts = shares(self.strata_counts, n)
        order = (
            np.arange(len(self)) if self.keys is None else np.argsort(fractions(self.keys, "limit", 0), kind="stable")
        )
        kept = [order[self.strata[order] == label][:part] for label, part in enumerate(parts)]
        return self.take(np.sort(np.concatenate(kept)))


def _renumbered(masks: np.ndarray, order: Sequence[int]) -> np.ndarray:
    """A class per pixel, the class `order[k]` as k; what has no class stays so."""
    numbers = np.arange(256, dtype=np.uint8)
    numbers[list(order)] = np.arange(len(order))
    return numbers[masks]


@dataclass(frozen=True, eq=False)
class Source:
    """The parts of a data set: training and test images and, if it has its own, validation images.

    All have one shape and the same classes; if only some parts are uint8, they are converted to float32.
    `from_files`: whether the pixels come from picture files, whose range is 0 to 255 however dark they are.
    `notes`: one line for each decision or omission made while reading. Raises DataError if the parts do not fit.
    """

    train: Dataset
    test: Dataset
    validation: Dataset | None = None
    notes: tuple[str, ...] = ()
    from_files: bool = False

    def __post_init__(self) -> None:
        for what, part in (("test", self.test), ("validation", self.validation)):
            if part is not None:
                self._check_alike(what, part)
        if any(part.images.dtype == np.float32 for part in self.parts.values()):
            for name, part in self.parts.items():
                object.__setattr__(self, name, replace(part, images=part.images.astype(np.float32, copy=False)))

    @property
    def parts(self) -> dict[str, Dataset]:
        """The parts by name: train, test and, if present, validation."""
        parts = {"train": self.train, "test": self.test}
        return parts if self.validation is None else {**parts, "validation": self.validation}

    def with_parts(self, parts: Mapping[str, Dataset]) -> "Source":
        """The same source with other parts."""
        return replace(self, train=parts["train"], test=parts["test"], validation=parts.get("validation"))

    def _check_alike(self, what: str, part: Dataset) -> None:
        for which, train, other in (
            ("images are", self.train.image_shape, part.image_shape),
            ("classes are", self.train.class_names, part.class_names),
        ):
            if train != other:
                raise DataError(f"Training {which} {train}, but {what} {which} {other}: they must be alike.")
        if self.train.images.dtype != part.images.dtype:
            highest = float(self.train.images.max()), float(part.images.max())
            if min(highest) <= 1 < max(highest):
                raise DataError(
                    f"Training pixels reach {highest[0]:g}, but {what} pixels {highest[1]:g}: "
                    "one of them was scaled to 0..1 and the other was not. Scale both alike."
                )


def check_scales(parts: Mapping[str, Dataset]) -> None:
    """Raise DataError where parts that were read apart hold pictures of scales as different as 8 and 16 bits."""
    train = parts["train"].images
    if train.ndim != 4 or train.min() < 0:
        return
    for what, part in parts.items():
        highest = float(train.max()), float(part.images.max())
        if min(highest) > 0 and max(highest) > _ANOTHER_SCALE * min(highest):
            raise DataError(
                f"Training pixels reach {highest[0]:g}, but {what} pixels {highest[1]:g}: they are of two scales, such "
                "as 8 and 16 bits. Scale both alike."
            )


def listed(names: Iterable[str]) -> str:
    """The first of the names, as they stand in a sentence."""
    names = list(names)
    return ", ".join(map(repr, names[:_MOST_LISTED])) + (", ..." if len(names) > _MOST_LISTED else "")


def with_defaults(load: Callable[..., Source], options: Mapping[str, Any]) -> SimpleNamespace:
    """The options of a source, given or else at their defaults, which are those of its function `load`.

    Raises TypeError for an option that `load` does not have.
    """
    bound = inspect.signature(load).bind_partial(**options)
    bound.apply_defaults()
    return SimpleNamespace(**bound.arguments)


def checked_names(names: Iterable[object]) -> tuple[str, ...]:
    """Class names as text. Raises DataError where two classes have one name."""
    texts = tuple(str(name) for name in names)
    twice = sorted({text for text in texts if texts.count(text) > 1}) if len(set(texts)) < len(texts) else []
    if twice:
        raise DataError(
            f"class_names holds {', '.join(map(repr, twice))} more than once; every class needs its own name."
        )
    return texts


def number_classes(
    labels: Sequence[np.ndarray], class_names: Iterable[object] | None = None, where: Sequence[object] = ()
) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Labels (N,) of several parts renumbered from 0, int64, and the names of the classes.

    Without `class_names` a class is named by its number. The classes are all numbers from the lowest label to the
    highest, where most of these occur (a small sample may lack some), else those that occur. With `class_names`,
    labels count from 0 or from 1, or are as many different numbers as there are names, which are assigned in
    ascending order. Raises DataError for labels that name no class, and if all images are of one class; `where` names
    the file of each part.
    """
    occurring = np.unique(np.concatenate([np.unique(part) for part in labels]))
    if len(occurring) == 1:
        raise DataError(
            f"All labels are {occurring[0]}: there is one class only, and nothing to tell apart. Are these the labels?"
        )
    if class_names is None:
        numbers = _class_numbers(occurring)
        names = tuple(str(number) for number in numbers)
    else:
        names = checked_names(class_names)
        numbers = _named_numbers(occurring, len(names))
    if not np.isin(occurring, numbers).all():
        for part, file in itertools.zip_longest(labels, where):
            check_label_range(part, len(numbers), file)
    return [np.searchsorted(numbers, part) for part in labels], names


def _class_numbers(occurring: np.ndarray) -> np.ndarray:
    """The labels that are classes, given those that occur, ascending."""
    lowest, highest = max(int(occurring[0]), 0), int(occurring[-1])
    numbers = np.arange(lowest, highest + 1) if highest - lowest < 2 * len(occurring) - 1 else occurring
    if len(numbers) > MAX_CLASSES:
        raise DataError(
            f"There are {len(occurring):,} different labels, up to {highest}; at most {MAX_CLASSES:,} classes are told "
            "apart. Are these the labels?"
        )
    return numbers


def _named_numbers(occurring: np.ndarray, count: int) -> np.ndarray:
    """The labels of `count` named classes, given the labels that occur, ascending."""
    if occurring[-1] < count or len(occurring) > count:
        return np.arange(count)
    if occurring[0] >= 1 and occurring[-1] == count:
        return np.arange(1, count + 1)
    return occurring if len(occurring) == count else np.arange(count)


def compact(values: np.ndarray) -> np.ndarray:
    """Pixel values as uint8 where all are whole numbers from 0 to 255, otherwise as float32."""
    if values.dtype == np.uint8:
        return values
    if values.size and values.min() >= 0 and values.max() <= 255:
        small = values.astype(np.uint8)
        if np.array_equal(small, values):
            return small
    with np.errstate(over="ignore"):  # values too large for float32 become infinite, which Dataset rejects
        return values.astype(np.float32, copy=False)


def _check_images(images: np.ndarray) -> None:
    if images.ndim not in (3, 4, 5) or 0 in images.shape:
        raise DataError(
            f"Images have the shape {images.shape}; expected (N, C, H, W) with at least one image, "
            "(N, C, W) for signals or (N, C, D, H, W) for volumes."
        )
    if images.dtype not in (np.uint8, np.float32):
        raise DataError(f"Pixels are {images.dtype}; expected uint8 (0 to 255) or float32.")
    finite = images.dtype != np.float32 or all(np.isfinite(piece).all() for piece in pieces(images))
    if not finite:
        first = int(np.flatnonzero(~np.isfinite(images).all(axis=tuple(range(1, images.ndim))))[0])
        raise DataError(f"Image {first} holds pixels that are not finite numbers (NaN or infinite).")


def _check_labels(labels: np.ndarray, n_images: int, n_classes: int) -> None:
    if labels.ndim == 2 and labels.dtype in (np.uint8, np.float64):
        if labels.shape != (n_images, n_classes) or not n_classes:
            raise DataError(f"Labels are rows {labels.shape}; expected {(n_images, n_classes)}: images, names.")
        good = labels <= 1 if labels.dtype == np.uint8 else np.isfinite(labels)
        if not good.all():
            raise DataError(f"Label {labels[~good][0]} is neither 0 nor 1, nor a finite number.")
        return
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"Labels are {labels.dtype} of shape {labels.shape}; expected one integer per image.")
    if len(labels) != n_images:
        raise DataError(
            f"{n_images} images but {len(labels)} labels: every image needs one label. "
            "Give the files that belong together."
        )
    check_label_range(labels, n_classes)


def check_label_range(labels: np.ndarray, n_classes: int, where: object = None) -> None:
    """Raise DataError, which begins with `where`, unless labels (N,) lie between 0 and the number of classes."""
    wrong = np.flatnonzero((labels < 0) | (labels >= n_classes))
    if wrong.size:
        at, begin = int(wrong[0]), f"{where}: " if where else ""
        raise DataError(
            f"{begin}Label {labels[at]} of image {at} is out of range: {n_classes} classes are labelled 0 to "
            f"{n_classes - 1}. Mend the label, or name as many classes as there are."
        )
