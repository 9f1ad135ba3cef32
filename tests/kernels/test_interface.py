"""The sets of kernels: the same kernels with the same arguments, documented once, in `numpy`."""

import inspect

import numpy as np
import pytest

from gpucnn import backend
from gpucnn.kernels import c, cuda, dispatch, numpy
from tests.devices import on

KINDS = pytest.mark.parametrize("name", numpy.Kernels._fields)
SETS = pytest.mark.parametrize("kernels", [c.kernels, cuda.kernels], ids=["c", "cuda"])


def methods(kernels: numpy.Kernels, name: str) -> dict[str, object]:
    """The kernels of one kind, those that are inherited included."""
    found = inspect.getmembers(type(getattr(kernels, name)), inspect.isfunction)
    return {kernel: method for kernel, method in found if not kernel.startswith("_")}


def arguments(method: object) -> list[tuple[str, object]]:
    return [(each.name, each.default) for each in inspect.signature(method).parameters.values()]


@SETS
@KINDS
def test_a_set_has_the_kernels_of_numpy_and_no_others(kernels, name):
    offered, documented = methods(kernels, name), methods(numpy.kernels, name)
    assert isinstance(getattr(kernels, name), type(getattr(numpy.kernels, name)))  # so mypy compares their signatures
    assert offered.keys() == documented.keys()
    for kernel, method in offered.items():
        assert arguments(method) == arguments(documented[kernel]), kernel


@KINDS
def test_a_kernel_is_documented_in_numpy_and_only_there(name):
    for kernel, method in methods(numpy.kernels, name).items():
        assert method.__doc__, f"{kernel} has no documentation"
        for other in (methods(c.kernels, name)[kernel], methods(cuda.kernels, name)[kernel]):
            own = None if other is method else other.__doc__
            assert own is None or own.splitlines()[0] not in method.__doc__, kernel


@pytest.mark.parametrize("place", ["numpy", "c", "cuda-emulated"])
def test_a_kernel_that_only_numpy_implements_serves_every_set(monkeypatch, place):
    """On a GPU its code computes with CuPy's arrays."""

    def softsign(self, x, out):
        xp = backend.module_of(x)
        xp.divide(x, 1 + xp.abs(x), out=out)

    monkeypatch.setattr(numpy.Activation, "softsign", softsign, raising=False)
    with on(place) as device:
        x = backend.to_device(np.array([-3, 0, 1], "float32"))
        out = backend.empty(x.shape, x)
        dispatch.kernels_of(type(x)).activation.softsign(x, out)
        assert isinstance(out, device.xp.ndarray)
        assert backend.to_host(out).tolist() == [-0.75, 0, 0.5]
