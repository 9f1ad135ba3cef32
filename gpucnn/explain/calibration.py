"""How far probabilities are to be believed: reliability, calibration error, accuracy against coverage, temperature."""

from dataclasses import dataclass

import numpy as np

from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import InputError

BINS = 15
COOLEST, HOTTEST = 0.05, 20.0  # temperatures: where all answers are right, or none is, the best has no end
_STEPS, _NEAR = 100, 1e-12  # of Newton's method


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images grouped by confidence, the probability of their likeliest class.

    Bin b of `edges` (B + 1,) holds `images[b]` with a confidence above edges[b] and up to edges[b + 1], whose mean is
    `confidence[b]` and of which the share `accuracy[b]` is right; both are NaN where there are none.
    """

    edges: np.ndarray
    images: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: |accuracy - confidence|, the mean over images.

        Source: C. Guo et al., On Calibration of Modern Neural Networks, 2017.
        """
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float((self.images * gaps).sum() / self.images.sum())


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """The reliability of probabilities (N, C) for class labels (N,), in bins of equal width from 0 to 1.

    Raises InputError where there are no images, and as `top_class` does.
    """
    confidence, right = top_class(labels, probabilities)
    if not len(right):
        raise InputError("calibration is measured on images with labels; given none")
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)
    images = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0 / 0 where a bin is empty
        means = [np.bincount(place, weights=each, minlength=bins) / images for each in (confidence, right)]
    return Reliability(edges, images, *means)


def top_class(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each image the confidence, (N,) float64, and whether its likeliest class is its own, (N,) bool."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise InputError(f"expected labels (N,) and probabilities (N, C); got {labels.shape}, {probabilities.shape}")
    return probabilities.max(axis=1).astype(np.float64), probabilities.argmax(axis=1) == labels


def coverage(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy where only the surest n of N images are answered: (confidence of the n-th, accuracy), (N,) each.

    The last is the accuracy on all. Raises InputError as `top_class` does.
    """
    confidence, right = top_class(labels, probabilities)
    order = np.argsort(-confidence, kind="stable")
    return confidence[order], np.cumsum(right[order]) / np.arange(1, len(order) + 1)


def best_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T with which softmax(scores / T) is likeliest to give the labels.

    scores: (N, C), logits or logarithms of probabilities. labels: (N,). From `COOLEST` to `HOTTEST`. The mean of
    -ln softmax(b · scores) is convex in b = 1 / T, so that Newton's method finds its least value; where a step leaves
    the range that holds it, that is halved.

    Source: C. Guo et al., On Calibration of Modern Neural Networks, 2017.
    """
    own = np.take_along_axis(scores.astype(np.float64), labels[:, None], axis=1)
    above = scores - own  # (N, C); 0 for the label, so that no rounding is left where its probability is 1
    low, high, b = 1 / HOTTEST, 1 / COOLEST, 1.0
    for _ in range(_STEPS):
        shares = as_probabilities(b * above, "logits")
        mean = (shares * above).sum(axis=1)
        slope = mean.mean()
        low, high = (low, b) if slope > 0 else (b, high)
        curvature = ((shares * above**2).sum(axis=1) - mean**2).mean()
        following = b - slope / curvature if curvature > 0 else np.inf
        if not low <= following <= high:
            following = (low + high) / 2
        if abs(following - b) <= _NEAR * b:
            break
        b = following
    return float(1 / b)
