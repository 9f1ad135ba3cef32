"""What is to be learned of labels: images that a network thinks are labelled wrongly, the mean image of a class."""

import numpy as np

from gpucnn.data import Dataset
from gpucnn.data.stored import pieces
from gpucnn.threads import one_blas_thread


def losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """The loss of every image, -ln of the probability (N, C) that its label (N,) has: (N,) float64."""
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)[:, 0]
    return -np.log(np.maximum(own.astype(np.float64), np.finfo(np.float64).tiny))


def suspects(labels: np.ndarray, probabilities: np.ndarray, most: int) -> np.ndarray:
    """Numbers of at most `most` images that are likely labelled wrongly: those with the largest loss that are missed.

    labels (N,), probabilities (N, C). The largest loss comes first.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(-losses(labels, probabilities)[wrong], kind="stable")][:most]


def mean_images(data: Dataset) -> np.ndarray:
    """The mean image of every class, (K, C, *sizes) float32; NaN for a class without images."""
    counts = data.class_counts
    sums = np.zeros((len(counts), int(np.prod(data.image_shape))))
    start = 0
    with one_blas_thread():
        for some in pieces(data.images):
            members = np.eye(len(counts), dtype=np.float32)[data.labels[start : start + len(some)]]  # (n, K)
            sums += members.T @ some.reshape(len(some), -1).astype(np.float32)
            start += len(some)
    with np.errstate(invalid="ignore"):
        means = sums / counts[:, None]
    return means.reshape(-1, *data.image_shape).astype(np.float32)
