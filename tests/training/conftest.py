"""A GPU, or what stands in for one."""

from collections.abc import Iterator

import pytest

from gpucnn import backend
from tests.emulation import device as emulation


@pytest.fixture
def gpu() -> Iterator[backend.Device]:
    """The first GPU as the device; where there is none, its emulation; where that cannot be had, either, a skip."""
    if backend.why_no_gpu() is None:
        before = backend.device()
        yield backend.set_device("cuda")
        backend.set_device(str(before))
        return
    if emulation.why_not:
        pytest.skip(emulation.why_not)
    with emulation.emulated() as device:
        yield device
