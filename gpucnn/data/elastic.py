"""Elastic distortion: smooth random fields by which pixels are displaced (Simard, Steinkraus and Platt, ICDAR 2003)."""

import functools

import numpy as np

from gpucnn.threads import one_blas_thread


def displacements(
    images: int, height: int, width: int, alpha: float, sigma: float, rng: np.random.Generator
) -> np.ndarray:
    """Fields (N, 2, H, W) float32: how far down and to the right each pixel is sampled, in pixels.

    Uniform numbers from -1 to 1 are smoothed by a Gaussian of standard deviation `sigma` pixels and multiplied by
    `alpha`. Where a part of the Gaussian lies outside the image, the rest of it is enlarged, so that the numbers have
    the same standard deviation everywhere: alpha / (sqrt(12 π) · sigma) where sigma is a pixel or more.
    """
    noise = rng.random((images * 2 * width, height), np.float32) * 2 - 1
    with one_blas_thread():
        smooth = (noise @ smoothing(height, sigma).T).reshape(-1, width, height).swapaxes(1, 2)  # (2N, H, W)
        fields = smooth.reshape(-1, width) @ (np.float32(alpha) * smoothing(width, sigma).T)  # (2N·H, W)
    return fields.reshape(images, 2, height, width)


@functools.lru_cache(maxsize=64)
def smoothing(size: int, sigma: float) -> np.ndarray:
    """The matrix (size, size) float32 that smooths a row of numbers, every row of it of the whole Gaussian's norm."""
    distances = np.arange(1 - size, size, dtype=np.float64)
    far = np.arange(-np.ceil(8 * sigma), np.ceil(8 * sigma) + 1)  # beyond it a Gaussian is nothing
    whole = np.exp(-((far / sigma) ** 2) / 2)
    gaussian = np.exp(-((distances / sigma) ** 2) / 2) / whole.sum()
    rows = np.lib.stride_tricks.sliding_window_view(gaussian, size)[::-1]  # row i: at the distances j - i
    norms = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    return (rows / norms * np.sqrt((whole**2).sum()) / whole.sum()).astype(np.float32)
