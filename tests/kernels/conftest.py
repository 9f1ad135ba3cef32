"""The C kernels, set after set."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from gpucnn.kernels import choice, cpu


@pytest.fixture(params=["avx512", "avx2", "plain"])
def compiled(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The C kernels of one instruction set; one that was not built or that this processor does not run is skipped."""
    if request.param not in choice.library.usable():
        pytest.skip(f"{request.param}: not built, or not for this processor")
    before = choice.chosen()
    choice.choose(request.param)
    yield cpu
    choice.choose(before)
