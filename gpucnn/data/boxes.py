"""Rectangles that are set to 0: cutout's squares, and random erasing's, of random sizes and proportions."""

import numpy as np

SHARE = (0.02, 0.33)  # of an image's area that is erased
PROPORTION = (0.3, 3.3)  # of the erased rectangle, height to width
TRIES = 10  # at sizes that fit into the image


def cutout_boxes(images: int, height: int, width: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """Squares (N, 4), first row and column and those behind the last, their centres anywhere in the image."""
    first = rng.integers(0, (height, width), (images, 2)) - side // 2
    return np.concatenate([first, first + side], axis=1)


def erasing_boxes(images: int, height: int, width: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Rectangles (N, 4) as `cutout_boxes`; empty with 1 - probability (Zhong et al., arXiv:1708.04896).

    Shares of the area are uniform in `SHARE`, proportions log-uniform in `PROPORTION`, and of `TRIES` sizes the first
    is taken that is smaller than the image, as PyTorch's RandomErasing does; none if all are larger.
    """
    area = height * width * rng.uniform(*SHARE, (images, TRIES))
    lowest, highest = np.log(PROPORTION)
    proportion = np.exp(rng.uniform(lowest, highest, (images, TRIES)))
    sizes = np.rint(np.sqrt([area * proportion, area / proportion])).astype(np.int64)  # (2, N, tries)
    fits = (sizes[0] < height) & (sizes[1] < width) & (rng.random(images) < probability)[:, None]
    size = np.take_along_axis(sizes, fits.argmax(axis=1)[None, :, None], axis=2)[..., 0]  # (2, N)
    size *= fits.any(axis=1)
    first = rng.integers(0, np.maximum([[height], [width]] - size + 1, 1))
    return np.ascontiguousarray(np.concatenate([first, first + size]).T)  # (4, N) -> (N, 4)
