"""Padding on its own against the naive loops; its errors."""

import numpy as np
import pytest

from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import InputError
from tests import references
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")

MODES = ["zeros", "replicate", "reflect"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("amounts", [(0, 0, 0, 0), (1, 1, 1, 1), (3, 0, 0, 2), (0, 3, 2, 1), (2, 1)])
def test_equals_the_naive_loops(mode, amounts, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    close(F.pad(Tensor(x), amounts, mode).numpy(), references.pad(x, amounts, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 3, 5)])
def test_one_and_three_axes(mode, shape, rng):
    x, amounts = rng.standard_normal(shape), (1, 2, 2, 1, 3, 0)[: 2 * (len(shape) - 2)]
    close(F.pad(Tensor(x), amounts, mode).numpy(), references.pad(x, amounts, mode))


def test_the_value():
    assert F.pad(Tensor(np.zeros((1, 1, 1, 1))), (1, 0, 0, 0), value=7.0).numpy().tolist() == [[[[7, 0]]]]


@pytest.mark.parametrize("mode", ["replicate", "reflect"])
def test_after_a_convolution_rows_and_columns_are_still_that(mode, rng):
    x, w = rng.standard_normal((2, 3, 5, 6)), rng.standard_normal((3, 3, 1, 1))
    y = F.pad(F.conv2d(Tensor(x), Tensor(w)), (2, 1, 0, 3), mode)
    close(y.numpy(), references.pad(references.conv(x, w), (2, 1, 0, 3), mode))


@pytest.mark.parametrize(
    ("amounts", "mode", "words"),
    [
        ((5, 0, 0, 0), "reflect", ["mirrored", "5", "at most 4"]),
        ((1, 0, 0), "zeros", ["(1, 0, 0)"]),
        ((1,) * 10, "zeros", ["(1, 1, 1, 1, 1", "(2, 3, 4, 5)"]),
        ((-1, 0, 0, 0), "zeros", ["-1"]),
        ((1, 1, 1, 1), "circular", ["circular", "zeros", "replicate", "reflect"]),
    ],
)
def test_errors_speak(amounts, mode, words):
    with pytest.raises(InputError) as error:
        F.pad(Tensor(np.zeros((2, 3, 4, 5))), amounts, mode)
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
