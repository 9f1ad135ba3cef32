"""Image filters by hand, against the naive loops, and the kernels that people write."""

import numpy as np
import pytest

from gpucnn import Tensor, filters
from gpucnn.errors import DataError, InputError
from tests import references
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")

FILTERS = [filters.per_channel, filters.summed]
STEP = np.array([[[[0, 0, 6, 6]] * 3]], np.float64)  # (1, 1, 3, 4): dark on the left, light on the right


def of_the_middle_row(kernel: str, border="edge") -> list[float]:
    return filters.per_channel(Tensor(STEP), filters.KERNELS[kernel], border).numpy()[0, 0, 1].round(9).tolist()


def test_every_kernel_on_a_step_by_hand():
    assert of_the_middle_row("identity") == [0, 0, 6, 6]
    assert of_the_middle_row("blur") == [0, 2, 4, 6]  # a third of the window lies on the other side
    assert of_the_middle_row("sharpen") == [0, -6, 12, 6]  # 5·0 - 6 and 5·6 - 18 + 0: over and under the step
    assert of_the_middle_row("edges") == [0, -18, 18, 0]  # 8·0 - 3·6 and 8·6 - 5·6


def test_outside_are_zeros_or_the_pixels_of_the_edge():
    assert of_the_middle_row("blur", "zero") == [0, 2, 4, 4]
    assert of_the_middle_row("edges", "zero") == [0, -18, 18, 18]
    corner = filters.per_channel(Tensor(STEP), filters.KERNELS["blur"], "zero").numpy()[0, 0, 0, 3]
    assert corner == pytest.approx(4 * 6 / 9)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (5, 1), (2, 4), (7, 9)])
@pytest.mark.parametrize(("border", "mode"), [("zero", "zeros"), ("edge", "replicate")])
def test_both_equal_the_naive_loops_and_keep_the_sizes(shape, border, mode, rng):
    images, kernel = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal(shape)
    above, left = (shape[0] - 1) // 2, (shape[1] - 1) // 2
    padded = references.pad(images, (left, shape[1] - 1 - left, above, shape[0] - 1 - above), mode)
    alone = references.conv(padded, np.stack([kernel[None]] * 3), groups=3)
    close(filters.per_channel(Tensor(images), kernel, border).numpy(), alone)
    close(filters.summed(Tensor(images), kernel, border).numpy(), alone.sum(axis=1, keepdims=True))
    assert alone.shape == images.shape


def test_a_kernel_is_not_turned_about():
    """Convolution as networks have it: the number on the right weighs the pixel on the right."""
    assert filters.per_channel(Tensor(STEP), np.array([[0, 0, 1]]), "edge").numpy()[0, 0, 0].tolist() == [0, 6, 6, 6]


@pytest.mark.parametrize("convolve", FILTERS)
def test_errors_speak(convolve):
    with pytest.raises(InputError, match=r"expected images \(N, C, H, W\) .* given \(4,\) and \(3, 3\)"):
        convolve(Tensor(np.zeros(4)), filters.KERNELS["blur"])
    with pytest.raises(InputError, match="border is 'mirror'; expected zero or edge"):
        convolve(Tensor(STEP), filters.KERNELS["blur"], "mirror")


def test_a_kernel_as_people_write_it():
    text = "# emboss\n-2 -1 0\n\n-1,  1, 1   # the middle\n0\t1.0\t2e0\n"
    assert filters.parse_kernel(text).tolist() == [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]
    assert filters.parse_kernel("3").tolist() == [[3]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no number in it"),
        ("# nothing\n\n", "there is no number in it"),
        ("1 2\n1 2 3", "line 2: 3 numbers, but the row before has 2"),
        ("1 2\n1 x", "line 2: 'x' is not a number"),
        ("1/9", "line 1: '1/9' is not a number"),
        ("1 nan", "line 1: nan is too large"),
        ("-inf", "line 1: -inf is too large"),
        ("1\n2e6", "line 2: 2e6 is too large; a kernel's numbers lie between ±1,000,000"),
        ("1 " * 64, "line 1: a kernel has at most 63 rows and columns"),
        ("1\n" * 64, "line 64: a kernel has at most 63 rows and columns"),
    ],
)
def test_what_is_no_kernel_is_told_with_its_line(text, words):
    with pytest.raises(DataError) as error:
        filters.parse_kernel(text)
    assert words in str(error.value)
