"""Minibatches gathered in C equal the reference's to the last bit."""

import numpy as np
import pytest

from gpucnn.kernels import reference


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 7), (2, 64), (1, 1, 1), (2, 3, 4, 5), (1, 16, 17)])
@pytest.mark.parametrize("count", [1, 2, 16, 37, 64, 600])
def test_any_number_of_any_images(compiled, shape, count, dtype, rng):
    images = rng.integers(0, 256, (50, *shape), dtype=np.uint8)
    ones = (1,) * (len(shape) - 1)
    for like in [(1, *ones), (shape[0], *ones), shape]:
        shift, scale = rng.uniform(0, 255, like).astype(dtype), rng.uniform(0, 1, (1, *ones)).astype(dtype)
        indices = rng.integers(0, 50, count)
        for parts in ((shift, scale), (scale, shift)):
            found = compiled.gather.normalised(images, indices, *parts)
            expected = reference.gather.normalised(images, indices, *parts)
            assert found.dtype == dtype and found.flags.c_contiguous
            assert np.array_equal(found, expected)


def test_images_of_floats_and_of_strided_memory(compiled, rng):
    one = np.ones((1, 1, 1), "float32")
    for images in (rng.standard_normal((9, 2, 3, 4)).astype("float32"), rng.integers(0, 9, (18, 2, 3, 4), "u1")[::2]):
        found = compiled.gather.normalised(images, np.array([8, 0, 8]), one, 2 * one)
        assert np.array_equal(found, (np.moveaxis(images[[8, 0, 8]], 0, -1) - one[..., None]) * 2)


@pytest.mark.parametrize("wrong", [-1, 10, 2**50])
def test_a_number_of_no_image_is_refused_before_anything_is_read(compiled_c, wrong):
    one = np.ones((1, 1, 1), "float32")
    with pytest.raises(IndexError, match=rf"numbered 0 to 9; given .*{wrong}"):
        compiled_c.gather.normalised(np.zeros((10, 1, 28, 28), np.uint8), np.array([3, wrong, 9]), one, one)
