"""Where tests compute: with C or NumPy on the CPU, with CUDA on a GPU, or emulated; what cannot be had is skipped.

On a GPU alone: `pytest -m on_gpu`, or `-k "cuda and not emulated"`, which takes a few tests of words about CUDA, too.
"""

import contextlib
from collections.abc import Iterator

import pytest

import gpucnn
from gpucnn.backend import Device
from gpucnn.kernels import dispatch
from gpucnn.kernels.cuda import precision

REAL = pytest.param("cuda", marks=pytest.mark.on_gpu)
GPUS = [REAL, "cuda-emulated"]


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Afterwards the device, the kernels and their precision are again what was asked for before.

    What was asked for, not what it came to: where no C was built `auto` comes to NumPy on the CPU, and asking for that
    would take the CUDA kernels from a GPU, too.
    """
    before = gpucnn.device(), dispatch.asked(), precision.get()
    try:
        yield
    finally:
        gpucnn.set_device(str(before[0]))
        dispatch.choose(before[1])
        precision.set(before[2])


@contextlib.contextmanager
def on(place: str) -> Iterator[Device]:
    """The device of a place: `c`, `numpy`, `cuda`, `cuda-emulated`, or an instruction set of C; skips without it."""
    if place == "cuda-emulated":
        from tests.emulation import device as emulation

        if emulation.why_not:
            pytest.skip(emulation.why_not)
        with emulation.emulated() as found:
            yield found
        return
    if cause := _why_not(place):
        pytest.skip(cause)
    with kept():
        dispatch.choose("auto" if place in ("c", "cuda") else place)
        precision.set("float32")
        yield gpucnn.set_device("cuda" if place == "cuda" else "cpu")


def _why_not(place: str) -> str | None:
    """Why this machine cannot compute there."""
    if place == "cuda":
        cause = gpucnn.backend.why_no_gpu()
        return cause and f"no GPU: {cause}"
    if place == "c":
        return dispatch.library.why_none()
    return None if place in (*dispatch.library.usable(), "numpy") else f"{place}: not built, or not for this processor"
