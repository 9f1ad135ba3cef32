"""Random changes of images: exact where they can be, bounded where they are random."""

import numpy as np
import pytest

from gpucnn.data import Augment, Loader
from gpucnn.data.augment import affine_maps, apply
from gpucnn.errors import ConfigError
from gpucnn.kernels.interface import Changes
from gpucnn.kernels.numpy.warp import crop, cut_out

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 2, 6, 6), dtype=np.uint8)


def move(images, turn=0.0, factor=1.0, shift=(0.0, 0.0)):
    n = len(images)
    return apply(images, Changes(affine_maps(np.full(n, turn), np.full(n, factor), np.tile(shift, (n, 1)))))


def test_whole_shifts_are_exact_and_filled_with_zero():
    moved = move(IMAGES, shift=(2, -1))  # two down, one to the left
    expected = np.zeros_like(IMAGES)
    expected[:, :, 2:, :-1] = IMAGES[:, :, :-2, 1:]
    assert np.array_equal(moved, expected)
    assert not move(IMAGES, shift=(100, -100)).any()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact_and_anticlockwise(quarters):
    images = IMAGES.astype(np.float32)
    turned = move(images, turn=quarters * np.pi / 2)
    np.testing.assert_allclose(turned, np.rot90(images, quarters, axes=(2, 3)), atol=1e-3)


def test_between_pixels_the_value_is_between():
    image = np.array([[[[0, 100, 200]]]], dtype=np.uint8)
    assert move(image, shift=(0, 0.25))[0, 0, 0].tolist() == [0, 75, 175]
    assert move(image, shift=(0, 0.126))[0, 0, 0].tolist() == [0, 87, 187]  # 87.4 and 187.4
    assert move(image, shift=(0, 0.124))[0, 0, 0].tolist() == [0, 88, 188]  # 87.6 and 187.6


def test_enlarging_pulls_away_from_the_centre():
    image = np.array([[[[10, 20, 30, 40, 50]]]], dtype=np.float32)
    assert move(image, factor=2.0)[0, 0, 0].tolist() == [20, 25, 30, 35, 40]
    assert move(image, factor=0.5)[0, 0, 0].tolist() == [0, 10, 30, 50, 0]


def test_every_image_has_its_own_change():
    shift = np.array([[0, 0], [1, 0], [0, 1], [-1, 0], [0, -1]], dtype=float)
    moved = apply(IMAGES, Changes(affine_maps(np.zeros(5), np.ones(5), shift)))
    for image, own, (down, right) in zip(IMAGES, moved, shift, strict=True):
        assert np.array_equal(move(image[None], shift=(down, right))[0], own)


def test_crop_moves_the_window():
    cropped = crop(IMAGES[:3], 2, np.array([[2, 2], [0, 0], [4, 3]]))
    assert np.array_equal(cropped[0], IMAGES[0])
    assert np.array_equal(cropped[1][:, 2:, 2:], IMAGES[1][:, :4, :4])
    assert not cropped[1][:, :2].any()
    assert np.array_equal(cropped[2][:, :4, :5], IMAGES[2][:, 2:, 1:])


def test_cut_out_hides_a_square_that_may_reach_over_the_border():
    ones = np.ones((3, 1, 6, 6), np.uint8)
    cut = cut_out(ones, np.array([[[1, 2, 4, 5]], [[-1, -1, 2, 2]], [[4, 4, 7, 7]]]))
    assert [int(image.sum()) for image in cut] == [36 - 9, 36 - 4, 36 - 4]
    assert not cut[0, 0, 1:4, 2:5].any()
    assert ones.all()


ALL = Augment(shift=2, rotate=10, scale=0.1, flip=True, crop=1, cutout=2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_generator_decides_and_the_input_is_kept(dtype):
    images = IMAGES.astype(dtype)
    kept = images.copy()
    one, same, other = (ALL(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.dtype == dtype
    assert one.shape == images.shape
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.array_equal(images, kept)


def test_flip_takes_about_half():
    images = np.tile(np.array([0, 1], np.uint8), (1000, 1, 1, 1))
    flipped = int(Augment(flip=True)(images, np.random.default_rng(0))[:, 0, 0, 0].sum())
    assert 400 < flipped < 600


def test_changes_keep_to_their_bounds():
    dot = np.zeros((500, 1, 21, 21), np.float32)
    dot[:, :, 10, 10] = 1
    moved = Augment(shift=3)(dot, np.random.default_rng(0))
    rows, columns = np.nonzero(moved.sum(axis=(0, 1)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 13, 7, 13)
    turned = Augment(rotate=30)(dot, np.random.default_rng(0))
    assert np.allclose(turned[:, 0, 10, 10], 1)  # the centre stays
    assert not turned[:, 0, :9].any()


def test_signals_are_refused():
    with pytest.raises(ConfigError, match=r"changes pictures .N, C, H, W., and these are of shape .4, 1, 9."):
        Loader((np.zeros((4, 1, 9), np.float32), np.zeros(4, int)), 2, augment=Augment(flip=True))


def test_nothing_asked_nothing_done():
    assert Augment()(IMAGES, np.random.default_rng(0)) is IMAGES


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shift": -1}, "shift is -1; it must not be negative"),
        ({"scale": 1.0}, "scale is 1.0, a fraction"),
        ({"hue": -0.1}, "hue is -0.1; it must not be negative"),
        ({"hue": 0.6}, "hue 0.6; they are at most 1 and 0.5"),
        ({"elastic": 1, "elastic_sigma": 0}, "elastic_sigma is 0, the width of a Gaussian"),
    ],
)
def test_impossible_options_are_told(options, words):
    with pytest.raises(ConfigError, match=words):
        Augment(**options)
