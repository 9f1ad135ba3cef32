"""A CuPy without a GPU: put in its place as `cupy`, it computes with NumPy and runs kernels compiled for the CPU."""

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.emulation import arrays, compiler, pools, streams
from tests.emulation.arrays import ndarray

__version__ = "14.0.0"
# Those of NumPy's functions that CuPy has, too, and that gpucnn uses.
FUNCTIONS = """
    abs add all any arange argmax argmin broadcast_to clip concatenate copyto count_nonzero cumsum divide dot equal exp
    expm1 flip floor greater greater_equal isfinite isnan less less_equal log log1p logical_and logical_not logical_or
    matmul max maximum mean min minimum moveaxis multiply nan_to_num negative not_equal pad power prod put_along_axis
    repeat reshape sign split sqrt square stack subtract sum swapaxes take take_along_axis tanh tensordot transpose
    var vdot where
"""
float32, float64, int32, int64, uint8, bool_ = np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_
newaxis, inf, nan = None, np.inf, np.nan
get_default_memory_pool = pools.get_default_memory_pool


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in FUNCTIONS.split():
        raise AttributeError(f"the emulated CuPy has no {name}")
    return _Function(getattr(np, name))


class _Function:
    """One of NumPy's functions, of arrays on the device; of a ufunc also `at`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.__name__ = function, function.__name__

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return arrays.compute(self._function, *arguments, **keywords)

    def at(self, array: ndarray, index: Any, values: Any) -> None:
        """Unbuffered, in place."""
        arrays.compute(self._function.at, array, arrays._index(index), values)


def empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Filled with NaN: nobody is to read it."""
    return arrays.wrapped(arrays._garbage(np.empty(shape, dtype, order)))


