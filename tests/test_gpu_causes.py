"""Each way for a GPU to be out of reach has its own line: from `gpucnn info`, and where `cuda` is asked for."""

import sys
from types import SimpleNamespace

import pytest

import gpucnn
from gpucnn import backend
from gpucnn.cli import main
from gpucnn.errors import DeviceError
from tests.emulation import fake_cupy
from tests.emulation.streams import CUDARuntimeError

INSUFFICIENT = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
MISSING = "CuPy failed to load libnvrtc.so.13: OSError: libnvrtc.so.13: cannot open shared object file"


def cupy_that_fails(error: Exception, driver: int = 13000) -> SimpleNamespace:
    """A CuPy that can be imported, and fails at its first array."""

    def zeros(*_):
        raise error

    runtime = SimpleNamespace(driverGetVersion=lambda: driver, runtimeGetVersion=lambda: 13020)
    return SimpleNamespace(zeros=zeros, cuda=SimpleNamespace(Device=fake_cupy.cuda.Device, runtime=runtime))


CAUSES = {
    "no CuPy": (None, "CuPy is not installed (pip install 'gpucnn[cuda13]', or [cuda12] for a CUDA 12 driver)"),
    "no driver": (cupy_that_fails(CUDARuntimeError(INSUFFICIENT), 0), "no NVIDIA driver was found (cudaErrorInsuffi"),
    "an old driver": (
        cupy_that_fails(CUDARuntimeError(INSUFFICIENT), 12040),
        "the NVIDIA driver is for CUDA 12.4 and too old for this CuPy, which is for CUDA 13.2",
    ),
    "no GPU": (
        cupy_that_fails(CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")),
        "no NVIDIA GPU was found (cudaErrorNoDevice",
    ),
    "no libraries": (
        cupy_that_fails(RuntimeError(MISSING + "\nmore")),
        f"CuPy does not match this machine's CUDA libraries ({MISSING})",
    ),
    "anything else": (cupy_that_fails(ValueError("odd")), "a first computation on it failed (odd)"),
}


@pytest.fixture(params=CAUSES)
def cause(request: pytest.FixtureRequest, monkeypatch):
    """What is to be said, on a machine with such a CuPy; before and after, the device is what it was."""
    before = gpucnn.device()
    cupy, words = CAUSES[request.param]
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.delenv("GPUCNN_DEVICE", raising=False)
    backend.why_no_gpu.cache_clear()
    yield words
    monkeypatch.undo()
    backend.why_no_gpu.cache_clear()
    gpucnn.set_device(str(before))


def test_auto_takes_the_cpu(cause):
    assert str(gpucnn.set_device("auto")) == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_a_gpu_that_was_asked_for_is_refused(cause, name):
    before = gpucnn.device()
    with pytest.raises(DeviceError) as error:
        gpucnn.set_device(name)
    assert f"device {name!r} cannot be used: {cause}" in str(error.value)
    assert gpucnn.device() == before


def test_info_tells_and_never_fails(cause, capsys):
    assert main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("GPU") and f"none: {cause}" in line for line in lines)
    assert any(line.split() == ["device", "cpu"] for line in lines)


def test_training_on_it_is_refused_with_exit_code_2(cause, capsys, tmp_path):
    assert main(["train", "lenet", "--device", "cuda", "--run-dir", str(tmp_path / "run")]) == 2
    assert f"device 'cuda' cannot be used: {cause}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_gpu_of_a_number_that_is_not_there(emulated):
    with pytest.raises(DeviceError, match="'cuda:3' cannot be used: there is no GPU 3; 1 found .cudaErrorInvalidDev"):
        gpucnn.set_device("cuda:3")
    assert gpucnn.device() == emulated


def test_auto_takes_a_gpu_and_info_describes_it(emulated, capsys):
    assert gpucnn.set_device("auto") == emulated
    assert main(["info"]) == 0
    assert "emulated GPU, 1 GiB, compute capability 9.0, driver for CUDA 13.0" in capsys.readouterr().out
