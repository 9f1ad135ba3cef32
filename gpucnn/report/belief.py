"""How far the network's probabilities are to be believed, as a page draws it."""

from typing import Any

import numpy as np

from gpucnn.data.pipeline import as_probabilities
from gpucnn.explain import coverage, reliability
from gpucnn.report.series import rounded, short_number

MOST_SHARES = 200  # points of the curve of accuracy by coverage


def belief(labels: np.ndarray, plain: np.ndarray, temperature: float) -> dict[str, Any]:
    """The reliability of probabilities, and the accuracy where only the surest images are answered.

    labels (N,); plain: (N, C), the probabilities of temperature 1. `curves` has the reliability by the run's
    temperature and, where that is another, by 1 too.
    """
    probabilities = as_probabilities(plain, "probabilities", temperature)
    curves = [_curve("with the temperature" if temperature != 1 else "test images", labels, probabilities)]
    if temperature != 1:
        curves.append(_curve("without it", labels, plain))
    confidence, accuracy = coverage(labels, probabilities)
    counts = np.unique(np.linspace(1, len(labels), min(len(labels), MOST_SHARES)).astype(np.int64))
    return {
        "temperature": short_number(temperature),
        "curves": curves,
        "coverage": {
            "share": rounded(counts / len(labels)),
            "accuracy": rounded(accuracy[counts - 1]),
            "confidence": rounded(confidence[counts - 1]),
        },
    }


def _curve(name: str, labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """The bins that hold images, with their mean confidence, accuracy and number."""
    measured = reliability(labels, probabilities)
    filled = measured.images > 0
    return {
        "name": name,
        "error": short_number(measured.error),
        "confidence": rounded(measured.confidence[filled]),
        "accuracy": rounded(measured.accuracy[filled]),
        "images": measured.images[filled].tolist(),
    }
