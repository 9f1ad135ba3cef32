"""Test-time augmentation: which views there are, and that probabilities are their mean."""

import numpy as np
import pytest

from gpucnn.data.views import averaged, views
from gpucnn.errors import ConfigError


@pytest.mark.parametrize("shape", [(2, 1, 5, 6), (1, 3, 4, 4), (3, 2, 1, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_views_are_those_of_a_loop(shape, dtype, rng):
    images = rng.integers(0, 256, shape).astype(dtype)
    moves, expected = [(0, 0), (-1, 0), (1, 0), (0, -1), (0, 1)], []
    for down, right in moves:
        view = np.empty_like(images)
        for n, c, i, j in np.ndindex(shape):
            row, column = min(max(i - down, 0), shape[2] - 1), min(max(j - right, 0), shape[3] - 1)
            view[n, c, i, j] = images[n, c, row, column]
        expected += [view, view[:, :, :, ::-1]]
    for names, own in {"": expected[:1], "flip": expected[:2], "shift": expected[::2], " flip,shift": expected}.items():
        found = list(views(images, names))
        assert len(found) == len(own)
        for one, other in zip(found, own, strict=True):
            assert one.dtype == dtype and np.array_equal(one, other)


def test_probabilities_are_the_mean_over_the_views(rng):
    images = rng.uniform(0, 1, (4, 1, 6, 6)).astype(np.float32)
    weights = rng.uniform(0, 1, (36, 3)).astype(np.float32)

    def probabilities(given):
        shares = given.reshape(len(given), -1) @ weights
        return shares / shares.sum(axis=1, keepdims=True)

    each = [probabilities(view) for view in views(images, "shift,flip")]
    found = averaged(images, "shift,flip", probabilities)
    np.testing.assert_allclose(found, sum(each) / 10, rtol=1e-6)
    assert found.dtype == np.float32 and np.array_equal(averaged(images, "", probabilities), each[0])


@pytest.mark.parametrize(
    ("shape", "names", "words"),
    [((2, 1, 5, 5), "turn", "given 'turn', expected shift or flip"), ((2, 3, 9), "flip", "these are .2, 3, 9.")],
)
def test_what_has_no_such_views_is_told(shape, names, words):
    with pytest.raises(ConfigError, match=words):
        views(np.zeros(shape), names)
