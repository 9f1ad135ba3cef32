"""Classes of pixels as colours, laid over the picture that they are of."""

import colorsys

import numpy as np

from gpucnn.data.label_maps import VOID

GOLDEN = (5**0.5 - 1) / 2
SHARE = 0.5  # of its class's colour in a pixel; a ground, class 0, shows the picture alone


def class_colours() -> np.ndarray:
    """A colour for each of 256 class numbers, (256, 3) uint8: black for class 0, white for pixels of no class.

    Hues lie a golden section apart, so that those of neighbouring numbers differ.
    """
    hues = (np.arange(VOID) * GOLDEN) % 1
    colours = [colorsys.hsv_to_rgb(hue, 0.9, (1.0, 0.7)[number // 8 % 2]) for number, hue in enumerate(hues)]
    colours[VOID - 1] = (1.0, 1.0, 1.0)
    return np.rint(255 * np.array([(0, 0, 0), *colours])).astype(np.uint8)


def overlay(pictures: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Pictures (N, 1 or 3, H, W) uint8 under the colours of masks (N, H, W) uint8: (N, 3, H, W) uint8.

    Pixels of no class are white.
    """
    laid = np.moveaxis(class_colours()[masks], -1, 1)  # (N, H, W, 3) -> (N, 3, H, W)
    shown = np.broadcast_to(pictures, laid.shape)
    return np.where(masks[:, None] == 0, shown, ((1 - SHARE) * shown + SHARE * laid).astype(np.uint8))
