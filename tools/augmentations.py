"""Draw docs/augmentation.png: what each option of `data.augment` makes of the same digits.

python tools/augmentations.py [FILE.png]
"""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
if importlib.util.find_spec("gpucnn") is None:
    sys.path.insert(0, str(ROOT))

from gpucnn.data import Augment, Loader, load_source  # noqa: E402

PICTURE = ROOT / "docs" / "augmentation.png"
COLUMNS = 8  # a digit in each
WAYS: tuple[dict[str, Any], ...] = (
    {},
    {"shift": 4.0},
    {"rotate": 20.0},
    {"scale": 0.3},
    {"flip": True},
    {"crop": 4},
    {"elastic": 34.0, "elastic_sigma": 4.0},
    {"cutout": 8},
    {"erase": 0.5},
    {"mixup": 1.0},
    {"cutmix": 1.0},
    {"brightness": 0.5},
    {"contrast": 0.8},
    {"saturation": 1.0},
    {"hue": 0.5},
)


def digits(colour: bool) -> tuple[np.ndarray, np.ndarray]:
    """The digits 0 to 7, (8, C, 28, 28) uint8, and their labels; in colour, yellow and red on blue."""
    train = load_source("digits").source.train
    chosen = [int(np.flatnonzero(train.labels == label)[label]) for label in range(COLUMNS)]
    images = train.images[chosen]
    if colour:
        ink = images / images.max()  # (8, 1, 28, 28)
        down = np.linspace(0, 1, 28)[:, None]
        pen = np.stack([np.ones((28, 28)), 0.2 + 0.6 * np.tile(down, 28), np.full((28, 28), 0.2)])
        ground = np.array([0.2, 0.3, 0.5])[:, None, None]
        images = np.rint(255 * (ink * pen + (1 - ink) * ground)).astype(np.uint8)
    return images, np.arange(COLUMNS)


def changed(ways: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The images (8, H, W, C) from 0 to 1 as a loader gives them, and their labels as rows."""
    colour = bool({"brightness", "contrast", "saturation", "hue"} & ways.keys())
    batch = next(Loader(digits(colour), COLUMNS, augment=Augment(**ways), seed=3).batches(0))
    labels = batch.labels if batch.labels.ndim == 2 else np.eye(COLUMNS)[batch.labels]
    return batch.images.transpose(3, 1, 2, 0), labels


def said(row: np.ndarray) -> str:
    """What a mixed label says: its classes with their shares."""
    return " + ".join(f"{row[label]:.2f}·{label}" for label in np.argsort(-row)[:2] if row[label] > 0.005)


def main(path: Path = PICTURE) -> None:
    """Write the picture to `path`."""
    figure = Figure(figsize=(7.2, 0.84 * len(WAYS)), dpi=80)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(WAYS), COLUMNS)
    for ways, row in zip(WAYS, axes, strict=True):
        images, labels = changed(ways)
        for axis, image, label in zip(row, images, labels, strict=True):
            axis.imshow(image, cmap="gray", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[])
            if label.max() < 0.995:
                axis.set_xlabel(said(label), fontsize=6.5, labelpad=1)
        text = "\n".join(f"{name}: {value}" for name, value in ways.items()) or "as they are"
        row[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=9)
    figure.subplots_adjust(left=0.19, right=0.995, top=0.998, bottom=0.005, wspace=0.04, hspace=0.16)
    figure.savefig(path, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
