"""The compiled kernels, set after set."""

from collections.abc import Iterator
from typing import Any

import pytest

from gpucnn.kernels import c
from gpucnn.kernels import cuda as cuda_set
from tests.devices import GPUS, on
from tests.emulation.proxy import OnHost
from tests.kernels.on_gpu import OnGpu

SETS = ["avx512", "avx2", "plain"]  # of instructions, that C is compiled for


def kernels(place: str) -> Iterator[Any]:
    """The kernels of a place, as functions of NumPy arrays."""
    with on(place):
        sets = {"cuda": OnGpu(cuda_set.kernels), "cuda-emulated": OnHost(cuda_set.kernels)}
        yield sets.get(place, c.kernels)


@pytest.fixture(params=[*SETS, *GPUS])
def compiled(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The kernels in C for each instruction set, and in CUDA, on a GPU and without."""
    yield from kernels(request.param)


@pytest.fixture(params=SETS)
def compiled_c(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The kernels in C alone."""
    yield from kernels(request.param)


@pytest.fixture(params=GPUS)
def cuda(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The kernels in CUDA alone, on a GPU and without."""
    yield from kernels(request.param)
