"""Each way for a GPU to be out of reach has its own line: from `gpucnn info`, and where `cuda` is asked for."""

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

import gpucnn
from gpucnn import backend
from gpucnn.cli import main
from gpucnn.errors import DeviceError
from tests.emulation import fake_cupy
from tests.emulation.streams import CUDARuntimeError

INSUFFICIENT = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
NO_NVRTC = 'Failure finding "libnvrtc.so.13": No such file: libnvrtc.so.13'
NO_HEADERS = (
    "Failed to find CUDA headers. Please install CUDA toolkit headers (e.g., pip install cupy-cuda12x[ctk]) or "
    "specify CUDA_PATH environment variable."
)
NO_CUBLAS = 'Failure finding "libcublas.so.13": No such file: libcublas.so.13'


class DynamicLibNotFoundError(RuntimeError):
    """As cuda.pathfinder's."""


def raising(error: Exception) -> Callable[..., NoReturn]:
    def function(*_, **__):
        raise error

    return function


def without(error: Exception, name: str, runtime: int = 13020) -> SimpleNamespace:
    """The emulated CuPy, of which the function `name` fails."""
    cuda = SimpleNamespace(**vars(fake_cupy.cuda))
    cuda.runtime = SimpleNamespace(**vars(fake_cupy.cuda.runtime))
    cuda.runtime.runtimeGetVersion = lambda: runtime
    return SimpleNamespace(**{**vars(fake_cupy), "cuda": cuda, name: raising(error)})


def without_driver(served: int) -> SimpleNamespace:
    """A CuPy that can be imported and fails at its first array; the driver is for the CUDA `served`."""
    cupy = without(CUDARuntimeError(INSUFFICIENT), "zeros")
    cupy.cuda.runtime.driverGetVersion = lambda: served
    return cupy


class _WithoutCublas(SimpleNamespace):
    """CuPy's `cuda`, which loads cuBLAS when it is first asked for."""

    @property
    def cublas(self) -> NoReturn:
        raise ImportError(NO_CUBLAS)


def with_kernels(add: int, cuda: SimpleNamespace = fake_cupy.cuda) -> SimpleNamespace:
    """The emulated CuPy, each of whose kernels adds a number to its first argument."""
    module = SimpleNamespace(get_function=lambda name: lambda grid, block, arguments: arguments[0].__iadd__(add))
    return SimpleNamespace(**{**vars(fake_cupy), "RawModule": lambda **_: module, "cuda": cuda})


def without_cublas() -> SimpleNamespace:
    cuda = {name: value for name, value in vars(fake_cupy.cuda).items() if name != "cublas"}
    return with_kernels(1, _WithoutCublas(**cuda))


def missing(text: str, cuda: int = 13) -> str:
    return f"CUDA's compiler or libraries are missing; pip install 'cupy-cuda{cuda}x[ctk]' brings them ({text})"


CAUSES = {
    "no CuPy": (None, "CuPy is not installed (pip install 'gpucnn[cuda13]', or [cuda12] for a CUDA 12 driver)"),
    "no driver": (without_driver(0), "no NVIDIA driver was found (cudaErrorInsuffi"),
    "an old driver": (
        without_driver(12040),
        "the NVIDIA driver is for CUDA 12.4 and too old for this CuPy, which is for CUDA 13.2",
    ),
    "no GPU": (
        without(CUDARuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected"), "zeros"),
        "no NVIDIA GPU was found (cudaErrorNoDevice",
    ),
    "no compiler": (without(DynamicLibNotFoundError(NO_NVRTC + "\nmore"), "RawModule"), missing(NO_NVRTC)),
    "no compiler of CUDA 12": (without(RuntimeError(NO_NVRTC), "RawModule", 12090), missing(NO_NVRTC, 12)),
    "no headers": (without(RuntimeError(NO_HEADERS), "RawModule"), missing(NO_HEADERS)),
    "no cuBLAS": (without_cublas(), missing(NO_CUBLAS)),
    "wrong results": (with_kernels(2), "a first computation on it failed (0 + 1 + 1 came to 3.0)"),
    "anything else": (without(ValueError("odd"), "zeros"), "a first computation on it failed (odd)"),
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


def test_training_falls_back_to_the_cpu_and_says_why_in_a_line(cause, capsys, tmp_path):
    arguments = ["data={name: synthetic, train: 32, test: 16}", "data.validation=0", "train.epochs=1", "report=false"]
    assert main(["train", "lenet", *arguments, "--quiet", "--run-dir", str(tmp_path / "run")]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("device")]
    assert line.startswith(f"device auto: computing on the CPU, since {cause}")
    assert json.loads((tmp_path / "run" / "result.json").read_text())["device"] == "cpu"


def test_a_gpu_of_a_number_that_is_not_there(emulated):
    with pytest.raises(DeviceError, match="'cuda:3' cannot be used: there is no GPU 3; 1 found .cudaErrorInvalidDev"):
        gpucnn.set_device("cuda:3")
    assert gpucnn.device() == emulated


def test_auto_takes_a_gpu_and_info_describes_it(emulated, capsys):
    assert gpucnn.set_device("auto") == emulated
    assert main(["info"]) == 0
    assert "emulated GPU, 1 GiB, compute capability 9.0, driver for CUDA 13.0" in capsys.readouterr().out


@pytest.mark.parametrize("cuda", ["12", "13"])
def test_the_extras_bring_cudas_compiler_and_libraries(cuda):
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"][f"cuda{cuda}"] == [f"cupy-cuda{cuda}x[ctk]>=14,<15"]
