"""Convolution's tiles, and the rows it takes together, show in no result."""

from functools import partial

import pytest

from gpucnn import functional as F
from gpucnn import threads
from gpucnn.kernels import dispatch
from gpucnn.kernels.c import library
from gpucnn.kernels.numpy import conv
from tests import references
from tests.configurations import COUNT, convolution
from tests.judges import agrees, forward_backward, upstream


@pytest.mark.usefixtures("device")
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


CONVOLUTIONS = [  # images, ins, outs, size, options of the kernel
    (64, 20, 40, (8, 8), {"kernel": 1}),  # channels lie a multiple of 4096 bytes apart, and are packed
    (17, 9, 13, (5, 7), {"kernel": 1}),
    (3, 6, 4, (6, 5), {"kernel": 1, "stride": 2, "groups": 2}),
    (1, 7, 5, (4, 4), {"kernel": (3, 1), "padding": (1, 0)}),
    (64, 3, 40, (9, 16), {"kernel": 3, "padding": 1}),
    (33, 8, 38, (8, 8), {"kernel": 5, "padding": 2, "dilation": 2}),
    (100, 6, 6, (7, 9), {"kernel": 3, "padding": 1, "groups": 6, "stride": 2}),
    (256, 2, 37, (4, 4), {"kernel": 3}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", range(len(CONVOLUTIONS)))
def test_awkward_sizes_in_c_are_numpys_and_the_same_on_any_threads(compiled_c, index, dtype, rng):
    images, ins, outs, size, options = CONVOLUTIONS[index]
    options = dict(options)
    kernel = options.pop("kernel")
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    shapes = (images, ins, *size), (outs, ins // options.get("groups", 1), *kernel), (outs,)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    function, found = partial(F.conv2d, **options), []
    for count in (1, 2, 3):
        library.c.set_threads(count)
        found.append(forward_backward(function, *(array.astype(dtype) for array in arrays)))
    library.c.set_threads(threads.thread_count())
    for others in found[1:]:
        assert [array.tobytes() for array in others] == [array.tobytes() for array in found[0]]
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, *arrays)]
    agrees(found[0], expected, CONVOLUTIONS[index], terms=arrays[0].size)
