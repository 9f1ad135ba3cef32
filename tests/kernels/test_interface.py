"""The sets of kernels against their interface: the same kernels, the same arguments, documented in one place."""

import inspect
from typing import get_type_hints

import numpy as np
import pytest

from gpucnn import backend
from gpucnn.kernels import c, cuda, dispatch, numpy
from gpucnn.kernels.interface import Kernels
from tests.devices import on

KINDS = get_type_hints(Kernels)
SETS = pytest.mark.parametrize("kernels", [numpy.kernels, c.kernels, cuda.kernels], ids=["numpy", "c", "cuda"])


def methods(kind: type) -> dict[str, object]:
    """The kernels of one kind, those that are inherited included."""
    return {name: method for name, method in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")}


def arguments(method: object) -> list[tuple[str, object]]:
    return [(each.name, each.default) for each in inspect.signature(method).parameters.values()]


@SETS
@pytest.mark.parametrize("name", KINDS)
def test_a_set_has_the_kernels_of_the_interface_and_no_others(kernels, name):
    offered, interface = methods(type(getattr(kernels, name))), methods(KINDS[name])
    assert offered.keys() == interface.keys()
    for kernel, method in offered.items():
        assert method is not interface[kernel], f"{kernel} is not implemented"
        assert arguments(method) == arguments(interface[kernel]), kernel


@pytest.mark.parametrize("name", KINDS)
def test_a_kernel_is_documented_in_the_interface_and_only_there(name):
    for kernel, method in methods(KINDS[name]).items():
        assert method.__doc__, f"{kernel} has no documentation"
        for kernels in (numpy.kernels, c.kernels, cuda.kernels):
            said = methods(type(getattr(kernels, name)))[kernel].__doc__
            assert said is None or said.splitlines()[0] not in method.__doc__, kernel


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
