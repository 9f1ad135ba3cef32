"""Pictures that occur twice: in the test images, and nearly the same among those of the training."""

from typing import NamedTuple

import numpy as np

from gpucnn.data.stored import pieces
from gpucnn.errors import ShapeError
from gpucnn.threads import one_blas_thread

LIKENESS = 0.995  # from here on pictures are the same but for noise: MNIST has no such pair, Fashion-MNIST a few
_SIDE = 7  # groups of pixels along each axis of a coarse picture
_DIRECTIONS = 16  # of coarse pictures that are compared first
_AT_ONCE = 256


class Duplicates(NamedTuple):
    """Pictures with a twin among others: the numbers of both, (n,), and how alike they are, the most alike first."""

    images: np.ndarray
    twins: np.ndarray
    likeness: np.ndarray


def near_duplicates(images: np.ndarray, among: np.ndarray, least: float = LIKENESS) -> Duplicates:
    """Those of `images` (N, C, *sizes) that have a near duplicate in `among` (M, C, *sizes); of several, the nearest.

    Likeness is the correlation of the pixels: 1 for the same picture, however bright and contrasty. Pictures of one
    colour throughout are like none. Raises ShapeError for images of another shape.

    No pair is missed: two pictures of mean 0 and length 1 are as alike as they are near, and along some orthogonal
    directions they are no farther apart than in full. Along those, `_DIRECTIONS` of coarse pictures, they are compared
    first.
    """
    if images.shape[1:] != among.shape[1:]:
        raise ShapeError(f"images of one shape are compared; given {images.shape[1:]} and {among.shape[1:]}")
    with one_blas_thread():
        pairs = np.concatenate([np.empty((0, 2), np.int64), *_near(_coarse(images), _coarse(among), 2 - 2 * least)])
    likeness = np.concatenate(
        [np.empty(0)]
        + [_likeness(images, among, pairs[i : i + _AT_ONCE]) for i in range(0, len(pairs), _AT_ONCE)]
    )  # fmt: skip
    order = np.argsort(-likeness, kind="stable")
    order = order[likeness[order] >= least]
    _, first = np.unique(pairs[order, 0], return_index=True)
    chosen = order[np.sort(first)]
    return Duplicates(pairs[chosen, 0], pairs[chosen, 1], likeness[chosen])


def _near(mine: np.ndarray, theirs: np.ndarray, farthest: float) -> list[np.ndarray]:
    """Pairs (n, 2) of rows of (N, D) and (M, D) whose squared distance may be as small as `farthest`."""
    _, directions = np.linalg.eigh(np.cov(theirs.T, bias=True).reshape(theirs.shape[1], -1))
    directions = directions[:, : -_DIRECTIONS - 1 : -1].astype(np.float32)  # those that vary most, first
    mine, theirs = mine @ directions, theirs @ directions
    farthest += 1e-5  # what rounding in float32 may add
    order, within = np.argsort(mine[:, 0]), np.argsort(theirs[:, 0])
    sorted_theirs = theirs[within]
    lengths = (sorted_theirs**2).sum(axis=1, keepdims=True)
    columns, found = np.concatenate([sorted_theirs, lengths], axis=1).T, []  # (D + 1, M)
    for start in range(0, len(order), _AT_ONCE):
        rows = order[start : start + _AT_ONCE]
        some, reach = mine[rows], np.sqrt(farthest)
        low = np.searchsorted(sorted_theirs[:, 0], some[0, 0] - reach)
        high = np.searchsorted(sorted_theirs[:, 0], some[-1, 0] + reach, side="right")
        factors = np.concatenate([-2 * some, np.ones((len(some), 1), np.float32)], axis=1)
        distances = factors @ columns[:, low:high]  # |theirs|² - 2 mine · theirs; |mine|² goes to the other side
        places = np.flatnonzero(distances <= farthest - (some**2).sum(axis=1, keepdims=True))
        row, column = np.divmod(places, max(1, high - low))
        found.append(np.stack([rows[row], within[low + column]], axis=1))
    return found


def _likeness(images: np.ndarray, among: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The correlation of the pixels of each pair (n, 2): (n,)."""
    mine, theirs = (_standard(each[pairs[:, k]]) for k, each in enumerate((images, among)))
    return np.einsum("np,np->n", mine, theirs, dtype=np.float64)


def _standard(images: np.ndarray) -> np.ndarray:
    """Images (n, ...) with mean 0 and length 1, (n, pixels) float32; those of one colour are 0."""
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("np,np->n", pixels, pixels))[:, None]
    return np.divide(pixels, lengths, out=pixels, where=lengths > 0)


def _coarse(images: np.ndarray) -> np.ndarray:
    """Standard images with pixels summed in groups, (N, groups): by orthogonal directions of length 1."""
    rows = []
    for some in pieces(images):
        sums = _standard(some).reshape(some.shape)
        for axis, size in enumerate(some.shape[2:], start=2):
            edges = np.linspace(0, size, min(_SIDE, size) + 1).astype(np.int64)
            counts = np.diff(edges).reshape(-1, *(1,) * (some.ndim - axis - 1))
            sums = np.add.reduceat(sums, edges[:-1], axis=axis) / np.sqrt(counts).astype(np.float32)
        rows.append(sums.reshape(len(some), -1))
    return np.concatenate(rows)
