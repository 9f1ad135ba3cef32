"""Splits into training, validation and test images: hold-out, a new split, a subset of the classes.

The order of use: `transposed`, `resplit`, `select_classes`, `draw_per_class`, `Dataset.limit`, and `hold_out` last.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from gpucnn.data.dataset import Dataset, Source
from gpucnn.data.drawing import fractions
from gpucnn.data.strata import shares
from gpucnn.errors import DataError


def hold_out(
    dataset: Dataset, size: int | float, seed: int = 0, stratified: bool = True, what: str = "validation"
) -> tuple[Dataset, Dataset]:
    """Split `dataset` into (the rest, the held-out images), both in their original order.

    `size` is a number of images (int) or a fraction between 0 and 1 (float). Stratified parts keep the
    proportions of the classes. Of images with keys every one is drawn by its own key, so that a fraction is met about,
    and an image stays in its part when others are added. `what` names the option in messages, and tells one draw of the
    same seed from another. Raises DataError where a part would be empty.
    """
    count = _count(size, len(dataset), what)
    rng = np.random.default_rng(seed)
    if dataset.keys is not None:
        held = _held_by_key(dataset, size, stratified, fractions(dataset.keys, what, seed))
    elif stratified:
        parts = shares(dataset.strata_counts, count)
        chosen = [rng.permutation(np.flatnonzero(dataset.strata == label))[:part] for label, part in enumerate(parts)]
        held = np.concatenate(chosen)
    else:
        held = rng.permutation(len(dataset))[:count]
    mask = np.zeros(len(dataset), dtype=bool)
    mask[held] = True
    return dataset.take(np.flatnonzero(~mask)), dataset.take(np.flatnonzero(mask))


def _held_by_key(dataset: Dataset, size: int | float, stratified: bool, drawn: np.ndarray) -> np.ndarray:
    """The indices of the images that are held out; drawn: a number of each from 0 to 1, (N,).

    A fraction holds out those below it, yet, stratified, at least one image of every class, and not the only one.
    """
    if isinstance(size, float) and not stratified:
        return np.flatnonzero(drawn < size)
    parts = shares(dataset.strata_counts, size) if isinstance(size, int) else None
    held = []
    for label, total in enumerate(dataset.strata_counts):
        order = np.flatnonzero(dataset.strata == label)
        order = order[np.argsort(drawn[order], kind="stable")]
        if parts is None:
            below = int(np.count_nonzero(drawn[order] < size))
            held.append(order[: min(max(below, 1), max(total - 1, 0))])
        else:
            held.append(order[: parts[label]])
    return np.concatenate(held)


def fold_of(dataset: Dataset, folds: int, fold: int, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split `dataset` into (the rest, fold number `fold` of `folds`, from 1), both in their original order.

    Every image is in one fold. Folds differ by one image at most, in all and in each class. The images of a class are
    dealt out in an order drawn by `seed`; images with keys in that of their keys. Raises DataError for a fold that
    would be empty.
    """
    if not 1 <= fold <= folds <= len(dataset):
        raise DataError(f"fold {fold} of {folds}, of {len(dataset)} images: expected 1 to {folds}, an image in each")
    drawn = np.random.default_rng(seed).permutation(len(dataset)) / len(dataset)
    if dataset.keys is not None:
        drawn = fractions(dataset.keys, "folds", seed)
    dealt = np.lexsort((drawn, dataset.strata))  # class after class, each in the order drawn
    held = np.zeros(len(dataset), dtype=bool)
    held[dealt[fold - 1 :: folds]] = True
    return dataset.take(np.flatnonzero(~held)), dataset.take(np.flatnonzero(held))


def resplit(
    source: Source,
    train: int | float,
    images: Literal["train", "all"] = "all",
    order: Literal["random", "label"] = "random",
    seed: int = 0,
) -> Source:
    """Split the images again: `train` of them (a number or a fraction) for training, the rest for testing.

    images: "all" takes all images together, also those that the source has for validation; "train" the training images
    alone. order: "random" draws by `seed`, images with keys each by its own; "label" sorts by label first, so the last
    classes may occur in the test images only.
    """
    pool = _joined(source) if images == "all" else source.train
    count = _count(train, len(pool), "split.train")
    if order == "label":
        pool.check_classes("split.order: label")
        indices = np.argsort(pool.labels, kind="stable")
    elif pool.keys is not None:
        drawn = fractions(pool.keys, "split", seed)
        indices = np.argsort(drawn, kind="stable")
        count = int(np.count_nonzero(drawn < train)) if isinstance(train, float) else count
    else:
        indices = np.random.default_rng(seed).permutation(len(pool))
    validation = None if images == "all" else source.validation
    return replace(source, train=pool.take(indices[:count]), test=pool.take(indices[count:]), validation=validation)


