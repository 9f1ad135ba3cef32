"""Every CUDA source compiles to machine code for every GPU that is meant, without a warning: no GPU is needed."""

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from gpucnn.kernels.cuda import program

ARCHITECTURES = ["sm_75", "sm_80", "sm_90", "sm_120"]  # compute capabilities 7.5, 8.0, 9.0 and 12.0


@functools.cache
def nvrtc() -> Any:
    """NVIDIA's run-time compiler, from its wheel; None without."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations if found else ():
        for path in Path(folder).glob("*/lib/libnvrtc.so.*"):
            return ctypes.CDLL(str(path))
    return None


def checked(status: int) -> None:
    assert status == 0, f"NVRTC's status is {status}"


def compiled(code: str, options: tuple[str, ...]) -> tuple[str, int]:
    """What the compiler says, and how many bytes of machine code it made; 0 where it failed."""
    handle = ctypes.c_void_p()
    checked(nvrtc().nvrtcCreateProgram(ctypes.byref(handle), code.encode(), b"source.cu", 0, None, None))
    try:
        given = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        failed = nvrtc().nvrtcCompileProgram(handle, len(options), given)
        size = ctypes.c_size_t()
        checked(nvrtc().nvrtcGetProgramLogSize(handle, ctypes.byref(size)))
        log = ctypes.create_string_buffer(size.value)
        checked(nvrtc().nvrtcGetProgramLog(handle, log))
        if not failed:
            checked(nvrtc().nvrtcGetCUBINSize(handle, ctypes.byref(size)))
        return log.value.decode(), 0 if failed else size.value
    finally:
        checked(nvrtc().nvrtcDestroyProgram(ctypes.byref(handle)))


@pytest.fixture(autouse=True)
def installed() -> None:
    if nvrtc() is None:
        pytest.skip("NVIDIA's compiler is not installed (pip install nvidia-cuda-nvrtc)")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", program.REALS)
@pytest.mark.parametrize("source", program.sources())
def test_compiles_without_a_warning(source, dtype, architecture):
    log, size = compiled(program.text(source), (*program.options(dtype), f"-arch={architecture}"))
    assert log == ""
    assert size > 0


def test_a_warning_would_be_seen():
    text = program.text("activation") + "KERNEL unused() { int nobody_reads_me = 1; }"
    log, size = compiled(text, (*program.options("float32"), "-arch=sm_90"))
    assert "nobody_reads_me" in log
    assert size > 0
    assert compiled(text + "}", program.options("float32"))[1] == 0
