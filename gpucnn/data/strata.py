"""How many of each class a part of a data set gets."""

import numpy as np


def shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Numbers per class, (K,), that sum to `total` and keep the proportions of `counts` (K,).

    What the rounding leaves over goes to the largest remainders (Hamilton's method), the lower class first.
    Needs `total` of at most `counts.sum()`; no class is then asked for more than it has.
    """
    exact = counts * total  # over counts.sum(): kept as integers, so that ties are true ties
    parts = exact // counts.sum()
    left = total - int(parts.sum())
    largest = np.argsort(-(exact % counts.sum()), kind="stable")[:left]
    parts[largest] += 1
    return parts
