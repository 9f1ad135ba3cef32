"""Processes with a GPU each, whose arrays NCCL sums; what their hosts say to each other goes another way."""

from typing import Any, NoReturn, TypeVar

import numpy as np

from gpucnn.backend import Array, device, load_cupy, module_of
from gpucnn.errors import DeviceError
from gpucnn.parallel.communicator import Communicator, Pending

T = TypeVar("T")


class Nccl(Communicator):
    """The processes of `host`, of which each has made a GPU of its own the current device.

    Sums of arrays there run on a stream of their own, beside the kernels that come after; those of arrays on the host,
    and everything else, are `host`'s.
    """

    def __init__(self, host: Communicator) -> None:
        cupy = load_cupy()
        self._nccl, self._host, self.rank, self.size = cupy.cuda.nccl, host, host.rank, host.size
        self.local_rank = host.local_rank
        identity = host.broadcast(self._nccl.get_unique_id() if host.rank == 0 else None)
        self._sums = self._nccl.NcclCommunicator(host.size, identity, host.rank)
        self._stream = cupy.cuda.Stream(non_blocking=True)
        self._types = {np.dtype(np.float32): self._nccl.NCCL_FLOAT32, np.dtype(np.float64): self._nccl.NCCL_FLOAT64}

    def start_sum(self, array: Array) -> Pending:
        """As Communicator. What is put on the current stream from now on may run beside the sum, `wait` excepted."""
        if module_of(array) is np:
            return self._host.start_sum(array)
        self._stream.wait_event(load_cupy().cuda.get_current_stream().record())
        kind, pointer = self._types[array.dtype], array.data.ptr
        self._sums.allReduce(pointer, pointer, array.size, kind, self._nccl.NCCL_SUM, self._stream.ptr)
        return _Queued(self._stream.record(), array)

    def gather(self, value: T) -> list[T]:
        """As Communicator."""
        return self._host.gather(value)

    def broadcast(self, value: T) -> T:
        """As Communicator."""
        return self._host.broadcast(value)

    def all_failed(self, error: BaseException) -> bool:
        """As Communicator."""
        return self._host.all_failed(error)

    def abort(self, code: int) -> NoReturn:
        """As Communicator."""
        self._host.abort(code)

    def name(self, rank: int) -> str:
        """As Communicator."""
        return self._host.name(rank)

    def command(self) -> list[str]:
        """As Communicator."""
        return self._host.command()


def own_gpu(local_rank: int) -> str:
    """The device of a process by its number on its machine. Raises DeviceError where there are fewer GPUs."""
    gpus = load_cupy().cuda.runtime.getDeviceCount()
    if local_rank >= gpus:
        raise DeviceError(
            f"process {local_rank + 1} of this machine has no GPU of its own: there are {gpus}; start as many "
            "processes as GPUs, or give --device cpu"
        )
    return f"cuda:{local_rank}"


def over_gpus(host: Communicator) -> Communicator:
    """The processes of `host`, by NCCL where several compute on GPUs. Raises DeviceError where NCCL is missing."""
    if host.size == 1 or device().kind == "cpu":
        return host
    try:
        return Nccl(host)
    except (AttributeError, ImportError, RuntimeError) as error:  # CuPy's NcclError is a RuntimeError
        raise DeviceError(
            f"gradients of several GPUs are summed by NCCL, which fails: {error}. Each process needs a GPU of its own, "
            "and CuPy a NCCL (pip install nvidia-nccl-cu13, or -cu12); or give --device cpu"
        ) from None


class _Queued:
    """A sum on NCCL's stream."""

    def __init__(self, done: Any, array: Array) -> None:
        self._done, self._array = done, array  # memory must not be used again before

    def wait(self) -> None:
        """Let what is put on the current stream from now on run after the sum; the host does not wait."""
        load_cupy().cuda.get_current_stream().wait_event(self._done)
