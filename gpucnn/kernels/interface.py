"""Values that kernels of every set take, beside arrays and windows. The kernels are documented in `numpy`."""

from collections.abc import Callable
from typing import NamedTuple

from gpucnn.backend import Array
from gpucnn.geometry import Window


class CaptureError(RuntimeError):
    """Work that cannot be captured, to run it again: a part of it is not done by kernels, or waits for a device."""


class Running(NamedTuple):
    """Statistics (C,) that move towards those of each batch by the fraction `momentum`; None where none are kept."""

    mean: Array | None
    variance: Array | None
    momentum: float

    def move(self, mean: Array, variance: Array, length: int) -> None:
        """Move towards the mean and the variance (C,) of rows of `length`, made unbiased as in PyTorch; in place."""
        unbiased = variance * (length / (length - 1))
        for running, batch in ((self.mean, mean), (self.variance, unbiased)):
            if running is not None:
                running += (batch - running) * self.momentum


class StepScales(NamedTuple):
    """Factors of one step. size: of the change; root: of Adam's root mean square; shrink: of AdamW's parameters."""

    size: float
    root: float = 1.0
    shrink: float = 1.0


class AdamOptions(NamedTuple):
    """Fractions that the running moments keep, what is added to the root, and the share of parameters in gradients."""

    betas: tuple[float, float]
    eps: float
    weight_decay: float


class RMSpropOptions(NamedTuple):
    """What the running moments keep, what is added to the root, share of the last step that is kept, and of decay."""

    alpha: float
    eps: float
    momentum: float
    weight_decay: float
    centered: bool


# Of a cross-entropy with targets: weights of classes (C,) or None, label smoothing, a scale.
Weighing = tuple[Array | None, float, float]
Scales = StepScales | Array  # an array in the CUDA set only, see kernels.numpy.Update


class Changes(NamedTuple):
    """Changes of images, a row for each image, made in the order of these fields; None for a kind that is not used.

    maps: (N, 4) float32, and displacements, (N, 2, H, W) float32, which need maps: as `Warp.warped` takes them.
    offsets: (N, 2), where the image is cut out of one with `border` zeros on every side. flips: (N,) bool, whether
    left and right are exchanged. boxes: (N, K, 4), set to 0: first row and column, and those behind the last.
    """

    maps: Array | None = None
    displacements: Array | None = None
    offsets: Array | None = None
    flips: Array | None = None
    boxes: Array | None = None
    border: int = 0

    @property
    def hidden(self) -> int:
        """K, how many boxes an image has."""
        return 0 if self.boxes is None else int(self.boxes.shape[1])

    def each(self, function: Callable[[Array], Array]) -> "Changes":
        """The same changes with `function` applied to every array."""
        given = {name: getattr(self, name) for name in self._fields[:5]}
        made = {name: function(array) for name, array in given.items() if array is not None}
        return self._replace(**made)


class Epoch(NamedTuple):
    """What minibatches are taken from, on one device.

    images (M, C, H, W), uint8 or float32, their labels (M,), the order (E,) int64 of an epoch, the changes of each of
    its places, arrays of E rows, and the shift and scale (C, H, W) of the normalisation.
    """

    images: Array
    labels: Array
    order: Array
    changes: Changes
    shift: Array
    scale: Array


class Windows(NamedTuple):
    """The window of a convolution, its groups, and the window of the max-pooling after it."""

    convolution: Window
    groups: int
    pooling: Window


# Memory for the gradients by x, weight and bias; None for one that is not needed.
Gradients = tuple[Array | None, Array | None, Array | None]
