"""The number of images of each class in a part of a data set."""

import numpy as np


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Numbers per class, (K,), that sum to `total` in the proportions of `counts` (K,).

    The rest after rounding down goes to the largest remainders (Hamilton's method), the lower class first.
    `total` is at most `counts.sum()`; no class then gets more than it has.
    """
    exact = counts * total  # over counts.sum(): kept as integers, so that ties are true ties
    parts = exact // counts.sum()
    left = total - int(parts.sum())
    largest = np.argsort(-(exact % counts.sum()), kind="stable")[:left]
    parts[largest] += 1
    return parts
