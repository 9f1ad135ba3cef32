"""The surest mistakes of a validation, collected while it runs."""

from typing import NamedTuple

import numpy as np

from gpucnn.data.loader import Loader
from gpucnn.data.pipeline import Outputs, as_probabilities
from gpucnn.report.series import short_number

MOST = 24


class Mistake(NamedTuple):
    """A validation image's number, its class and that which was said, and the probability of each."""

    image: int
    true: int
    predicted: int
    share_of_true: float | None
    share: float | None


class Found(NamedTuple):
    """The surest mistakes, the most confident first; `wrong` images `of` so many were mistaken."""

    worst: list[Mistake]
    wrong: int
    of: int


class Mistakes:
    """Told the network's outputs for every minibatch of `loader`, whose labels are classes, it keeps the mistakes.

    `outputs` says what they are; images of the class `ignored` are none. Where several processes validate, it is told
    of the first images of each minibatch.
    """

    def __init__(self, loader: Loader, outputs: Outputs, ignored: int | None = None) -> None:
        self._labels, self._indices, self._kind = loader.labels, loader.indices(0), outputs
        self._ignored = ignored
        self._wrong: list[tuple[np.ndarray, np.ndarray]] = []  # numbers and probabilities, of the validation under way
        self._seen = 0
        self.last: Found | None = None  # of the last validation that is over

    def __call__(self, number: int, outputs: np.ndarray) -> None:
        """Note the mistakes of minibatch `number`; outputs: (n, C)."""
        images = self._indices[number][: len(outputs)]
        labels = self._labels[images]
        mistaken = outputs.argmax(axis=1) != labels
        if self._ignored is not None:
            mistaken &= labels != self._ignored
        wrong = np.flatnonzero(mistaken)
        self._seen += len(images)
        if len(wrong):
            self._wrong.append((images[wrong], outputs[wrong]))

    def close(self) -> None:
        """The validation is over."""
        if not self._seen:
            return
        worst: list[Mistake] = []
        if self._wrong:
            images, outputs = (np.concatenate(each) for each in zip(*self._wrong, strict=True))
            worst = self._surest(images, as_probabilities(outputs, self._kind))
        self.last = Found(worst, sum(len(images) for images, _ in self._wrong), self._seen)
        self._wrong, self._seen = [], 0

    def _surest(self, images: np.ndarray, shares: np.ndarray) -> list[Mistake]:
        """Of mistaken images (n,) with probabilities (n, C) those whose wrong answer was the most probable."""
        said, true = shares.argmax(axis=1), self._labels[images]
        order = np.argsort(-shares.max(axis=1), kind="stable")[:MOST]
        return [
            Mistake(
                int(images[i]),
                int(true[i]),
                int(said[i]),
                short_number(float(shares[i, true[i]])),
                short_number(float(shares[i, said[i]])),
            )
            for i in order
        ]