def select_classes(source: Source, classes: Sequence[int | str]) -> Source:
    """Only the images of `classes`, renumbered 0, 1, ... in the order given.

    A class is given by its name, which may be a number, or else by its label. Raises DataError for anything else.
    """
    source.train.check_classes("data.classes")
    names = source.train.class_names
    chosen = [_label_of(name, names) for name in classes]
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise DataError(f"classes is {list(classes)}: name at least two classes, each once.")
    return source.with_parts({name: _only(part, chosen) for name, part in source.parts.items()})


def transposed(source: Source) -> Source:
    """The images with rows and columns exchanged, and labels as large as they. Raises DataError for other images."""
    transposed_shape(source.train.image_shape)
    return source.with_parts({name: _transposed(part) for name, part in source.parts.items()})


def _transposed(part: Dataset) -> Dataset:
    images = np.ascontiguousarray(part.images.swapaxes(2, 3))  # (N, C, H, W) -> (N, C, W, H)
    labels = part.labels if part.labels.ndim < 3 else np.ascontiguousarray(part.labels.swapaxes(-2, -1))
    return replace(part, images=images, labels=labels)


def transposed_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) -> (C, W, H). Raises DataError for the shape of a signal or a volume."""
    if len(shape) != 3:
        raise DataError(f"data.transpose turns pictures (C, H, W), and these are of shape {shape}; leave it out.")
    return shape[0], shape[2], shape[1]


def draw_per_class(dataset: Dataset, n: int, seed: int = 0, what: str = "train") -> Dataset:
    """`n` images of every class, drawn by `seed`, in their original order.

    Of images with keys every one is drawn by its own, so that others that are added displace few. `what` is train or
    test. Raises DataError where a class has fewer.
    """
    dataset.check_classes("per_class")
    for name, count in zip(dataset.class_names, dataset.class_counts, strict=True):
        if count < n:
            raise DataError(f"per_class.{what} is {n}, but there are {count} such images of class {name!r}.")
    rng = np.random.default_rng(seed)
    drawn = None if dataset.keys is None else fractions(dataset.keys, "per_class", seed)
    classes = [np.flatnonzero(dataset.labels == label) for label in range(len(dataset.class_names))]
    orders = [
        rng.permutation(images) if drawn is None else images[np.argsort(drawn[images], kind="stable")]
        for images in classes
    ]
    return dataset.take(np.sort(np.concatenate([order[:n] for order in orders])))


def _count(size: int | float, total: int, what: str) -> int:
    """`size` (number or fraction) as a number of images, at least 1 and less than `total`. Raises DataError."""
    if isinstance(size, float):
        if not 0 < size < 1:
            raise DataError(f"{what} is {size}: a fraction lies between 0 and 1; a number of images has no point.")
        count = round(size * total)
    else:
        count = size
    if not 0 < count < total:
        mend = "more" if count < 1 else f"less, such as the fraction 0.1 (data.{what}=0.1)"
        raise DataError(
            f"{what} is {size}, which is {count} of {total} images: at least one must be taken and one be left; "
            f"give {mend}"
        )
    return count


def _joined(source: Source) -> Dataset:
    parts = source.parts.values()
    images = np.concatenate([part.images for part in parts])  # (N + M, C, H, W)
    labels = np.concatenate([part.labels for part in parts])
    keys = [part.keys for part in parts if part.keys is not None]
    joined = np.concatenate(keys) if len(keys) == len(parts) else None
    return Dataset(images, labels, source.train.class_names, joined)


def _label_of(name: int | str, names: tuple[str, ...]) -> int:
    if str(name) in names:
        return names.index(str(name))
    if isinstance(name, int) and 0 <= name < len(names):
        return name
    raise DataError(f"There is no class {name!r}; the classes are {', '.join(names)} (labels 0 to {len(names) - 1}).")


def _only(dataset: Dataset, chosen: list[int]) -> Dataset:
    new_label = np.full(len(dataset.class_names), -1)
    new_label[chosen] = np.arange(len(chosen))
    labels = new_label[dataset.labels]
    kept = np.flatnonzero(labels >= 0)
    if not kept.size:
        raise DataError(f"No image belongs to the classes {[dataset.class_names[k] for k in chosen]}.")
    taken = dataset.take(kept)
    return replace(taken, labels=labels[kept], class_names=tuple(dataset.class_names[k] for k in chosen))
