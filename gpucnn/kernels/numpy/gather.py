"""A minibatch out of a set of images, in NumPy; CuPy's arrays are brought to the host and back."""

import numpy as np

from gpucnn.backend import Array, module_of, to_host
from gpucnn.kernels.interface import Epoch
from gpucnn.kernels.numpy.warp import Warp


class Gather:
    """A minibatch out of a set of images: chosen, changed, turned into batch-last memory, and normalised."""

    def normalised(self, images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """(x - shift) · scale for the images (any number, C, H, W) at `indices` (N,): (C, H, W, N) of shift's dtype.

        shift and scale are each (1, 1, 1), (C, 1, 1) or (C, H, W). All arrays are NumPy's. Raises IndexError for a
        number of no image.
        """
        chosen = images[indices]
        turned = np.ascontiguousarray(chosen.reshape(len(chosen), -1).T)  # while a pixel may still be one byte
        turned = turned.reshape(*images.shape[1:], -1)  # (C·H·W, N) -> (C, H, W, N)
        out = np.empty(turned.shape, shift.dtype)
        np.subtract(turned, shift[..., None], out=out)
        np.multiply(out, scale[..., None], out=out)
        return out

    def batch(self, epoch: Epoch, cursor: Array, out: Array, chosen: Array) -> None:
        """The minibatch of N images that begins at place cursor[0], (1,) int64, of the epoch's order.

        out (C, H, W, N) = (x - shift) · scale for the images there, after the changes of their places; chosen (N,) =
        their labels. Signals (C, W) and volumes (C, D, H, W) are taken without changes.
        """
        images, labels, order, changes, shift, scale = epoch
        places = slice(int(cursor[0]), int(cursor[0]) + len(chosen))
        taken, here = to_host(images[order[places]]), changes.each(lambda array: to_host(array[places]))
        if here.maps is not None:
            taken = Warp().warped(taken, here.maps, here.displacements)
        made = self.normalised(Warp().moved(taken, here), np.arange(len(taken)), to_host(shift), to_host(scale))
        out[...] = module_of(out).asarray(made)
        chosen[...] = labels[order[places]]
