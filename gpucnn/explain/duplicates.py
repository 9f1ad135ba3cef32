"""Pictures that occur twice: in the test images, and nearly the same among those of the training."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gpucnn.data.stored import pieces
from gpucnn.errors import ShapeError
from gpucnn.threads import one_blas_thread

LIKENESS = 0.995  # from here on pictures are the same but for noise: MNIST has no such pair, Fashion-MNIST a few
_DIRECTIONS, _FIRST = 32, 16  # along which pictures are compared before pixels are, all pairs along the first
_SAMPLE, _SAMPLED_PIXELS = 256, 2**24  # pictures that the directions are found from, and how many pixels these may have
_SLABS, _AT_ONCE = 16, 128  # parts of the pictures by the first direction, and how many are compared with them at once


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
    directions they are no farther apart than in full. Along those, `_DIRECTIONS` in which pictures vary most, they are
    compared first.
    """
    if images.shape[1:] != among.shape[1:]:
        raise ShapeError(f"images of one shape are compared; given {images.shape[1:]} and {among.shape[1:]}")
    none = np.empty((0, 2), np.int64)
    with one_blas_thread():
        directions = _directions(among)
        mine, theirs = (_along(directions, each) for each in (images, among))
        pairs = np.concatenate([none, *_near(mine, theirs, 2 - 2 * least)])
    likeness = np.concatenate(
        [np.empty(0)]
        + [_likeness(images, among, pairs[i : i + _AT_ONCE]) for i in range(0, len(pairs), _AT_ONCE)]
    )  # fmt: skip
    order = np.argsort(-likeness, kind="stable")
    order = order[likeness[order] >= least]
    _, first = np.unique(pairs[order, 0], return_index=True)
    chosen = order[np.sort(first)]
    return Duplicates(pairs[chosen, 0], pairs[chosen, 1], likeness[chosen])


def _directions(images: np.ndarray) -> np.ndarray:
    """Orthogonal directions of length 1 in which some of the images vary most: (pixels, D) float32."""
    pixels = math.prod(images.shape[1:])
    count = max(1, min(len(images), _SAMPLE, _SAMPLED_PIXELS // max(1, pixels)))
    sample, _ = _centred(images[np.linspace(0, len(images) - 1, count).astype(np.int64)] if len(images) else images)
    sample -= sample.mean(axis=0)
    _, sides = np.linalg.eigh(sample @ sample.T)  # of (n, n), which is small
    axes, _ = np.linalg.qr((sample.T @ sides[:, : -_DIRECTIONS - 1 : -1]).astype(np.float64))
    return axes.astype(np.float32)


def _along(directions: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Images (N, ...) of mean 0 and length 1 along directions (pixels, D): (N, D); NaN for those of one colour."""
    rows = [np.empty((0, directions.shape[1]), np.float32)]
    for some in pieces(images):
        pixels, lengths = _centred(some)
        with np.errstate(invalid="ignore"):  # 0 / 0
            rows.append((pixels @ directions) / lengths)
    return np.concatenate(rows)


def _near(mine: np.ndarray, theirs: np.ndarray, farthest: float) -> Iterator[np.ndarray]:
    """Pairs (n, 2) of rows of (N, D) and (M, D) whose squared distance may be as small as `farthest`.

    Compared are those that are no farther apart along the first two of the D directions, then along `_FIRST` of them,
    then along all. Rows of NaN are in no pair.
    """
    farthest += 1e-5  # what rounding in float32 may add
    reach, second = np.sqrt(farthest), min(1, theirs.shape[1] - 1)
    slabs = [_Slab.of(theirs, numbers, second) for numbers in _slabs(theirs, _SLABS)]
    for slab in _slabs(mine, math.isqrt(len(mine) // _AT_ONCE) + 1):
        for rows in np.array_split(slab[np.argsort(mine[slab, second])], 1 + len(slab) // _AT_ONCE):
            some = mine[rows, :_FIRST]
            low, high = some.min(axis=0) - reach, some.max(axis=0) + reach
            factors = np.concatenate([-2 * some, np.ones((len(some), 1), np.float32)], axis=1)
            least = farthest - (some**2).sum(axis=1, keepdims=True)
            for their in slabs:
                if their.first[0] <= high[0] and their.first[1] >= low[0]:
                    begin, end = np.searchsorted(their.second, (low[second], high[second]))
                    distances = factors @ their.columns[:, begin:end]  # |theirs|² - 2 mine · theirs
                    row, column = np.divmod(np.flatnonzero(distances <= least), max(1, end - begin))
                    pairs = np.stack([rows[row], their.numbers[begin + column]], axis=1)
                    gaps = mine[pairs[:, 0]] - theirs[pairs[:, 1]]
                    yield pairs[np.einsum("nd,nd->n", gaps, gaps) <= farthest]


class _Slab(NamedTuple):
    """Rows (n, D) between two values of their first direction, in the order of the second."""

    numbers: np.ndarray
    first: tuple[float, float]
    second: np.ndarray
    columns: np.ndarray  # (_FIRST + 1, n): the rows along the first directions, and the squares of their lengths

    @classmethod
    def of(cls, points: np.ndarray, numbers: np.ndarray, second: int) -> "_Slab":
        """Those of the points (N, D) that have these numbers."""
        numbers = numbers[np.argsort(points[numbers, second])]
        rows = points[numbers, :_FIRST]
        columns = np.concatenate([rows, (rows**2).sum(axis=1, keepdims=True)], axis=1).T
        return cls(numbers, (rows[:, 0].min(), rows[:, 0].max()), rows[:, second], columns)


def _slabs(points: np.ndarray, count: int) -> list[np.ndarray]:
    """The numbers of points (N, D) in at most `count` parts of equal size by their first direction, without NaN."""
    order = np.argsort(points[:, 0])[: np.count_nonzero(np.isfinite(points[:, 0]))]  # NaN comes last
    return [part for part in np.array_split(order, count) if len(part)]


def _likeness(images: np.ndarray, among: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """The correlation of the pixels of each pair (n, 2): (n,)."""
    mine, theirs = (_standard(each[pairs[:, k]]) for k, each in enumerate((images, among)))
    return np.einsum("np,np->n", mine, theirs, dtype=np.float64)


def _standard(images: np.ndarray) -> np.ndarray:
    """Images (n, ...) with mean 0 and length 1, (n, pixels) float32; those of one colour are 0."""
    pixels, lengths = _centred(images)
    return np.divide(pixels, lengths, out=pixels, where=lengths > 0)


def _centred(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, ...) with mean 0, (n, pixels) float32, and their lengths (n, 1)."""
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    return pixels, np.sqrt(np.einsum("np,np->n", pixels, pixels))[:, None]
