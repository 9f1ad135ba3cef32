"""Random changes of images, made to labels that are as large as they: pixels keep their class or colour."""

import numpy as np

from gpucnn.data.augment import apply
from gpucnn.kernels.interface import Changes


def moved(labels: np.ndarray, changes: Changes) -> np.ndarray:
    """Labels of pictures, a class per pixel (n, H, W) or pictures (n, C, H, W), moved as `changes` move these.

    Nothing is hidden in them. Outside the picture classes and colours are 0. Between pixels a class is the one that
    has the largest share.
    """
    changes = changes._replace(boxes=None)
    if labels.ndim == 4:
        return apply(labels, changes)
    classes = np.union1d(labels, [0]).astype(labels.dtype)  # 0 comes first: where all shares are 0 it is taken
    planes = (labels[:, None] == classes[:, None, None]).astype(np.float32)  # (n, H, W) -> (n, K, H, W)
    return classes[apply(planes, changes).argmax(axis=1)]
