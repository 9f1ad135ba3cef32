"""Maps of several branches joined channel by channel."""

import sys
from collections.abc import Sequence

from gpucnn.backend import Array, empty
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Function, Tensor


class JoinChannels(Function):
    """Arrays (C, sizes..., N), of whatever C, as one, their channels in their order."""

    layout, images = "batch_last", sys.maxsize  # all inputs lie as images do

    def forward(self, *arrays: Array) -> Array:
        """(all C, sizes..., N)."""
        first, self.ends = arrays[0], [0]
        for array in arrays:
            self.ends.append(self.ends[-1] + array.shape[0])
        out, kernels = empty((self.ends[-1], *first.shape[1:]), first), kernels_of(type(first)).arithmetic
        for array, begin, end in zip(arrays, self.ends, self.ends[1:], strict=False):
            kernels.copy(array, out[begin:end])
        return out

    def backward(self, grad: Array) -> tuple[Array, ...]:
        """Each array's part."""
        return tuple(grad[begin:end] for begin, end in zip(self.ends, self.ends[1:], strict=False))


def join_channels(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors (N, C, ...) that differ in C alone, and of one dtype, as one."""
    return tensors[0] if len(tensors) == 1 else JoinChannels.apply(*tensors)
