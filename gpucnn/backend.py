"""The current device (CPU: NumPy, GPU: CuPy), new arrays on it, and copies to and from the host.

This is the only module that imports CuPy. Other code takes the array module from `module_of(array)`,
so that it is written once for both.
"""

import contextlib
import ctypes
import functools
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from gpucnn.errors import DeviceError

Array = Any  # numpy.ndarray or cupy.ndarray
_ON_HOST = (np.ndarray, np.generic)
KERNEL_OPTIONS = ("--std=c++17",)  # of NVRTC, for every source
PROBE = """
#define KERNEL extern "C" __global__ void
KERNEL add_one(float *x) { *x += 1; }
"""
# What CuPy's errors say where NVRTC, its headers, cuBLAS or another part of CUDA is missing.
INCOMPLETE = (
    "Failure finding",
    "Failed to find CUDA headers",
    "failed to load lib",
    "failed to open lib",
    "cannot open source file",
    "cannot open shared object",
)


@dataclass(frozen=True)
class Device:
    """A device: `kind` is "cpu" or "cuda", `index` the number of the GPU."""

    kind: str
    index: int = 0

    @property
    def xp(self) -> ModuleType:
        """The array module: numpy or cupy."""
        return np if self.kind == "cpu" else load_cupy()

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"cuda:{self.index}"


_current: Device | None = None  # None until `device` or `set_device` is called: GPUCNN_DEVICE is read then


def device() -> Device:
    """The device of new arrays; initially the one named by GPUCNN_DEVICE, or `auto`."""
    return _current or set_device(os.environ.get("GPUCNN_DEVICE") or "auto")


def set_device(name: str) -> Device:
    """Make `auto`, `cpu`, `cuda` or `cuda:N` the device of new arrays, and return it.

    `auto` is the first GPU if it is usable, else the CPU (`why_no_gpu` returns the reason).
    Raises DeviceError for another name, and for a GPU that cannot be used, with the cause.
    """
    global _current
    _current = _resolve(name)
    if _current.kind == "cuda":
        load_cupy().cuda.Device(_current.index).use()
    return _current


def _resolve(name: str) -> Device:
    if name == "auto":
        return Device("cpu") if why_no_gpu() else Device("cuda")
    if name == "cpu":
        return Device("cpu")
    kind, _, index = name.partition(":")
    if kind != "cuda" or not (index.isdecimal() or name == "cuda"):
        raise DeviceError(f"device {name!r} is not known; expected auto, cpu, cuda or cuda:N (as in cuda:0)")
    chosen = Device("cuda", int(index or 0))
    if cause := why_no_gpu(chosen.index):
        raise DeviceError(f"device {name!r} cannot be used: {cause}. Use device cpu or auto to train without a GPU")
    return chosen


@functools.cache  # a computation on the GPU decides
def why_no_gpu(index: int = 0) -> str | None:
    """The reason why GPU `index` cannot be used; None if it can. Cached, since the answer takes a computation.

    Importing CuPy is no proof: it succeeds without a driver, and simple sums succeed without a compiler.
    """
    try:
        cupy = load_cupy()
    except ImportError as error:
        if getattr(error, "name", None) == "cupy":
            return "CuPy is not installed (pip install 'gpucnn[cuda13]', or [cuda12] for a CUDA 12 driver)"
        return f"CuPy cannot be imported: {_first_line(error)}"
    try:
        with cupy.cuda.Device(index):
            _try_out(cupy)
    except Exception as error:  # CuPy raises its own classes for each library it calls
        return _gpu_cause(cupy, index, error)
    return None


def _try_out(cupy: ModuleType) -> None:
    """Use all that gpucnn needs: a kernel compiled from source, one of CuPy's own, and cuBLAS.

    Raises CuPy's error, or ArithmeticError where the result is wrong.
    """
    x = cupy.zeros(1, np.float32)
    cupy.RawModule(code=PROBE, options=KERNEL_OPTIONS).get_function("add_one")((1,), (1,), (x,))
    found = (x + 1).sum().item()  # the addition includes headers of CUDA's; the kernel does not
    if found != 2:
        raise ArithmeticError(f"0 + 1 + 1 came to {found}")
    _ = cupy.cuda.cublas


def describe_gpu(index: int = 0) -> str:
    """One line about a usable GPU: name, memory, compute capability, and the newest CUDA its driver supports."""
    runtime = load_cupy().cuda.runtime
    properties = runtime.getDeviceProperties(index)
    return (
        f"{properties['name'].decode()}, {properties['totalGlobalMem'] / 2**30:.0f} GiB, compute capability "
        f"{properties['major']}.{properties['minor']}, driver for {_cuda(runtime.driverGetVersion())}"
    )


def _cuda(version: int) -> str:
    """A version of CUDA as text: 13010 is CUDA 13.1."""
    return f"CUDA {version // 1000}.{version % 1000 // 10}"


