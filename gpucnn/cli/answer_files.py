"""Answers that are as large as the picture, written as PNG files: masks with overlays, or pictures."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gpucnn.data.layouts import picture, resized
from gpucnn.explain.overlays import class_colours, overlay
from gpucnn.files import atomic_write
from gpucnn.runs.classifier import Classifier


class AnswerFiles:
    """Writes the answers of a network into a folder, which is made if there is none.

    Of a class per pixel, NAME.png is the mask, whose pixels are class numbers, with the classes' colours as palette,
    and NAME_overlay.png the picture under these colours. Of pictures, NAME.png is the picture. They have the size of
    the picture's own file, or of the network's images where there is none.
    """

    def __init__(self, classifier: Classifier, folder: Path) -> None:
        self.classifier, self.folder = classifier, folder
        self._taken: set[str] = set()

    def written(
        self, names: list[str], files: list[Path] | None, images: np.ndarray, answers: np.ndarray
    ) -> Iterator[dict[str, Any]]:
        """Write the answers (N, K, H, W) for images (N, C, H, W); yields what each picture's file is, and the shares.

        `files` are those of the pictures, whose sizes the answers get. Raises OSError where they cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        sizes = [images.shape[2:]] * len(names)
        if files is not None:
            sizes = [self.classifier.pipeline.size_of(file) for file in files]
        for name, size, image, answer in zip(names, sizes, images, answers, strict=True):
            stem = self._stem(Path(name).stem)
            if self.classifier.pipeline.outputs == "pictures":
                path = self._save(stem, picture(_bytes(_to_size(answer, size))))
                yield {"file": name, "answer": str(path)}
            else:
                mask = answer.argmax(axis=0).astype(np.uint8)
                yield {"file": name, **self._mask(stem, image, mask, size), "pixels": self._shares(mask)}

    def _mask(self, stem: str, image: np.ndarray, mask: np.ndarray, size: tuple[int, ...]) -> dict[str, str]:
        pixels = self.classifier.pipeline.pixels
        shown = _bytes(_to_size(pixels.fraction(image[: 3 if len(image) == 3 else 1]), size))
        indices = Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST)
        laid = overlay(shown[None], np.asarray(indices)[None])[0]
        indices.putpalette(class_colours().tobytes())
        path = self._save(stem, indices)
        return {"answer": str(path), "overlay": str(self._save(f"{stem}_overlay", picture(laid)))}

    def _shares(self, mask: np.ndarray) -> dict[str, float]:
        """The share of each class among the pixels, where it has any, the largest first."""
        counts = np.bincount(mask.reshape(-1), minlength=len(self.classifier.classes))  # (H, W) -> (H·W,)
        falling = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        return {self.classifier.classes[number]: float(counts[number] / mask.size) for number in falling}

    def _stem(self, name: str) -> str:
        """A name that no other answer has."""
        stem, number = name, 1
        while stem in self._taken:
            number += 1
            stem = f"{name}-{number}"
        self._taken.add(stem)
        return stem

    def _save(self, stem: str, shown: Image.Image) -> Path:
        file = io.BytesIO()
        shown.save(file, "PNG")
        path = self.folder / f"{stem}.png"
        atomic_write(path, file.getvalue())
        return path


def _to_size(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """An image (C, h, w) stretched to (C, H, W)."""
    return resized(image[None], (size[0], size[1]))[0]


def _bytes(image: np.ndarray) -> np.ndarray:
    """An image (C, H, W) from black, 0, to white, 1, as uint8."""
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)
