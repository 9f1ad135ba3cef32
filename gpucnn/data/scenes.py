"""Pictures made of the digits that ship: each on noise, for autoencoders; two among clutter, with a class per pixel.

Clutter as in V. Mnih, N. Heess, A. Graves, K. Kavukcuoglu, Recurrent Models of Visual Attention, 2014: pieces of other
digits.
"""

from collections.abc import Callable, Iterator

import numpy as np

from gpucnn.data import uci
from gpucnn.data.dataset import Dataset, Source
from gpucnn.data.untrusted import check_size
from gpucnn.errors import DataError

SIDE = 40  # pixels of a cluttered picture: eight divides them, so maps can be halved three times
DIGIT, PIECE = 20, 8  # pixels along the side of a digit without its margin, and of a piece of one
INK = 64  # from here on a pixel belongs to a digit
_MARGIN = 4  # around a digit of 28 x 28
Draw = Callable[[np.random.Generator, Dataset, int, int], Dataset]


def load_noisy(train: int = 4000, test: int = 1000, noise: float = 0.3, seed: int = 0) -> Source:
    """Digits on noise, up to two pixels from the middle: images (N, 1, 28, 28) uint8, labels the digits.

    noise: how bright it is at most, as a fraction of white. Equal options give equal images. Raises DataError.
    """
    return _made("noisy_digits", train, test, noise, 28, seed, _noisy)


def peek_noisy(**options: object) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes."""
    return (1, 28, 28), 10


def load_cluttered(train: int = 3000, test: int = 500, noise: float = 0.2, seed: int = 0) -> Source:
    """Two digits among pieces of others, on noise: images (N, 1, 40, 40) uint8, labels a class per pixel.

    Class 0 is the ground, clutter included, class k + 1 the digit k. noise: as of `load_noisy`. Raises DataError.
    """
    return _made("cluttered_digits", train, test, noise, SIDE, seed, _cluttered)


def peek_cluttered(**options: object) -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes."""
    return (1, SIDE, SIDE), 11


def _made(name: str, train: int, test: int, noise: float, side: int, seed: int, draw: Draw) -> Source:
    """Both parts, of the training and the test digits, drawn by one generator."""
    if min(train, test) < 1 or not 0 <= noise <= 1:
        raise DataError(
            f"{name}: train {train}, test {test}, noise {noise}; expected at least 1 image of each, and noise of 0 to 1"
        )
    check_size(name, (train + test) * side**2)
    rng, digits = np.random.default_rng(seed), uci.load()
    level = round(255 * noise)
    return Source(draw(rng, digits.train, train, level), draw(rng, digits.test, test, level))


def _noisy(rng: np.random.Generator, digits: Dataset, n: int, level: int) -> Dataset:
    chosen, moves = rng.integers(len(digits), size=n), rng.integers(-2, 3, (n, 2))
    images = rng.integers(0, level + 1, (n, 1, 28, 28)).astype(np.uint8)
    for image, digit, move in zip(images[:, 0], digits.images[chosen, 0], moves, strict=True):
        np.maximum(image, np.roll(digit, move, axis=(0, 1)), out=image)  # the margin is wider than the move
    return Dataset(images, digits.labels[chosen], digits.class_names)


def _cluttered(rng: np.random.Generator, digits: Dataset, n: int, level: int) -> Dataset:
    inner = slice(_MARGIN, _MARGIN + DIGIT)
    inks = digits.images[:, 0, inner, inner]
    images = rng.integers(0, level + 1, (n, 1, SIDE, SIDE)).astype(np.uint8)
    masks = np.zeros((n, SIDE, SIDE), np.uint8)
    for image, mask in zip(images[:, 0], masks, strict=True):
        for piece, place in _pieces(rng, inks):
            np.maximum(image[place], piece, out=image[place])
        for column in (0, SIDE - DIGIT):  # one on the left, one on the right
            digit, place = rng.integers(len(inks)), _place(rng, DIGIT, column)
            drawn = inks[digit] >= INK
            image[place][drawn] = inks[digit][drawn]
            mask[place][drawn] = digits.labels[digit] + 1
    return Dataset(images, masks, ("ground", *digits.class_names))


def _pieces(rng: np.random.Generator, inks: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[slice, slice]]]:
    """Eight pieces of digits (N, 20, 20), each with its place."""
    for digit in rng.integers(len(inks), size=8):
        row, column = rng.integers(2, DIGIT - PIECE - 1, 2)  # from the middle, where there is ink
        yield inks[digit, row : row + PIECE, column : column + PIECE], _place(rng, PIECE)


def _place(rng: np.random.Generator, side: int, column: int | None = None) -> tuple[slice, slice]:
    """Rows and columns of a square of that side, anywhere, or at a column."""
    row = int(rng.integers(SIDE - side + 1))
    column = int(rng.integers(SIDE - side + 1)) if column is None else column
    return slice(row, row + side), slice(column, column + side)
