"""Convolution's tiles, and the rows it takes together, show in no result."""

from functools import partial

import pytest

from gpucnn import functional as F
from gpucnn.kernels.numpy import conv
from tests import references
from tests.configurations import COUNT, convolution
from tests.judges import agrees, forward_backward, upstream

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("tile_bytes", [1, 1000, 10_000])
@pytest.mark.parametrize("wide", [1, 7, 1000])
def test_any_tiles_give_the_naive_result(monkeypatch, tile_bytes, wide):
    """A tile of one byte is a single row or channel; `wide` decides how many rows one product takes."""
    monkeypatch.setattr(conv, "CPU_TILE_BYTES", tile_bytes)
    monkeypatch.setattr(conv, "GPU_TILE_BYTES", tile_bytes)
    monkeypatch.setattr(conv, "WORTH_SHARING", 0)
    monkeypatch.setattr(conv, "WIDE", wide)
    for config in map(convolution, range(0, COUNT, 3)):
        x, w, *_ = config.arrays
        y = references.conv(*config.arrays, **config.options)
        gradients = references.conv_gradients(x, w, upstream(y.shape), **config.options)
        ours = partial([F.conv1d, F.conv2d, F.conv3d][config.axes - 1], **config.options)
        agrees(forward_backward(ours, *config.arrays), [y, *gradients[: len(config.arrays)]], config)
