"""Which device a test runs on, the seed, and PyTorch where it is installed."""

import numpy as np
import pytest


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest):
    """The test runs once on each device; without a usable GPU that run is skipped, with the cause."""
    import gpucnn

    before = gpucnn.device()
    if request.param == "cuda" and (cause := gpucnn.backend.why_no_gpu()):
        pytest.skip(f"no GPU: {cause}")
    gpucnn.manual_seed(0)
    yield gpucnn.set_device(request.param)
    gpucnn.set_device(str(before))


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
