"""What a step notes down: its loss, how many images it tells right, and whether to halt."""

import numpy as np
import pytest

from gpucnn.kernels.numpy import kernels as reference


def tables(groups=2):
    return np.zeros(4), np.zeros(4, np.int64), np.arange(1.0, 4 * groups + 1).reshape(groups, 4) * [1, 1, 1, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (10, 64), (3, 1000), (7, 2500)])
def test_the_loss_and_the_correct_ones_are_noted_at_their_step(compiled, shape, dtype, rng):
    scores = rng.integers(-2, 3, shape).astype(dtype)  # ties
    labels = rng.integers(0, shape[0], shape[1])
    for kernels in (compiled, reference):
        losses, corrects, scales = tables()
        before = scales.copy()
        kernels.softmax.tally(scores, labels, np.array(0.25, dtype), np.array([2]), losses, corrects, scales)
        assert losses.tolist() == [0, 0, 0.25, 0]
        assert corrects.tolist() == [0, 0, (scores.argmax(axis=0) == labels).sum(), 0]
        assert np.array_equal(scales, before)


def test_nan_is_the_largest_score(compiled):
    scores = np.array([[1, np.nan, 1, np.nan], [2, np.inf, np.nan, np.nan]], "float32")
    losses, corrects, scales = tables()
    labels = np.array([1, 0, 1, 0])
    assert np.array_equal(scores.argmax(axis=0), labels)
    compiled.softmax.tally(scores, labels, np.array(1, "float32"), np.array([0]), losses, corrects, scales)
    assert corrects[0] == 4


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_halts_all_groups(compiled, loss):
    for kernels in (compiled, reference):
        losses, corrects, scales = tables(groups=3)
        arrays = np.zeros((2, 3), "float32"), np.zeros(3, np.int64), np.array(loss, "float32")
        kernels.softmax.tally(*arrays, np.array([0]), losses, corrects, scales)
        assert np.array_equal(losses[:1], [loss], equal_nan=True)
        assert scales[:, 3].tolist() == [1, 1, 1]
        assert scales[:, :3].tolist() == tables(groups=3)[2][:, :3].tolist()
        kernels.softmax.tally(*arrays[:2], np.array(1, "float32"), np.array([1]), losses, corrects, scales)
        assert scales[:, 3].tolist() == [1, 1, 1], "once halted it stays so"
