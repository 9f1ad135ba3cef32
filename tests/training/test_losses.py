"""Losses say whether they are sums; what they compute is checked in test_trainer."""

import functools

import pytest

from gpucnn import functional as F
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from gpucnn.training.losses import LOSSES, CrossEntropy, MeanSquaredError, is_sum


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (CrossEntropy(), False),
        (CrossEntropy("sum"), True),
        (MeanSquaredError("sum"), True),
        (F.cross_entropy, False),
        (functools.partial(F.cross_entropy, reduction="sum"), True),
        (functools.partial(F.cross_entropy, label_smoothing=0.1), False),
        (lambda output, labels: output.sum(), False),
    ],
)
def test_a_loss_says_whether_it_is_a_sum(loss, expected):
    assert is_sum(loss) is expected


def test_the_names_of_the_configuration():
    assert {
        "cross_entropy": CrossEntropy,
        "binary_cross_entropy_with_logits": BinaryCrossEntropy,
        "mse": MeanSquaredError,
        "l1": AbsoluteError,
        "smooth_l1": SmoothAbsoluteError,
    } == LOSSES
