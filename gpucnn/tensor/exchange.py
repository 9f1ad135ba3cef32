"""Exchange with other libraries: DLPack and NumPy's arrays, without a copy where layouts allow; pickle."""

from typing import Any

import numpy as np

from gpucnn.backend import Array, load_cupy, module_of, to_device, to_host
from gpucnn.errors import InputError
from gpucnn.tensor.function import wrap
from gpucnn.tensor.view import Changeable, ViewOf

HOST, GPU = (1, 3), (2, 13)  # DLPack's kinds of devices: CPU, and CUDA's memory of the host; CUDA, and managed


class Exchanged(Changeable):
    """A Tensor's face towards other libraries."""

    def __dlpack__(self, **options: Any) -> Any:
        """The memory itself, for torch.from_dlpack and its like: what is written there is written here.

        The axes are in logical order, (N, C, H, W), whatever the order in memory; DLPack tells their strides. A View
        with memory of its own (x[0], a reshape) gives a copy. Raises BufferError where a gradient would be lost.
        """
        if self.requires_grad:
            raise BufferError(
                "a Tensor with requires_grad=True is not given away: its gradient would be lost. Give x.detach()"
            )
        return _shared(self).__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.memory.__dlpack_device__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The memory itself; a copy where `dtype` asks for one, of a View's own memory, and of a GPU's."""
        if self.requires_grad:
            raise RuntimeError(
                "NumPy would make an array without a gradient of this Tensor; if so, give it tensor.numpy()"
            )
        own = _shared(self)
        array = np.asarray(to_host(own), dtype)
        if copy is False and not (_is_own(self) and array.dtype == own.dtype and module_of(own) is np):
            raise ValueError("a copy is needed, of another dtype, of a GPU's memory or of a part of a Tensor")
        return array.copy() if copy else array

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, with the memory on the host: another machine may have no GPU."""
        return {**vars(self), "memory": to_host(self.memory), "_grad_buffer": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.memory = to_device(state["memory"])


def _is_own(x: Any) -> bool:
    """Whether x's memory is that of the Tensor it is of: a View's is not, except detach()'s."""
    return not isinstance(x, ViewOf) or (x.memory is x._of.memory and _is_own(x._of))


def _shared(x: Any) -> Array:
    """x's memory with its axes in logical order; a copy where a View has its own."""
    memory = x.memory if _is_own(x) else x.memory.copy()
    return module_of(memory).moveaxis(memory, -1, 0) if x.batch_last else memory  # (C, H, W, N) -> (N, C, H, W)


def from_dlpack(x: Any, copy: bool | None = None) -> Any:
    """A Tensor of what another library's array, Tensor or buffer `x` holds, on the current device.

    It shares x's memory, unless `copy` is True, where x is on the current device, may be written to, and lies in memory
    in the order of its axes, (N, C, H, W), or with the images last, (C, H, W, N); else it is a copy. Raises InputError
    for what DLPack or a Tensor cannot hold, and where `copy` is False and a copy is needed, which it explains.
    """
    array = _array_of(x)
    if array.dtype.kind not in "fiub":
        raise InputError(f"from_dlpack: a Tensor cannot hold {array.dtype}; expected numbers")
    here = to_device(array)
    batch_last = module_of(here).moveaxis(here, 0, -1) if here.ndim > 1 else here  # (N, C, H, W) -> (C, H, W, N)
    why = {
        "it is on another device": module_of(here) is not module_of(array),
        "it may not be written to": not getattr(here.flags, "writeable", True),
        "its memory is in neither order that a Tensor has": not any(a.flags.c_contiguous for a in (here, batch_last)),
    }
    if copy is False and any(why.values()):
        raise InputError(f"from_dlpack: copy=False, and {next(words for words in why if why[words])}")
    if copy or any(why.values()):
        return wrap(here.copy(), batch_last=False)
    return wrap(here, False) if here.flags.c_contiguous else wrap(batch_last, True)


def _array_of(x: Any) -> Array:
    """NumPy's or CuPy's array on x's memory. Raises InputError where there is none."""
    if not hasattr(x, "__dlpack__"):
        raise InputError(
            f"from_dlpack was given {type(x).__name__}, which has no __dlpack__; expected an array of NumPy, CuPy, "
            "PyTorch or JAX. gpucnn.Tensor(x) takes lists and numbers"
        )
    kind, number = x.__dlpack_device__()
    if kind not in (*HOST, *GPU):
        raise InputError(
            f"from_dlpack: the array is on a device of kind {int(kind)}; expected a CPU's or CUDA's memory"
        )
    try:
        if kind in HOST:
            return np.from_dlpack(x)
        with load_cupy().cuda.Device(number):
            return load_cupy().from_dlpack(x)
    except ImportError:
        raise InputError(
            "from_dlpack: the array is on a GPU, for which CuPy is needed; copy it to the host first"
        ) from None
    except (BufferError, RuntimeError, TypeError) as error:
        raise InputError(f"from_dlpack: {type(x).__name__} of {getattr(x, 'dtype', '?')}: {error}") from None
