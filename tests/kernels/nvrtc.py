"""NVIDIA's run-time compiler, called as CuPy calls it: it needs no GPU."""

import ctypes
import functools
import importlib.util
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gpucnn.kernels.cuda import program

BY_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # options that CuPy 14 adds to those it is given


class Compiled(NamedTuple):
    """What the compiler says, and the machine code or PTX that it made; no bytes where it failed."""

    log: str
    code: bytes


@functools.cache
def library() -> Any:
    """NVRTC, from its wheel; None without."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations if found else ():
        for path in Path(folder).glob("*/lib/libnvrtc.so.*"):
            return ctypes.CDLL(str(path))
    return None


def skip_without() -> None:
    """Skip the test that asks for it where the compiler is missing."""
    if library() is None:
        pytest.skip("NVIDIA's compiler is not installed (pip install nvidia-cuda-nvrtc)")


@functools.cache
def compiled(source: str, dtype: str, architecture: str) -> Compiled:
    """One of the sources, for arrays of a type: machine code for sm_90, say, or PTX for compute_90."""
    return compile_text(program.text(source), (*program.options(dtype), *BY_CUPY, f"-arch={architecture}"))


def for_architectures(source: str, dtype: str, architectures: Iterable[str]) -> dict[str, Compiled]:
    """As `compiled`, for several at once, in threads."""
    with ThreadPoolExecutor() as threads:
        names = list(architectures)
        return dict(zip(names, threads.map(lambda name: compiled(source, dtype, name), names), strict=True))


def compile_text(text: str, options: tuple[str, ...]) -> Compiled:
    """A source by options, of which -arch tells what is made."""
    handle = ctypes.c_void_p()
    _check(library().nvrtcCreateProgram(ctypes.byref(handle), text.encode(), b"source.cu", 0, None, None))
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = library().nvrtcCompileProgram(handle, len(options), given)
        log = _fetched("ProgramLog", handle).rstrip(b"\0").decode()
        kind = "CUBIN" if any(option.startswith("-arch=sm_") for option in options) else "PTX"
        return Compiled(log, b"" if failed else _fetched(kind, handle))
    finally:
        _check(library().nvrtcDestroyProgram(ctypes.byref(handle)))


def _fetched(what: str, handle: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    _check(getattr(library(), f"nvrtcGet{what}Size")(handle, ctypes.byref(size)))
    memory = ctypes.create_string_buffer(size.value)
    _check(getattr(library(), f"nvrtcGet{what}")(handle, memory))
    return memory.raw


def _check(status: int) -> None:
    assert status == 0, f"NVRTC's status is {status}"
