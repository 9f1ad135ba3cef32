"""Drawings scaled and centred as MNIST's images were: by hand, and its own images brought back."""

import numpy as np
import pytest

from gpucnn.data import load_source
from gpucnn.data.centring import centred, ink_of, resampled, whole
from gpucnn.runs.saved import open_run
from gpucnn.training import predict
from tests.data.files import needs_real_data


def ink(height: int, width: int, *rectangles: tuple[slice, slice]) -> np.ndarray:
    """Paper of that size, black in the rectangles."""
    paper = np.zeros((height, width), np.uint8)
    for rectangle in rectangles:
        paper[rectangle] = 255
    return paper


def extent(image: np.ndarray) -> tuple[int, int, int, int]:
    """The first and last row with ink, and the first and last column."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def centre_of_mass(image: np.ndarray) -> np.ndarray:
    return np.argwhere(image).T @ image[image > 0] / image.sum()


# --- ink and ground ---------------------------------------------------------------------------------------------------


def lit(height: int, width: int) -> np.ndarray:
    """Paper in light that falls off to one side and to the corners, with the noise of a camera: shades of 0..1."""
    y, x = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None]
    noise = np.random.default_rng(0).normal(0, 0.015, (height, width))
    return 0.65 - 0.15 * x - 0.08 * y - 0.06 * (x**2 + y**2) + noise


SHAPE = (slice(100, 220), slice(300, 340))
DRAWN = np.zeros((600, 400), bool)
DRAWN[SHAPE] = True
DRAWN[180:220, 220:340] = True  # an L, mirrored


@pytest.mark.parametrize("ink_shade", [-0.35, 0.3], ids=["darker", "brighter"])
@pytest.mark.parametrize("dim", [1.0, 0.5], ids=["bright", "dim"])
def test_ink_is_found_on_unevenly_lit_paper(ink_shade: float, dim: float) -> None:
    shades = np.where(DRAWN, lit(600, 400) + ink_shade, lit(600, 400)) * dim
    expected = centred(ink_of(np.where(DRAWN, 1.0, 0.0)), (28, 28))
    found = centred(ink_of(shades), (28, 28))
    assert extent(found) == extent(expected)
    assert np.abs(found.astype(int) - expected).mean() < 20


def test_what_crosses_the_border_is_ink_too() -> None:
    shades = lit(400, 400)
    shades[:, 150:190] -= 0.4
    found = centred(ink_of(shades), (28, 28))
    assert extent(found) == (4, 23, 14, 15) and found[4:24, 14:16].min() > 200


def test_paper_alone_holds_no_ink_and_specks_are_none() -> None:
    assert not ink_of(np.full((300, 200), 0.7)).any()
    drawn = DRAWN.repeat(3, axis=0).repeat(3, axis=1)
    speckled = np.where(drawn, lit(1800, 1200) - 0.35, lit(1800, 1200))
    speckled[[5, 300, 1700], [5, 20, 1100]] -= 0.3
    assert extent(centred(ink_of(speckled), (28, 28))) == extent(centred(ink_of(np.where(drawn, 1.0, 0.0)), (28, 28)))


@pytest.mark.parametrize("ground", [0.0, 0.4, 0.6, 1.0])
def test_on_an_even_ground_all_ink_is_kept(ground: float) -> None:
    shades = np.full((28, 28), ground)
    shades[5:9, 5:20] = 1.0 if ground < 0.5 else 0.0
    shades[9, 5] = ground + (0.02 if ground < 0.5 else -0.02)
    ink = ink_of(shades)
    assert (ink > 0).sum() == 61 and ink[5, 5] == 255


# --- scaling ----------------------------------------------------------------------------------------------------------


def test_a_square_fills_the_box_in_the_middle() -> None:
    image = centred(ink(280, 280, (slice(10, 60), slice(200, 250))), (28, 28))
    assert image.dtype == np.uint8 and image.shape == (28, 28)
    assert extent(image) == (4, 23, 4, 23) and (image[4:24, 4:24] == 255).all()


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(200, 100, (20, 10)), (30, 90, (7, 20)), (280, 1, (20, 1)), (1, 1, (20, 20))]
)
def test_the_aspect_is_kept(height: int, width: int, expected: tuple[int, int]) -> None:
    top, bottom, left, right = extent(centred(ink(280, 280, (slice(0, height), slice(0, width))), (28, 28)))
    assert (bottom - top + 1, right - left + 1) == expected


def test_where_and_how_large_it_is_drawn_does_not_matter() -> None:
    shape = ink(60, 40, (slice(0, 60), slice(0, 10)), (slice(50, 60), slice(0, 40)))  # an L
    small, large = np.zeros((280, 280), np.uint8), np.zeros((280, 280), np.uint8)
    small[5:65, 7:47] = shape
    large[30:270, 100:260] = shape.repeat(4, 0).repeat(4, 1)
    assert (centred(small, (28, 28)) == centred(large, (28, 28))).all()


def test_edges_are_antialiased() -> None:
    # 40 rows become 20, so a bar of 3 rows covers one and a half
    image = centred(ink(40, 40, (slice(0, 40), slice(0, 1)), (slice(0, 3), slice(0, 40))), (28, 28))
    top = extent(image)[0]
    assert image[top, 20] == 255 and image[top + 1, 20] == 128 and image[top + 2, 20] == 0


def test_a_new_pixel_is_the_mean_over_what_it_covers() -> None:
    assert resampled(np.array([[0.0, 3.0, 6.0]]), (1, 2)) == pytest.approx(np.array([[1.0, 5.0]]))
    assert resampled(np.array([[1.0, 3.0]]), (2, 4)).tolist() == [[1, 1, 3, 3]] * 2
    maps = np.random.default_rng(0).random((5, 7, 9))
    assert resampled(maps, (7, 9)) == pytest.approx(maps)
    assert resampled(maps, (3, 4)).mean(axis=(1, 2)) == pytest.approx(maps.mean(axis=(1, 2)))


# --- centring ---------------------------------------------------------------------------------------------------------


def test_the_centre_of_mass_comes_to_the_middle(rng) -> None:
    for _ in range(50):
        y, x, height, width = rng.integers(10, 120, 4)
        drawing = ink(280, 280, (slice(y, y + height), slice(x, x + width)), (slice(130, 150), slice(60, 180)))
        image = centred(drawing, (28, 28))
        top, bottom, left, right = extent(image)
        for centre, start, stop in zip(centre_of_mass(image), (top, left), (bottom, right), strict=True):
            assert abs(centre - 14) < 0.51 or start == 0 or stop == 27  # it goes no further


def test_ink_stays_in_the_image_however_far_off_its_centre_of_mass_is() -> None:
    heavy = ink(280, 280, (slice(0, 280), slice(0, 1)), (slice(272, 280), slice(0, 126)))  # a thin mast on a hull
    image = centred(heavy, (28, 28))
    top, bottom = extent(image)[:2]
    assert (top, bottom) == (0, 19) and image.sum() == pytest.approx(heavy.sum() / 14**2, rel=0.02)


def test_no_ink_is_no_image() -> None:
    assert not centred(np.zeros((280, 280), np.uint8), (28, 28)).any()


@pytest.mark.parametrize(("size", "box"), [((8, 8), 6), ((32, 32), 23), ((56, 28), 20), ((224, 224), 160)])
def test_other_sizes_are_in_proportion(size: tuple[int, int], box: int) -> None:
    image = centred(ink(280, 280, (slice(40, 240), slice(40, 240))), size)
    top, bottom, left, right = extent(image)
    assert image.shape == size and bottom - top + 1 == right - left + 1 == box
    assert np.abs(np.array([top + bottom + 1, left + right + 1]) - size).max() <= 1


def test_whole_drawings_are_stretched_to_the_image() -> None:
    image = whole(ink(280, 140, (slice(0, 140), slice(0, 140))), (28, 28))
    assert (image[:14] == 255).all() and not image[14:].any()


# --- MNIST's own images -----------------------------------------------------------------------------------------------


@needs_real_data
@pytest.mark.parametrize(("row", "column"), [(0, 0), (17, 33)])
def test_mnist_enlarged_and_brought_back_is_nearly_as_it_was(row: int, column: int) -> None:
    images = load_source("mnist").source.test.images[:500, 0]
    back = brought_back(images, row, column)
    assert np.abs(back.astype(float) - images).mean() < 0.1  # of 255
    assert np.mean([(one == other).all() for one, other in zip(images, back, strict=True)]) > 0.98


@needs_real_data
def test_a_network_reads_mnist_as_well_when_it_was_brought_back(mnist_run) -> None:
    test = load_source("mnist").source.test
    images, labels = test.images[:500], test.labels[:500]
    saved = open_run(str(mnist_run))
    net, normalizer = saved.network(), saved.normalizer()

    def accuracy(pixels: np.ndarray) -> float:
        return float(np.mean(predict(net, normalizer.apply(pixels)).argmax(axis=1) == labels))

    drawn = brought_back(images[:, 0], 20, 5)[:, None]
    assert accuracy(images) > 0.96 and abs(accuracy(drawn) - accuracy(images)) <= 0.01


def brought_back(images: np.ndarray, row: int, column: int) -> np.ndarray:
    """Images (N, 28, 28) ten times as large on larger paper, centred again."""
    paper = np.zeros((len(images), 330, 330), np.uint8)
    paper[:, row : row + 280, column : column + 280] = images.repeat(10, axis=1).repeat(10, axis=2)
    return np.stack([centred(each, (28, 28)) for each in paper])
