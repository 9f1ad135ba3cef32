"""Mixing each image of a batch with the one before it, labels too: mixup and cutmix."""

import numpy as np

from gpucnn.backend import Array, module_of

NUMBERS = 5  # of a mixture: see `draw_mixture`


def draw_mixture(mixup: float, cutmix: float, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """What one batch is mixed by, (5,) float64: a rectangle of all images, and the image's own share inside it.

    The share comes first, then the rectangle's first row and column and those behind the last. With λ drawn from
    Beta(α, α): mixup (arXiv:1710.09412) has the whole image as rectangle and λ as share; cutmix (arXiv:1905.04899) has
    0 as share, and a rectangle of 1 - λ of the image's area about any point, cut off at the border. `mixup` and
    `cutmix` are their α; where both are above 0, one of the two is drawn.
    """
    if mixup and (not cutmix or rng.random() < 0.5):
        return np.array([rng.beta(mixup, mixup), 0, 0, height, width])
    half = np.sqrt(1 - rng.beta(cutmix, cutmix)) / 2
    size, middle = np.array([height, width]), rng.integers(0, (height, width))
    reach = (half * size).astype(np.int64)
    return np.concatenate([[0], np.maximum(middle - reach, 0), np.minimum(middle + reach, size)])


def mixed(images: Array, labels: Array, mixture: Array, classes: int) -> tuple[Array, Array]:
    """Images (C, H, W, N) and their labels, mixed with those of the image before each, the first with the last.

    Class numbers (N,) become rows (N, classes); rows (N, K), and floating numbers (N,), keep their shape. A label's
    share is that of its pixels. All arrays are on one device, which is not waited for.
    """
    xp = module_of(images)
    height, width = images.shape[1:3]
    share, top, left, bottom, right = mixture
    rows, columns = xp.arange(height)[:, None], xp.arange(width)
    inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)  # (H, W)
    weight = (1 - (1 - share) * inside).astype(images.dtype)[..., None]  # (H, W, 1)
    kept = (1 - (1 - share) * ((bottom - top) * (right - left) / (height * width))).astype(images.dtype)
    are_classes = labels.ndim == 1 and labels.dtype.kind in "iu"
    labels = (labels[:, None] == xp.arange(classes) if are_classes else labels).astype(images.dtype)
    return _added(images, weight), _added(labels.T, kept).T


def _added(arrays: Array, own: Array) -> Array:
    """own · x + (1 - own) · y for arrays (..., N), where y is the one before x."""
    added, others = arrays * own, 1 - own
    added[..., 1:] += arrays[..., :-1] * others
    added[..., :1] += arrays[..., -1:] * others
    return added