def _gpu_cause(cupy: ModuleType, index: int, error: Exception) -> str:
    """The cause of CuPy's error, as a message for the user."""
    text = _first_line(error)
    if "InsufficientDriver" in text:
        served, needed = cupy.cuda.runtime.driverGetVersion(), cupy.cuda.runtime.runtimeGetVersion()
        if not served:
            return f"no NVIDIA driver was found ({text})"
        return (
            f"the NVIDIA driver is for {_cuda(served)} and too old for this CuPy, which is for {_cuda(needed)} "
            f"({text}); update the driver, or install the CuPy for an older CUDA"
        )
    if "NoDevice" in text or "no CUDA-capable device" in text:
        return f"no NVIDIA GPU was found ({text})"
    if "InvalidDevice" in text:
        return f"there is no GPU {index}; {cupy.cuda.runtime.getDeviceCount()} found ({text})"
    if isinstance(error, ImportError) or any(words in str(error) for words in INCOMPLETE):
        package = f"cupy-cuda{cupy.cuda.runtime.runtimeGetVersion() // 1000}x[ctk]"
        return f"CUDA's compiler or libraries are missing; pip install '{package}' brings them ({text})"
    return f"a first computation on it failed ({text})"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def load_cupy() -> ModuleType:
    """The module cupy. Raises ImportError if it is not installed."""
    import cupy

    return cupy


def module_of(array: Array) -> ModuleType:
    """The array module, numpy or cupy, that `array` belongs to."""
    return np if isinstance(array, _ON_HOST) else load_cupy()


def to_host(array: Array) -> np.ndarray:
    """`array` as a NumPy array; copied only from a GPU."""
    return np.asarray(array) if module_of(array) is np else array.get()


def to_device(array: Array) -> Array:
    """`array` on the current device; copied only if it is elsewhere."""
    current = _current or device()
    if current.kind == "cpu":
        return to_host(array)
    return current.xp.asarray(array)


# --- new arrays -------------------------------------------------------------------------------------------------------

ALIGNMENT = 64  # bytes: a cache line and the widest vector register
POOLED = 1 << 15  # bytes from which memory is kept for reuse; the allocator serves less without page faults
fill_with_nan = os.environ.get("GPUCNN_DEBUG_MEMORY") == "1"  # so that reading uninitialised memory shows

_kept: defaultdict[int, list[Any]] = defaultdict(list)  # unused memory, by its size in bytes


# Who makes the arrays of `empty` on the CPU in place of it: a thread's number, and a function of shape and dtype.
_allocator: tuple[int, Callable[[tuple[int, ...], np.dtype], np.ndarray]] | None = None


@contextlib.contextmanager
def allocating(allocate: Callable[[tuple[int, ...], np.dtype], np.ndarray]) -> Iterator[None]:
    """Inside, in this thread, `empty` returns allocate(shape, dtype) on the CPU. One thread at a time may be inside."""
    global _allocator
    _allocator = threading.get_ident(), allocate
    try:
        yield
    finally:
        _allocator = None


class _Loan(np.ndarray):
    """Pooled memory of one array of `empty`; returned to the pool when the array and all its views are freed."""

    def __del__(self, kept: defaultdict[int, list[Any]] = _kept) -> None:
        kept[self.nbytes].append(self.base)


def empty(shape: tuple[int, ...], like: Array, dtype: Any = None) -> Array:
    """A C-contiguous array of `shape`, contents undefined, on the device of `like` and of its dtype unless given.

    On the CPU the memory of large arrays is aligned to 64 bytes and pooled: a training step needs the same sizes as the
    one before, and new memory costs a page fault every 4 KiB. An array returns its memory when nothing refers to it any
    more, so memory in use is never reused. Sizes are rounded up to a quarter of a power of two; for each size the pool
    holds at most as much as was in use at once. CuPy pools the memory of a GPU in the same way.
    """
    dtype = like.dtype if dtype is None else np.dtype(dtype)
    if _allocator is not None and _allocator[0] == threading.get_ident() and isinstance(like, _ON_HOST):
        return _allocator[1](shape, dtype)
    nbytes = math.prod(shape) * dtype.itemsize
    if not isinstance(like, _ON_HOST):
        array = load_cupy().empty(shape, dtype)
    elif nbytes < POOLED:
        array = np.empty(shape, dtype)
    else:
        step = 1 << (nbytes.bit_length() - 3)
        size = -(-nbytes // step) * step
        try:
            memory = _kept[size].pop()
        except IndexError:
            memory = aligned_memory(size)
        array = np.ndarray(shape, dtype, _Loan(size, np.uint8, memory))
    if fill_with_nan and dtype.kind == "f":
        array.fill(math.nan)
    return array


def written_by(kernel: Callable[..., Any], shape: tuple[int, ...], x: Array, *inputs: Any) -> Array:
    """A new array of `shape`, of x's device and dtype, into which `kernel(x, *inputs, out)` wrote its result."""
    out = empty(shape, x)
    kernel(x, *inputs, out)
    return out


def zeros(shape: tuple[int, ...], like: Array) -> Array:
    """As `empty`, filled with zeros."""
    array = empty(shape, like)
    array.fill(0)
    return array


def aligned_memory(size: int) -> Any:
    """`size` bytes, aligned; no ndarray, since NumPy would make that the base of views in place of the `_Loan`."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    return (ctypes.c_ubyte * size).from_buffer(memory.data, -memory.ctypes.data % ALIGNMENT)
