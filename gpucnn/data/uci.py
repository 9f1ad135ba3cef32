"""The digits shipped with the package: UCI's 1,797 handwritten 8 x 8 digits, enlarged to 28 x 28 as in MNIST.

Source, licence and what was changed: digits/README.md. `tools/make_digits.py` made the file.
"""

from pathlib import Path

import numpy as np

from gpucnn.data import npz
from gpucnn.data.dataset import Dataset, Source

FILE = Path(__file__).parent / "digits" / "digits.npz"
_SIDE, _MARGIN = 20, 4  # as in MNIST: digits of 20 x 20 in the middle of 28 x 28
_TEST_EVERY = 5


def load() -> Source:
    """1,437 training and 360 test images, (1, 28, 28) uint8.

    The split is fixed: of the images sorted by label, every fifth is a test image, so that all digits keep
    their share.
    """
    images, labels = npz.read_arrays(FILE, "images", "labels")
    whole = Dataset(enlarge(images), labels, tuple("0123456789"))
    by_label = np.argsort(whole.labels, kind="stable")
    is_test = np.zeros(len(whole), dtype=bool)
    is_test[by_label[::_TEST_EVERY]] = True
    return Source(whole.take(np.flatnonzero(~is_test)), whole.take(np.flatnonzero(is_test)))


def peek() -> tuple[tuple[int, int, int], int]:
    """Image shape (C, H, W) and number of classes."""
    return (1, 28, 28), 10


def enlarge(digits: np.ndarray) -> np.ndarray:
    """Digits (N, 8, 8) with values 0..16 -> (N, 1, 28, 28) uint8 with values 0..255.

    Bilinear from 8 to 20 pixels a side, then a margin of zeros. The weights are whole tenths, so the
    arithmetic is in integers and the result the same on every machine.
    """
    weights = _bilinear_tenths()  # (20, 8)
    hundredths = weights @ digits.astype(np.int64) @ weights.T  # (N, 20, 20), 0..1600
    pixels = (hundredths * 255 + 800) // 1600  # rounded
    margin = (_MARGIN, _MARGIN)
    return np.pad(pixels.astype(np.uint8), ((0, 0), margin, margin))[:, None]


def _bilinear_tenths() -> np.ndarray:
    """(20, 8) weights that sum to 10 in a row: pixel i lies at old pixel 0.4 i - 0.3, the border repeated."""
    weights = np.zeros((_SIDE, 8), dtype=np.int64)
    for i in range(_SIDE):
        below, part = divmod(4 * i - 3, 10)
        weights[i, max(below, 0)] += 10 - part
        weights[i, min(below + 1, 7)] += part
    return weights