def full(shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
    """Filled with a number."""
    array = empty(shape, np.result_type(fill_value) if dtype is None else dtype, order)
    array.fill(fill_value)
    return array


def zeros(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Filled with 0."""
    return full(shape, 0, dtype, order)


def ones(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    """Filled with 1."""
    return full(shape, 1, dtype, order)


def empty_like(prototype: ndarray, dtype: Any = None, order: str = "K") -> ndarray:
    """As `empty`, in the shape, dtype and order of `prototype`."""
    return arrays.wrapped(arrays._garbage(np.empty_like(arrays.host_memory(prototype), dtype, order)))


def zeros_like(a: ndarray, dtype: Any = None, order: str = "K") -> ndarray:
    """Filled with 0, as `empty_like`."""
    array = empty_like(a, dtype, order)
    array.fill(0)
    return array


def ones_like(a: ndarray, dtype: Any = None, order: str = "K") -> ndarray:
    """Filled with 1, as `empty_like`."""
    array = empty_like(a, dtype, order)
    array.fill(1)
    return array


def array(obj: Any, dtype: Any = None, copy: bool = True) -> ndarray:
    """A copy of an array or a nest of lists, from wherever it is."""
    if isinstance(obj, ndarray):
        return obj.astype(obj.dtype if dtype is None else dtype, copy=copy)
    return arrays.from_host(obj, dtype)


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """As `array`; itself where it is on the device and of that dtype."""
    return array(a, dtype, copy=False)


def ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    """As `asarray`, in C order, of one axis at least."""
    there = asarray(a, dtype)
    there = there if there.flags.c_contiguous else there.copy()
    return there if there.ndim else there.ravel()


def asnumpy(a: Any) -> np.ndarray:
    """A copy on the host."""
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def result_type(*arguments: Any) -> np.dtype:
    """The dtype that a computation would have."""
    return np.result_type(*(arrays._plain(argument) for argument in arguments))


def get_array_module(*arguments: Any) -> Any:
    """This, where an argument is on the device."""
    import sys

    return sys.modules[__name__] if any(isinstance(argument, ndarray) for argument in arguments) else np


class RawModule:
    """A source with kernels, compiled when `compile` is called, or when a kernel is first asked for."""

    def __init__(self, code: str, options: tuple[str, ...] = (), **_: Any) -> None:
        self._code, self._options = code, tuple(options)
        self._kernels: dict[str, compiler.Kernel] | None = None

    def compile(self, log_stream: Any = None) -> None:
        """Compile now."""
        self._kernels = compiler.compiled(self._code, self._options)

    def get_function(self, name: str) -> "_Kernel":
        """Raises KeyError where there is no such kernel."""
        if self._kernels is None:
            self.compile()
        assert self._kernels is not None
        return _Kernel(self._kernels[name])


class _Kernel:
    """A kernel, called with its grid, its block and its arguments."""

    def __init__(self, kernel: compiler.Kernel) -> None:
        self._kernel = kernel

    def __call__(self, grid: Sequence[int], block: Sequence[int], args: Sequence[Any], *, shared_mem: int = 0) -> None:
        passed = list(map(_argument, args))
        streams.put(lambda: self._kernel(grid, block, passed), arrays.owners(*args))


def _argument(argument: Any) -> Any:
    """What the compiled kernel takes for it; raises TypeError for what CuPy does not pass to a kernel."""
    if isinstance(argument, ndarray):
        memory = arrays.host_memory(argument)
        return compiler.Memory(memory.ctypes.data, memory.nbytes, memory.dtype)
    if isinstance(argument, np.ndarray) and argument.size == 1:
        return argument.tobytes()
    if argument is None or type(argument) in (int, float):
        return argument
    raise TypeError(f"Unsupported type {type(argument)}: {argument!r}")


class _Device:
    """Device number 0 is there."""

    compute_capability = "90"

    def __init__(self, device: int = 0) -> None:
        self.id = device

    def use(self) -> None:
        if self.id >= cuda.runtime.getDeviceCount():
            raise streams.CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def __enter__(self) -> "_Device":
        self.use()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def synchronize(self) -> None:
        """Work is done when it is put on a stream."""
        streams.synchronise("synchronising")


class _MemoryHook:
    """Notified of what the pools take from the device: of one piece, when a block ends."""

    def __enter__(self) -> "_MemoryHook":
        return self

    def __exit__(self, *_: object) -> None:
        self.alloc_postprocess(device_id=0, mem_size=1 << 20, mem_ptr=0)  # type: ignore[attr-defined]


cuda = SimpleNamespace(
    MemoryHook=_MemoryHook,
    cublas=SimpleNamespace(),
    Device=_Device,
    Stream=streams.Stream,
    Event=streams.Event,
    get_elapsed_time=streams.get_elapsed_time,
    get_current_stream=streams.current_stream,
    MemoryPool=pools.MemoryPool,
    alloc=pools.alloc,
    using_allocator=pools.using_allocator,
    memory=SimpleNamespace(OutOfMemoryError=pools.OutOfMemoryError),
    runtime=SimpleNamespace(
        CUDARuntimeError=streams.CUDARuntimeError,
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda device: {
            "name": b"emulated GPU",
            "totalGlobalMem": pools.DEVICE_BYTES,
            "major": 9,
            "multiProcessorCount": 132,
            "minor": 0,
        },
        deviceSynchronize=lambda: streams.synchronise("synchronising"),
        memGetInfo=pools.mem_get_info,
        driverGetVersion=lambda: 13000,
        runtimeGetVersion=lambda: 13000,
    ),
)
lib = SimpleNamespace(
    stride_tricks=SimpleNamespace(as_strided=functools.partial(arrays.compute, np.lib.stride_tricks.as_strided))
)


class _Generator:
    """Numbers drawn on the device."""

    def __init__(self, bit_generator: np.random.Philox) -> None:
        self._generator = np.random.Generator(bit_generator)

    def random(self, size: Any = None, dtype: Any = np.float64) -> ndarray:
        """Uniform in [0, 1)."""
        streams.refuse_during_capture("drawing with CuPy's generator")
        return arrays.wrapped(np.asarray(self._generator.random(size, dtype)))


random = SimpleNamespace(Generator=_Generator, Philox4x3210=lambda seed: np.random.Philox(seed))
