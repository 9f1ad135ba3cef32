"""Make gpucnn/data/digits/digits.npz, the digits inside the package, from scikit-learn's copy of UCI's.

    python tools/make_digits.py [FILE]

Needs scikit-learn. The file is the same, byte for byte, whenever it is made with the same zlib.
"""

import io
import sys
from pathlib import Path

import numpy as np

from gpucnn.files import atomic_write

FILE = Path(__file__).parent.parent / "gpucnn" / "data" / "digits" / "digits.npz"


def packed_digits() -> bytes:
    """An npz of `images`, (1797, 8, 8) uint8 with values 0..16, and `labels`, (1797,) uint8."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=digits.images.astype(np.uint8), labels=digits.target.astype(np.uint8))
    return buffer.getvalue()


if __name__ == "__main__":
    atomic_write(Path(sys.argv[1]) if sys.argv[1:] else FILE, packed_digits())
