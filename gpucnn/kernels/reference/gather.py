"""A minibatch out of a set of images: chosen, turned into batch-last memory, and normalised."""

import numpy as np


def normalised(images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(x - shift) · scale for the images (any number, C, H, W) at `indices` (N,): (C, H, W, N) of shift's dtype.

    shift and scale are each (1, 1, 1), (C, 1, 1) or (C, H, W). On the host, where data sets lie.
    """
    chosen = images[indices]
    turned = np.ascontiguousarray(chosen.reshape(len(chosen), -1).T)  # while a pixel may still be one byte
    turned = turned.reshape(*images.shape[1:], -1)  # (C·H·W, N) -> (C, H, W, N)
    out = np.empty(turned.shape, shift.dtype)
    np.subtract(turned, shift[..., None], out=out)
    np.multiply(out, scale[..., None], out=out)
    return out
