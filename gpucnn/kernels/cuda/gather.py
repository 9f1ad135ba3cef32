"""A minibatch out of a set of images on the device, in one launch."""

import math

import numpy as np

from gpucnn.backend import Array
from gpucnn.geometry import Sizes
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.interface import Epoch
from gpucnn.kernels.plans import cached_by_shape

SHAPE = np.dtype([(name, np.int32) for name in ("images", "channels", "height", "width", "batch", "border", "hidden")])


class Gather(numpy.Gather):
    def batch(self, epoch: Epoch, cursor: Array, out: Array, chosen: Array) -> None:
        """A number of no image gives NaN, and the label -1."""
        (images, kind), changes = _pixels(epoch.images), epoch.changes
        shape = _shape(images.shape, len(chosen), changes.border, changes.hidden)
        drawn = changes[:5]
        arrays = (images, epoch.labels, epoch.order, cursor, *drawn, epoch.shift, epoch.scale, out, chosen)
        program.run("gather", f"batch_{kind}{program.wide(images, out)}", out.dtype, out.size, shape, *arrays)


def _pixels(images: Array) -> tuple[Array, str]:
    """Images as the kernels take them, and what these call their pixels."""
    if images.dtype == np.uint8:
        return program.contiguous(images), "bytes"
    return program.contiguous(images.astype(np.float32, copy=False)), "floats"


@cached_by_shape
def _shape(images: Sizes, batch: int, border: int, hidden: int) -> np.ndarray:
    """The Shape of source/gather.cu, of images (M, C, H, W); signals and volumes are channels of one row."""
    channels, *sizes = images[1:]
    height, width = sizes if len(sizes) == 2 else (1, math.prod(sizes))
    return np.array([(images[0], channels, height, width, batch, border, hidden)], SHAPE)
