"""Work so large that C takes it another way: packed, cut up, shared among threads. NumPy in float64 is the judge."""

from functools import partial

import pytest

from gpucnn import functional as F
from gpucnn.kernels import dispatch
from tests.judges import agrees, forward_backward

WORK = {
    "many rows and outputs": (partial(F.conv2d, padding=1), (3, 4, 70, 19), (40, 4, 3, 3), (40,)),
    "the same, to the end in whole vectors": (F.conv2d, (64, 3, 66, 6), (40, 3, 3, 3), (40,)),
    "the same in groups": (partial(F.conv2d, groups=2), (17, 6, 66, 9), (50, 3, 2, 3), (50,)),
    "more images than a run of zeros": (partial(F.conv1d, padding=2), (1100, 2, 9), (23, 2, 5), (23,)),
    "many weights": (F.conv2d, (33, 12, 12, 11), (23, 12, 5, 5), (23,)),
    "a wide linear layer": (F.linear, (130, 801), (150, 801), (150,)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", WORK)
def test_large_work_is_done_right(compiled, name, dtype, rng):
    function, *shapes = WORK[name]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    found = forward_backward(function, *(array.astype(dtype) for array in arrays))
    dispatch.choose("numpy")
    expected = [array.astype(dtype) for array in forward_backward(function, *arrays)]
    agrees(found, expected, name, terms=arrays[0].size)
