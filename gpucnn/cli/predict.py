"""`gpucnn predict`: classify image files."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn.cli.device import choose_device
from gpucnn.cli.table import by
from gpucnn.data import read_image
from gpucnn.data.image import Background
from gpucnn.errors import DataError
from gpucnn.runs.saved import SavedRun, open_run
from gpucnn.training import predict

SHOWN_CLASSES = 3  # for each image, the most probable first


def run(arguments: argparse.Namespace) -> None:
    """Print the most probable classes of each image; as JSON, all of them."""
    saved = open_run(arguments.run_name)
    choose_device(None, saved.config)
    images = saved.normalizer().apply(read_images(saved, arguments.images, arguments.invert), saved.config.dtype)
    probabilities = predict(saved.network(), images)
    saved.check_finite(probabilities)
    predictions = list(_predictions(arguments.images, probabilities, saved.class_names))
    if arguments.json:
        print(json.dumps(predictions, indent=2, ensure_ascii=False))
        return
    for prediction in predictions:
        likeliest = list(prediction["probabilities"].items())[:SHOWN_CLASSES]
        print(f"{prediction['file']}: " + ", ".join(f"{name} {share:.1%}" for name, share in likeliest))


def read_images(saved: SavedRun, files: list[str], invert: bool) -> np.ndarray:
    """The pictures, brought to the run's size and channels, uint8 (N, C, H, W). Raises DataError, OSError.

    A run on a folder of pictures reads them as it read those, `invert` beside its own.
    """
    channels, *size = saved.image_shape
    if len(size) != 2:
        raise DataError(
            f"{saved.folder.path} was trained on arrays that are not pictures, {by(saved.image_shape)}; "
            "give it arrays from Python: gpucnn.load(RUN)"
        )
    inverted = getattr(saved.config.data, "invert", False) != invert
    background: Background = getattr(saved.config.data, "background", "white")
    return np.stack([read_image(file, channels, (size[0], size[1]), inverted, background) for file in files])


def _predictions(files: list[str], probabilities: np.ndarray, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """For each file, the most probable class, and all probabilities in descending order."""
    for file, shares in zip(files, probabilities, strict=True):
        falling = np.argsort(-shares, kind="stable")
        yield {
            "file": file,
            "class": names[falling[0]],
            "probability": float(shares[falling[0]]),
            "probabilities": {names[label]: float(shares[label]) for label in falling},
        }
