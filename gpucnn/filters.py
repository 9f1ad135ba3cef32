"""Image filters: convolutions whose kernels are given, not learned."""

import math
from typing import Literal

import numpy as np

from gpucnn import functional as F
from gpucnn.errors import DataError, InputError, ShapeError
from gpucnn.tensor import Tensor

Border = Literal["zero", "edge"]
PAD_MODES: dict[Border, F.PadMode] = {"zero": "zeros", "edge": "replicate"}  # by border

MAX_SIDE = 63  # rows or columns of a kernel
MAX_NUMBER = 1e6  # keeps sums over the largest kernel within float32's range

KERNELS: dict[str, np.ndarray] = {
    "identity": np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float64),
    "blur": np.full((3, 3), 1 / 9),  # each pixel becomes the mean of its neighbourhood
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]], np.float64),  # the picture minus its Laplacian
    "edges": np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]], np.float64),  # 0 where nothing changes
}


def per_channel(images: Tensor, kernel: np.ndarray, border: Border = "zero") -> Tensor:
    """Apply the kernel (kh, kw) to every channel of (N, C, H, W) separately: (N, C, H, W).

    The kernel is not flipped (cross-correlation); along an even side the larger half lies after the pixel. Outside
    the picture are zeros, or the pixels of its edge. Raises ShapeError for other shapes, InputError for another
    border.
    """
    bordered, weight = _bordered(images, kernel, border)
    channels = images.shape[1]
    return F.conv2d(bordered, Tensor(np.repeat(weight, channels, axis=0)), groups=channels)  # (C, 1, kh, kw)


def summed(images: Tensor, kernel: np.ndarray, border: Border = "zero") -> Tensor:
    """The sum over the channels of the result of `per_channel`: (N, 1, H, W). Raises as `per_channel`."""
    bordered, weight = _bordered(images, kernel, border)
    return F.conv2d(bordered, Tensor(np.repeat(weight, images.shape[1], axis=1)))  # (1, C, kh, kw)


def _bordered(images: Tensor, kernel: np.ndarray, border: Border) -> tuple[Tensor, np.ndarray]:
    """The images padded so that the filtered ones keep their size, and the kernel as a weight (1, 1, kh, kw)."""
    if images.ndim != 4 or kernel.ndim != 2:
        raise ShapeError(
            f"filter: expected images (N, C, H, W) and a kernel (kh, kw), given {images.shape} and {kernel.shape}"
        )
    if border not in PAD_MODES:
        raise InputError(f"filter: border is {border!r}; expected {' or '.join(PAD_MODES)}")
    (above, below), (left, right) = (((side - 1) // 2, side // 2) for side in kernel.shape)
    bordered = F.pad(images, (left, right, above, below), PAD_MODES[border])
    return bordered, kernel.astype(images.dtype)[None, None]


def parse_kernel(text: str) -> np.ndarray:
    """Parse a kernel (kh, kw): one row per line, numbers separated by spaces or commas, comments after #.

    Raises DataError, with the line's number, for any other text.
    """
    rows: list[list[float]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        row = [_number(word, number) for word in words]
        if rows and len(row) != len(rows[0]):
            raise DataError(
                f"line {number}: {len(row)} numbers, but the row before has {len(rows[0])}; make rows equal."
            )
        rows.append(row)
        if max(len(rows), len(row)) > MAX_SIDE:
            raise DataError(f"line {number}: a kernel has at most {MAX_SIDE} rows and columns; give a smaller one.")
    if not rows:
        raise DataError("there is no number in it; write one row of the kernel per line, as in `0 1 0`.")
    return np.array(rows)


def _number(word: str, line: int) -> float:
    try:
        value = float(word)
    except ValueError:
        raise DataError(
            f"line {line}: {word[:40]!r} is not a number; write a row of numbers, as in `0 -1 0`."
        ) from None
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        raise DataError(f"line {line}: {word[:40]} is too large; a kernel's numbers lie between ±{MAX_NUMBER:,.0f}.")
    return value
