"""Images warped in C are the reference's; at a half, a rounding before may turn it to the other side."""

import numpy as np
import pytest

from gpucnn.kernels.numpy import kernels as reference


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 8), (2, 1, 1), (1, 9, 4)])
@pytest.mark.parametrize("count", [1, 7, 200])
def test_any_turn_scale_and_shift(compiled_c, shape, count, rng):
    images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    maps = rng.uniform([-2, -2, -30, -30], [2, 2, 30, 30], (count, 4)).astype("float32")
    maps[: count // 2, 2:] /= 30
    found, expected = compiled_c.warp.warped(images, maps), reference.warp.warped(images, maps)
    assert found.dtype == np.uint8
    off = found.astype(int) - expected
    assert abs(off).max(initial=0) <= 1
    assert (off != 0).mean() < 0.01


def test_whole_shifts_and_quarter_turns_are_exact(compiled_c, rng):
    images = rng.integers(0, 256, (3, 2, 6, 6), dtype=np.uint8)
    maps = np.array([[1, 0, 0, 0], [1, 0, 2, -1], [0, 1, 0, 0]], "float32")
    still, moved, turned = compiled_c.warp.warped(images, maps)
    assert np.array_equal(still, images[0])
    assert np.array_equal(moved[:, 2:, :-1], images[1, :, :-2, 1:])
    assert not moved[:, :2].any() and not moved[:, :, -1:].any()
    assert np.array_equal(turned, np.rot90(images[2], axes=(1, 2)))


def test_images_of_floats_and_none_at_all(compiled_c, rng):
    maps = rng.uniform(-1, 1, (4, 4)).astype("float32")
    floats = rng.standard_normal((4, 1, 5, 5)).astype("float32")
    assert np.array_equal(compiled_c.warp.warped(floats, maps), reference.warp.warped(floats, maps))
    assert compiled_c.warp.warped(np.zeros((0, 1, 5, 5), np.uint8), maps[:0]).shape == (0, 1, 5, 5)
