"""Colours: each change against a loop, Pillow and colorsys; factors and orders by their distributions."""

import colorsys
import itertools

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from gpucnn.data import Augment, Loader
from gpucnn.data.colour import KINDS, Colours, draw_colours, recoloured
from gpucnn.errors import ConfigError


def changed(images, kind, amounts, white):
    table = np.ones((len(images), 4), np.float32)
    table[:, KINDS.index(kind)] = amounts
    return recoloured(images, Colours(table, (kind,)), white)


def by_a_loop(image, kind, amount):
    """An image (3, H, W) of fractions, pixel by pixel."""
    grey = [0.2989 * red + 0.587 * green + 0.114 * blue for red, green, blue in image.reshape(3, -1).T]
    out = np.empty_like(image)
    for (r, c), own in zip(np.ndindex(image.shape[1:]), grey, strict=True):
        pixel = image[:, r, c]
        if kind == "hue":
            hue, saturation, value = colorsys.rgb_to_hsv(*map(float, pixel))
            out[:, r, c] = colorsys.hsv_to_rgb((hue + amount) % 1, saturation, value)
        else:
            other = {"brightness": 0, "contrast": sum(grey) / len(grey), "saturation": own}[kind]
            out[:, r, c] = np.clip(amount * pixel + (1 - amount) * other, 0, 1)
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_each_change_is_that_of_a_loop(kind, white, rng):
    images = rng.uniform(0, 1, (4, 3, 5, 6)).astype(np.float32)
    images[0, :, 0] = images[0, :1, 0]  # grey pixels have no hue
    amounts = np.array([-0.4, 0.5, 0.1, -0.07] if kind == "hue" else [0, 0.4, 1.0, 1.9], np.float32)
    found = changed(images * np.float32(white), kind, amounts, white) / white
    for image, own, amount in zip(images, found, amounts, strict=True):
        np.testing.assert_allclose(own, by_a_loop(image, kind, float(amount)), atol=2e-6)


@pytest.mark.parametrize(
    ("kind", "judge"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
def test_pictures_are_those_of_pillow(kind, judge, rng):
    images = rng.integers(0, 256, (3, 3, 8, 8), dtype=np.uint8)
    for image, factor in zip(images, (0.3, 0.8, 1.6), strict=True):
        found = changed(image[None], kind, [factor], 255.0)[0]
        picture = judge(Image.fromarray(image.transpose(1, 2, 0))).enhance(factor)
        expected = np.asarray(picture).transpose(2, 0, 1).astype(int)
        assert found.dtype == np.uint8 and abs(found - expected).max() <= 2  # Pillow cuts its greys to whole numbers


def test_grey_pictures_change_in_brightness_and_contrast(rng):
    image = rng.uniform(0, 1, (1, 1, 4, 4)).astype(np.float32)
    assert np.allclose(changed(image, "brightness", [1.5], 1.0), np.clip(1.5 * image, 0, 1))
    expected = np.clip(0.5 * image + 0.5 * image.mean(), 0, 1)
    assert np.allclose(changed(image, "contrast", [0.5], 1.0), expected, atol=1e-6)


def test_an_unchanged_amount_changes_nothing(rng):
    images = rng.integers(0, 256, (6, 3, 5, 5), dtype=np.uint8)
    same = Colours(np.tile(np.array([1, 1, 1, 0], np.float32), (6, 1)), KINDS)
    assert np.array_equal(recoloured(images, same, 255.0), images)


def test_amounts_are_uniform_and_orders_alike_often():
    widths = {"brightness": 0.4, "contrast": 1.5, "saturation": 0.2, "hue": 0.1}
    rng = np.random.default_rng(0)
    drawn = [draw_colours(50, widths, rng) for _ in range(2400)]
    amounts = np.concatenate([each.amounts for each in drawn])
    for column, (lowest, highest) in zip(amounts.T, [(0.6, 1.4), (0, 2.5), (0.8, 1.2), (-0.1, 0.1)], strict=True):
        assert lowest <= column.min() and column.max() <= np.float32(highest)
        shares = np.histogram(column, 10, (lowest, highest))[0] / len(column)
        assert abs(shares - 0.1).max() < 0.005
    orders = [each.order for each in drawn]
    counts = [orders.count(order) for order in itertools.permutations(KINDS)]
    assert sum(counts) == 2400 and min(counts) > 60 and max(counts) < 140  # 100 each, ± 4 standard deviations
    assert draw_colours(3, {**widths, "contrast": 0.0, "hue": 0.0}, rng).order in (
        ("brightness", "saturation"),
        ("saturation", "brightness"),
    )


@pytest.mark.parametrize("white", [16, 255, 1.0])
def test_the_images_range_is_kept(white, rng):
    dtype = np.float32 if white == 1.0 else np.uint8
    images = (rng.uniform(0, 1, (40, 1, 6, 6)) * white).astype(dtype)
    images[0, 0, 0, :2] = 0, white
    batches = Loader((images, np.zeros(40, int)), 40, augment=Augment(brightness=0.9, contrast=0.9))
    plain = Loader((images, np.zeros(40, int)), 40)
    own, other = next(batches.batches(0)).images, next(plain.batches(0)).images
    assert not np.array_equal(own, other)
    assert own.min() >= other.min() and own.max() <= other.max() + 1e-6


WRONG = {
    "grey": ({"saturation": 0.1}, (4, 1, 5, 5), 255, "the images have 1 channels; saturation and hue change those"),
    "two": ({"contrast": 0.1}, (4, 2, 5, 5), 255, "the images have 2 channels"),
    "range": ({"contrast": 0.1, "hue": 0.1}, (4, 3, 5, 5), -3.0, "contrast, hue changes pictures whose black is 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_colours_that_images_do_not_have_are_told(case, rng):
    options, shape, white, words = WRONG[case]
    images = (rng.uniform(0, 1, shape) * white).astype(np.uint8 if white == 255 else np.float32)
    with pytest.raises(ConfigError, match=words):
        Loader((images, np.zeros(4, int)), 2, augment=Augment(**options))
