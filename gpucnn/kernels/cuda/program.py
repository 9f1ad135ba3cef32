"""Compiling and launching the CUDA sources: each once for each floating type, when first used or all at once.

A kernel's parameters are pointers, given as arrays (or None for a null pointer); `long long`, given as int; `double`,
given as float; and structs by value, given as a NumPy array of one element.
"""

import functools
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.backend import KERNEL_OPTIONS, Array, load_cupy
from gpucnn.kernels.cuda import precision

SOURCE = Path(__file__).parent / "source"
SHARED = re.compile(r'^#include "(\w+\.cuh)"\n')  # the first line of every source, which is replaced by that file
THREADS = 256  # in a block of `run`
MOST_INT = 2**31 - 1  # numbers that an index of 32 bits counts
REALS = {"float32": "float", "float64": "double"}
ROUNDING = {"tensor", "gradient_tensor"}  # sources that float32 in full and float64 do not launch
WITHOUT_REAL = {"step": np.dtype("float64")}  # sources that are the same for all arrays, and compiled as for these
# A kernel's name: behind the word KERNEL, or the first argument of a macro whose name ends in it.
KERNEL = re.compile(r"^(?:KERNEL\s+(?:__launch_bounds__\([^)]*\)\s+)?|[A-Z_]+_KERNEL\()(\w+)[(,]", re.MULTILINE)


def sources() -> list[str]:
    """The names of all sources."""
    return sorted(path.stem for path in SOURCE.glob("*.cu"))


def text(source: str) -> str:
    """The whole of one source, as the compiler gets it."""
    return _with_shared(SOURCE / f"{source}.cu")


def _with_shared(path: Path) -> str:
    return SHARED.sub(lambda found: _with_shared(SOURCE / found[1]), path.read_text())


def options(dtype: Any) -> tuple[str, ...]:
    """The compiler's options for arrays of a floating type."""
    return (*KERNEL_OPTIONS, f"-DREAL={REALS[np.dtype(dtype).name]}")


def needed(dtype: Any) -> list[str]:
    """The sources whose kernels arrays of a floating type launch in the precision that is set."""
    rounds = np.dtype(dtype) == np.float32 and precision.get() != "float32"
    return [source for source in sources() if rounds or source not in ROUNDING]


def load_all(dtype: Any) -> None:
    """Compile and load the kernels for arrays of a floating type now, in threads, and not when they are first launched.

    Those that round factors are left out where the precision does not ask for them: they take long to compile.

    Loaded one by one, kernels take a second each, and CUDA may not allow loading during a capture.
    """
    cuda = load_cupy().cuda
    device = cuda.Device(cuda.runtime.getDevice())

    def load(source: str) -> None:
        with device:  # each thread has its own
            for name in KERNEL.findall(text(source)):
                _kernel(source, name, WITHOUT_REAL.get(source, np.dtype(dtype)))

    with ThreadPoolExecutor() as threads:
        list(threads.map(load, needed(dtype)))  # raises what they raise


@functools.cache  # every launch asks for one
def _kernel(source: str, name: str, dtype: np.dtype) -> Any:
    return _module(source, dtype).get_function(name)


@functools.cache  # compiled once in a process
def _module(source: str, dtype: np.dtype) -> Any:
    module = load_cupy().RawModule(code=text(source), options=options(dtype))
    module.compile()  # now: CuPy would wait until a kernel is asked for
    return module


def launch(
    source: str, name: str, dtype: np.dtype, blocks: tuple[int, ...], threads: tuple[int, ...], *arguments: Any
) -> None:
    """Let `blocks` of `threads` run one kernel of a source, on the current stream.

    Raises ValueError for an array that is not C-contiguous: the kernels take no strides.
    """
    for argument in arguments:
        if not isinstance(argument, int | float | None) and not argument.flags.c_contiguous:
            raise ValueError(f"{name} was given an array of strides {argument.strides}; expected C order")
    _kernel(source, name, dtype)(blocks, threads, arguments)


def run(source: str, name: str, dtype: np.dtype, count: int, *arguments: Any) -> None:
    """One thread for each of `count` elements; the kernel's first parameter is that number."""
    if count:
        launch(source, name, dtype, (-(-count // THREADS),), (THREADS,), count, *arguments)


def wide(*arrays: Array) -> str:
    """The suffix of a kernel's name: that of the version with indices of 64 bits where these arrays need it."""
    return "_wide" if max(array.size for array in arrays) > MOST_INT else ""


def contiguous(array: Array) -> Array:
    """`array` in C order; a copy only where it is not."""
    return array if array.flags.c_contiguous else load_cupy().ascontiguousarray(array)


def joined(arrays: Sequence[Array]) -> list[Array]:
    """The arrays, with those that follow one another in a flat array, such as an optimizer's, joined into one."""
    runs: list[Array] = []
    for array in arrays:
        if runs and _follows(array, runs[-1]):
            flat, whole = runs[-1].base, runs[-1].size + array.size
            start = (runs[-1].data.ptr - flat.data.ptr) // flat.itemsize
            runs[-1] = flat[start : start + whole]
        else:
            runs.append(array)
    return runs


def _follows(array: Array, other: Array) -> bool:
    """Whether both are views of one flat array, and `array` begins where the other ends."""
    flat = array.base
    together = flat is not None and flat is other.base and flat.ndim == 1 and flat.dtype == array.dtype == other.dtype
    return together and other.data.ptr + other.nbytes == array.data.ptr


def quads(*arrays: Array) -> bool:
    """Whether four neighbouring images of every array can be read at once, in pieces of 16 bytes."""
    return all(array.shape[-1] % 4 == 0 and array.data.ptr % 16 == 0 for array in arrays)
