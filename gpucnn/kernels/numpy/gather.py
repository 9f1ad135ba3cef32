"""A minibatch out of a set of images, in NumPy; CuPy's arrays are brought to the host and back."""

import numpy as np

from gpucnn.backend import Array, module_of, to_host
from gpucnn.kernels import interface
from gpucnn.kernels.interface import Changes
from gpucnn.kernels.numpy.warp import Warp


class Gather(interface.Gather):
    def normalised(self, images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        chosen = images[indices]
        turned = np.ascontiguousarray(chosen.reshape(len(chosen), -1).T)  # while a pixel may still be one byte
        turned = turned.reshape(*images.shape[1:], -1)  # (C·H·W, N) -> (C, H, W, N)
        out = np.empty(turned.shape, shift.dtype)
        np.subtract(turned, shift[..., None], out=out)
        np.multiply(out, scale[..., None], out=out)
        return out

    def batch(
        self,
        images: Array,
        labels: Array,
        order: Array,
        cursor: Array,
        changes: Changes,
        shift: Array,
        scale: Array,
        out: Array,
        chosen: Array,
    ) -> None:
        places = slice(int(cursor[0]), int(cursor[0]) + len(chosen))
        taken, here = to_host(images[order[places]]), changes.each(lambda array: to_host(array[places]))
        if here.maps is not None:
            taken = Warp().warped(taken, here.maps)
        made = self.normalised(Warp().moved(taken, here), np.arange(len(taken)), to_host(shift), to_host(scale))
        out[...] = module_of(out).asarray(made)
        chosen[...] = labels[order[places]]
