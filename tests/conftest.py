"""Which device a test runs on, the seed, and PyTorch where it is installed."""

import signal
from pathlib import Path

import numpy as np
import pytest


def pytest_configure() -> None:
    """Hear Ctrl-C: a shell that starts the tests in the background has it ignored, and their processes inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(params=["c", "numpy", "cuda", "cuda-emulated"])
def device(request: pytest.FixtureRequest):
    """The test runs once with each set of kernels; where one cannot be had that run is skipped, with the cause."""
    import gpucnn
    from gpucnn.kernels import choice
    from tests.emulation import device as emulation

    if request.param == "cuda-emulated":
        if emulation.why_not:
            pytest.skip(emulation.why_not)
        with emulation.emulated() as found:
            gpucnn.manual_seed(0)
            yield found
        return
    before = gpucnn.device(), choice.chosen()
    if request.param == "cuda" and (cause := gpucnn.backend.why_no_gpu()):
        pytest.skip(f"no GPU: {cause}")
    if request.param == "c" and not choice.library.usable():
        pytest.skip("the C kernels were not built")
    gpucnn.manual_seed(0)
    choice.choose("numpy" if request.param == "numpy" else "auto")
    yield gpucnn.set_device("cuda" if request.param == "cuda" else "cpu")
    gpucnn.set_device(str(before[0]))
    choice.choose(before[1])


@pytest.fixture
def emulated():
    """The emulated GPU is the device, whatever this machine has."""
    from tests.emulation import device as emulation

    if emulation.why_not:
        pytest.skip(emulation.why_not)
    with emulation.emulated() as found:
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
