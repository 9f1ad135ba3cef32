"""Minibatches gathered by compiled kernels are the reference's to the last bit; changed on the way, the host's."""

import itertools

import numpy as np
import pytest

from gpucnn.data.augment import Augment, apply
from gpucnn.kernels.cuda import program
from gpucnn.kernels.interface import Changes, Epoch
from gpucnn.kernels.numpy import kernels as reference


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 7), (2, 64), (1, 1, 1), (2, 3, 4, 5), (1, 16, 17)])
@pytest.mark.parametrize("count", [1, 2, 16, 37, 64, 600])
def test_any_number_of_any_images(compiled_c, shape, count, dtype, rng):
    images = rng.integers(0, 256, (50, *shape), dtype=np.uint8)
    ones = (1,) * (len(shape) - 1)
    for like in [(1, *ones), (shape[0], *ones), shape]:
        shift, scale = rng.uniform(0, 255, like).astype(dtype), rng.uniform(0, 1, (1, *ones)).astype(dtype)
        indices = rng.integers(0, 50, count)
        for parts in ((shift, scale), (scale, shift)):
            found = compiled_c.gather.normalised(images, indices, *parts)
            expected = reference.gather.normalised(images, indices, *parts)
            assert found.dtype == dtype and found.flags.c_contiguous
            assert np.array_equal(found, expected)


def test_images_of_floats_and_of_strided_memory(compiled_c, rng):
    one = np.ones((1, 1, 1), "float32")
    for images in (rng.standard_normal((9, 2, 3, 4)).astype("float32"), rng.integers(0, 9, (18, 2, 3, 4), "u1")[::2]):
        found = compiled_c.gather.normalised(images, np.array([8, 0, 8]), one, 2 * one)
        assert np.array_equal(found, (np.moveaxis(images[[8, 0, 8]], 0, -1) - one[..., None]) * 2)


@pytest.mark.parametrize("wrong", [-1, 10, 2**50])
def test_a_number_of_no_image_is_refused_before_anything_is_read(compiled_c, wrong):
    one = np.ones((1, 1, 1), "float32")
    with pytest.raises(IndexError, match=rf"numbered 0 to 9; given .*{wrong}"):
        compiled_c.gather.normalised(np.zeros((10, 1, 28, 28), np.uint8), np.array([3, wrong, 9]), one, one)


@pytest.mark.parametrize("wrong", [-1, 20, 2**50])
def test_on_a_gpu_a_number_of_no_image_gives_nan(cuda, wrong):
    images, one = np.full((20, 1, 3, 4), 7, np.uint8), np.ones((1, 3, 4), "float32")
    out, chosen = np.zeros((1, 3, 4, 3), "float32"), np.zeros(3, int)
    order = np.array([3, wrong, 19])
    cuda.gather.batch(Epoch(images, np.arange(20), order, Changes(), one, one), np.array([0]), out, chosen)
    assert np.isnan(out[..., 1]).all() and (out[..., [0, 2]] == 6).all()
    assert chosen.tolist() == [3, -1, 19]


def test_images_that_need_wide_indices(cuda, monkeypatch, rng):
    """The kernels for more than 2**31 numbers, held against those for fewer."""
    augment = Augment(**WAYS, **MORE)
    for pixels, shape in (("uint8", (2, 9, 12)), ("float32", (3, 7, 7))):
        images = rng.integers(0, 256, (20, *shape)).astype(pixels)
        changes, results = augment.draw(50, shape, rng), []
        for most in (2**31 - 1, 0):
            monkeypatch.setattr(program, "MOST_INT", most)
            results.append(gathered(cuda, images, changes, "float32", np.random.default_rng(1))[0])
        assert np.array_equal(*results)


START, IMAGES = 4, 37  # a batch somewhere in the epoch
WAYS = {"shift": 3, "rotate": 20, "scale": 0.2, "crop": 2, "flip": True, "cutout": 5}
MORE = {"elastic": 20.0, "elastic_sigma": 2.0, "erase": 0.7}
COMBINATIONS = [ways for count in range(7) for ways in itertools.combinations(WAYS, count)]
COMBINATIONS += [("elastic", "elastic_sigma"), ("erase",), ("erase", "cutout", "flip"), (*WAYS, *MORE)]


def expected_batch(images, numbers, changes, shift, scale):
    """The batch as the host makes it: changed image by image, then normalised and turned."""
    changed = apply(images[numbers], changes.each(lambda array: array[START : START + IMAGES]))
    return reference.gather.normalised(changed, np.arange(IMAGES), shift, scale)


def gathered(kernels, images, changes, dtype, rng):
    """The batch that a set of kernels makes, and that which the host makes."""
    labels, order = rng.integers(0, 10, len(images)), rng.integers(0, len(images), 50)
    shift, scale = rng.uniform(0, 99, images.shape[1:]).astype(dtype), rng.uniform(0, 1, images.shape[1:]).astype(dtype)
    out, chosen = np.full((*images.shape[1:], IMAGES), np.nan, dtype), np.full(IMAGES, -7)
    kernels.gather.batch(Epoch(images, labels, order, changes, shift, scale), np.array([START]), out, chosen)
    numbers = order[START : START + IMAGES]
    assert np.array_equal(chosen, labels[numbers])
    return out, expected_batch(images, numbers, changes, shift, scale)


@pytest.mark.parametrize("ways", COMBINATIONS)
def test_a_batch_changed_in_any_ways_is_the_one_changed_on_the_host(compiled, ways, rng):
    augment = Augment(**{name: {**WAYS, **MORE}[name] for name in ways})
    for pixels, shape, dtype in [("uint8", (2, 9, 12), "float32"), ("float32", (1, 7, 7), "float64")]:
        images = rng.integers(0, 256, (20, *shape)).astype(pixels)
        found, expected = gathered(compiled, images, augment.draw(50, shape, rng), dtype, rng)
        if {"shift", "rotate", "scale", "elastic"} & set(
            ways
        ):  # sampled between pixels: a half may be rounded to either side
            off = abs(found - expected) > 1e-3
            assert off.mean() < 0.01 and abs(found - expected).max() < 1.01
        else:
            assert np.array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 64), (1, 28, 28), (2, 3, 4, 5)])
def test_a_batch_of_images_signals_and_volumes(compiled, shape, dtype, rng):
    images = rng.integers(0, 256, (30, *shape), dtype=np.uint8)
    for pixels in (images, images.astype("float32")):
        found, expected = gathered(compiled, pixels, Changes(), dtype, rng)
        assert np.array_equal(found, expected)
