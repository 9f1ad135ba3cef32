"""A GPU, or what stands in for one."""

from collections.abc import Iterator

import pytest

from gpucnn import backend


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> Iterator[backend.Device]:
    """The first GPU as the device; where there is none, its emulation; where that cannot be had, either, a skip."""
    if backend.why_no_gpu() is not None:
        yield request.getfixturevalue("emulated")
        return
    before = backend.device()
    yield backend.set_device("cuda")
    backend.set_device(str(before))
