"""The compiled kernels, set after set."""

from collections.abc import Iterator
from typing import Any

import pytest

import gpucnn
from gpucnn import backend
from gpucnn.kernels import choice, cpu
from gpucnn.kernels import cuda as cuda_kernels
from tests.emulation import device
from tests.emulation.proxy import OnHost
from tests.kernels.on_gpu import OnGpu


def of_instruction_set(name: str) -> Iterator[Any]:
    """The C kernels of one set; one that was not built or that this processor does not run is skipped."""
    if name not in choice.library.usable():
        pytest.skip(f"{name}: not built, or not for this processor")
    before = choice.chosen()
    choice.choose(name)
    yield cpu
    choice.choose(before)


def emulated() -> Iterator[Any]:
    """The CUDA kernels, compiled for the CPU, as functions of NumPy arrays; and the emulated GPU as the device."""
    if device.why_not:
        pytest.skip(device.why_not)
    with device.emulated():
        yield OnHost(cuda_kernels)


def on_gpu() -> Iterator[Any]:
    """The CUDA kernels on a GPU, as functions of NumPy arrays."""
    if cause := backend.why_no_gpu():
        pytest.skip(f"no GPU: {cause}")
    before = gpucnn.device(), choice.chosen()
    choice.choose("auto")
    gpucnn.set_device("cuda")
    yield OnGpu(cuda_kernels)
    gpucnn.set_device(str(before[0]))
    choice.choose(before[1])


@pytest.fixture(params=["avx512", "avx2", "plain", "cuda", "cuda-emulated"])
def compiled(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The kernels in C for each instruction set, and in CUDA, on a GPU and without."""
    kernels = {"cuda": on_gpu, "cuda-emulated": emulated}.get(request.param)
    yield from kernels() if kernels else of_instruction_set(request.param)


@pytest.fixture(params=["avx512", "avx2", "plain"])
def compiled_c(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The kernels in C alone."""
    yield from of_instruction_set(request.param)


@pytest.fixture
def cuda() -> Iterator[Any]:
    """The kernels in CUDA alone, emulated: tests of it look at what is launched."""
    yield from emulated()
