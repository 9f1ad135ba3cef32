"""Which device a test runs on, the seed, and PyTorch where it is installed."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import gpucnn
from gpucnn.backend import Device
from tests.devices import GPUS, on

TORCH_SEED = 67280421310721  # what PyTorch begins with: a test that is the first to import it draws the same


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell that starts the tests in the background has it ignored, and their processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def seeds() -> None:
    """What a test draws does not depend on the tests before it."""
    gpucnn.manual_seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(TORCH_SEED)


@pytest.fixture(params=["c", "numpy", *GPUS])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """The test runs once with each set of kernels; where one cannot be had that run is skipped, with the cause."""
    with on(request.param) as found:
        yield found


@pytest.fixture(params=GPUS)
def gpu(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A GPU as the device, and its emulation; each is skipped where it cannot be had."""
    with on(request.param) as found:
        yield found


@pytest.fixture
def emulated() -> Iterator[Device]:
    """The emulated GPU is the device, whatever this machine has."""
    with on("cuda-emulated") as found:
        yield found


@pytest.fixture
def rng() -> np.random.Generator:
    """Random inputs, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def torch():
    """PyTorch, the judge; without it only the tests that it judges are skipped."""
    module = pytest.importorskip("torch", reason="PyTorch is not installed, and it is the judge of this test")
    module.set_num_threads(1)  # the arrays are small
    return module


@pytest.fixture(scope="session")
def mnist_run(tmp_path_factory) -> Path:
    """LeNet after an epoch on MNIST, trained once; for tests that are skipped where MNIST is not there."""
    from gpucnn.cli import main

    run = tmp_path_factory.mktemp("mnist") / "run"
    arguments = ["train.epochs=1", "report=false", "device=cpu", "--quiet", "--run-dir", str(run)]
    assert main(["train", "lenet", *arguments]) == 0
    return run
