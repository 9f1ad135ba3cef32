"""The emulated GPU, put where CuPy would be."""

import contextlib
import sys
from collections.abc import Iterator

import gpucnn
from gpucnn import backend
from gpucnn.kernels import dispatch
from gpucnn.kernels.cuda import cublas, precision, program
from tests.devices import kept
from tests.emulation import compiler, fake_cupy
from tests.emulation.fake_cublas import FakeCublas

CACHES = [backend.why_no_gpu, program._kernel, program._module, cublas.handle]
why_not = None if compiler.COMPILER else "there is no g++ to compile the CUDA sources for the CPU"


@contextlib.contextmanager
def emulated() -> Iterator[backend.Device]:
    """Within the block `import cupy` gives the emulation, and it is the device; the CUDA kernels compute."""
    with kept(), _in_cupys_place():
        dispatch.choose("auto")
        precision.set("float32")
        yield gpucnn.set_device("cuda")


@contextlib.contextmanager
def _in_cupys_place() -> Iterator[None]:
    real, library, fake = sys.modules.get("cupy"), cublas.library, FakeCublas()
    sys.modules["cupy"], cublas.library = fake_cupy, lambda: fake
    _forget()
    try:
        yield
    finally:
        cublas.library = library
        del sys.modules["cupy"]
        if real is not None:
            sys.modules["cupy"] = real
        _forget()


def _forget() -> None:
    """What was kept of one CuPy must not be used with another."""
    for cached in CACHES:
        cached.cache_clear()
