"""The fingerprint of a data set: counts, shapes, names, and a hash that takes a few milliseconds."""

import hashlib
from collections.abc import Mapping
from typing import Annotated, Self

import numpy as np
from pydantic import Field

from gpucnn.data.dataset import Dataset, listed
from gpucnn.data.kept import Kept
from gpucnn.data.stored import pieces

_SAMPLED = 256  # images per part whose bytes are hashed; the others enter by their sum
Count = Annotated[int, Field(ge=0)]


class PartPrint(Kept):
    """The fingerprint of one part: images of every class, and a hash of pixels and labels in their order."""

    counts: tuple[Count, ...]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]

    @classmethod
    def of(cls, part: Dataset) -> Self:
        """The fingerprint of these images."""
        images = part.images
        sample = np.unique(np.linspace(0, len(images) - 1, _SAMPLED).astype(np.int64))
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"{images.shape} {images.dtype.name} {sum(map(_sum_of_bytes, pieces(images))) % 2**64}".encode())
        for number in sample:
            digest.update(images[number : number + 1].tobytes())
        if part.labels is not part.images:
            digest.update(np.ascontiguousarray(part.labels).tobytes())
        return cls(counts=tuple(part.class_counts.tolist()), digest=digest.hexdigest())


class Fingerprint(Kept):
    """The fingerprint of a data set as used in training: name, shape of the images, classes and parts.

    Runs of version 0.1.0 recorded no parts; there are then none.
    """

    dataset: str
    image_shape: tuple[Annotated[int, Field(ge=1)], ...]
    class_names: tuple[str, ...]
    parts: dict[str, PartPrint]

    @classmethod
    def of(cls, dataset: str, parts: Mapping[str, Dataset]) -> Self:
        """The fingerprint of the data set of that name, whose parts (train, validation, test) are given."""
        train = parts["train"]
        return cls(
            dataset=dataset,
            image_shape=train.image_shape,
            class_names=train.class_names,
            parts={name: PartPrint.of(part) for name, part in parts.items()},
        )

    def differences(self, now: "Fingerprint") -> list[str]:
        """The differences from then to `now`, one sentence each; empty if the data are the same."""
        changes = []
        if self.dataset != now.dataset:
            changes.append(f"the data set was {self.dataset} and is {now.dataset}")
        if self.image_shape != now.image_shape:
            changes.append(f"images were {self.image_shape} and are {now.image_shape}")
        if self.class_names != now.class_names:
            changes.append(_other_classes(self.class_names, now.class_names))
        for name in {**self.parts, **now.parts} if self.parts else ():
            then, today = self.parts.get(name), now.parts.get(name)
            if then != today:
                changes.append(f"{name}: {_other_part(then, today)}")
        return changes


def _other_classes(then: tuple[str, ...], now: tuple[str, ...]) -> str:
    gone, new = [name for name in then if name not in now], [name for name in now if name not in then]
    if not gone and not new:
        return f"the classes were in the order {listed(then)} and are in the order {listed(now)}"
    words = [f"{listed(names)} {what}" for names, what in ((gone, "gone"), (new, "new")) if names]
    return f"of the classes {' and '.join(words)}"


def _other_part(then: PartPrint | None, now: PartPrint | None) -> str:
    if then is None or now is None:
        return (
            "there were no such images, and now there are" if then is None else "there were images, and none are left"
        )
    if sum(then.counts) != sum(now.counts):
        return f"there were {sum(then.counts):,} images, and now there are {sum(now.counts):,}"
    if then.counts != now.counts:
        return "as many images as before, but other numbers of each class"
    return "as many images as before, but other pixels, labels or another order"


def _sum_of_bytes(images: np.ndarray) -> int:
    """The sum of all bytes, eight at a time, which counts modulo 2^64; a change of any byte changes it."""
    values = np.ascontiguousarray(images).reshape(-1).view(np.uint8)
    whole = values.size // 8 * 8
    words = values[:whole].view(np.uint64)
    return int(np.add.reduce(words)) + int(values[whole:].sum(dtype=np.uint64))
