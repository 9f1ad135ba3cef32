"""The places that tests compute in: given back as they were found, and selected by one expression."""

import pytest

import gpucnn
from gpucnn.kernels import cuda, dispatch
from tests import devices
from tests.emulation import fake_cupy


@pytest.mark.parametrize("place", ["numpy", "cuda-emulated"])
def test_after_a_test_a_gpu_has_the_cuda_kernels_where_no_c_was_built(monkeypatch, place):
    monkeypatch.setattr(dispatch.library, "usable", dict)
    monkeypatch.setattr(dispatch, "_asked", None)
    monkeypatch.setattr(dispatch, "_chosen", None)
    monkeypatch.delenv("GPUCNN_KERNELS", raising=False)
    for _ in range(2):
        with devices.on(place):
            pass
        assert dispatch.chosen() == "numpy" and dispatch.kernels_of(type(fake_cupy.zeros(1))) is cuda.kernels


def test_what_a_test_changes_is_given_back():
    before = gpucnn.device(), dispatch.asked(), devices.precision.get()
    with pytest.raises(ZeroDivisionError), devices.kept():
        gpucnn.set_device("cpu")
        dispatch.choose("numpy")
        devices.precision.set("bf16")
        raise ZeroDivisionError
    assert (gpucnn.device(), dispatch.asked(), devices.precision.get()) == before


def test_those_on_a_gpu_are_selected_by_name(request):
    """Of all tests that were collected, by `-k "cuda and not emulated"`: each on a GPU, and none that is emulated."""
    for item in request.session.items:
        selected = "cuda" in item.nodeid and "emulated" not in item.nodeid
        assert selected or item.get_closest_marker("on_gpu") is None, item.nodeid
        assert not (selected and "emulated" in item.fixturenames), item.nodeid
