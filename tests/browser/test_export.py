"""An exported page, opened from its file with the network off: the user's own network reads, and shows its maps."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn import nn
from gpucnn.draw import Reader
from gpucnn.draw.drawing import Drawing
from gpucnn.export import export_page
from gpucnn.runs import load
from tests.browser.test_draw import ANSWERED, BAR, DRAWINGS, clear, draw, drop, pixels, png, said
from tests.data.files import needs_real_data
from tests.export.networks import classifier_of, random_network

ANSWER = """
async ([height, width, ink, centre, invert]) => {
  const answers = await source.answer({ height, width, ink: fromBase64(ink), centre, invert });
  const layers = answers.layers.map(({ peak, bytes }) => [peak, Array.from(bytes)]);
  return { probabilities: answers.probabilities, image: Array.from(answers.image), layers };
}
"""


def flat(index: int) -> tuple[nn.Sequential, tuple[int, ...]]:
    """The next random network from `index` on that takes pictures."""
    while True:
        net, shape = random_network(index)
        if len(shape) == 3 and shape[0] in (1, 3):
            return net, shape
        index += 1000


@pytest.fixture(scope="module")
def lenet(mnist_run):
    gpucnn.set_device("cpu")
    return load(mnist_run)


@pytest.fixture(scope="module")
def lenet_page(lenet, tmp_path_factory) -> Path:
    page = tmp_path_factory.mktemp("page") / "lenet.html"
    export_page(lenet, page, "lenet")
    return page


@needs_real_data
def test_lenet_reads_drawings_at_once(lenet_page, open_file) -> None:
    assert lenet_page.stat().st_size < 3_000_000
    page = open_file(lenet_page)
    right, times = 0, []
    for digit, strokes in DRAWINGS.items():
        draw(page, strokes)
        right += said(page).startswith(f"{digit}, ")
        times.append(float(re.search(r"pictures it was ([\d.]+) ms", page.inner_text("#times"))[1]))
        assert len(np.unique(pixels(page, ".unit canvas:last-child").reshape(-1, 4), axis=0)) > 5  # a map
        clear(page)
    assert len(DRAWINGS) == 10 and right >= 9
    assert np.median(times) < 500  # some 15 ms, see docs/export.md: more would be another order of work


@needs_real_data
def test_the_pixels_that_a_unit_sees_are_framed(lenet, lenet_page, open_file) -> None:
    page = open_file(lenet_page, width=390, has_touch=True)
    draw(page, BAR)
    fourth = page.locator(".layer").nth(3).locator(".unit canvas:last-child").first  # maps of 10 x 10
    fourth.scroll_into_view_if_needed()
    box = fourth.bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.25 * box["height"])
    rows, columns = lenet.net[:4].receptive_field((1, 28, 28)).of((2, 4), (28, 28))
    expected = f"Unit (2, 4) sees rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1}."
    assert page.inner_text("#field-note") == expected
    image, frame = (page.locator(name).bounding_box() for name in ("#seen", "#field"))
    found = [(frame["y"] - image["y"]) / image["height"] * 28, (frame["x"] - image["x"]) / image["width"] * 28]
    assert found == pytest.approx([rows.start, columns.start], abs=0.5)
    assert frame["height"] / image["height"] * 28 == pytest.approx(rows.stop - rows.start, abs=0.5)
    page.mouse.move(1, 1)
    assert page.inner_text("#field-note") == "" and not page.locator("#field").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("index", range(9))
def test_a_random_network_answers_as_on_the_cpu(index, open_file, tmp_path, rng) -> None:
    net, shape = flat(index)
    classifier = classifier_of(net, shape, normalize=("standard", "mean_image", "unit")[index % 3])
    export_page(classifier, tmp_path / "a.html")
    page, reader = open_file(tmp_path / "a.html"), Reader(classifier)
    for centre in (False, True):
        ink = np.where(rng.random((31, 40)) < 0.3, rng.integers(0, 256, (31, 40)), 0).astype(np.uint8)
        ink[: index % 9] = 0
        found = page.evaluate(ANSWER, [31, 40, base64.b64encode(ink.tobytes()).decode(), centre, index % 2 == 0])
        drawing = Drawing(ink, centre, index % 2 == 0)
        expected, image = reader.answer(drawing), reader.image_of(drawing)
        assert found["image"] == image.ravel().tolist()
        np.testing.assert_allclose(found["probabilities"], expected["probabilities"], rtol=0, atol=1e-4)
        for (peak, levels), layer in zip(found["layers"], expected["layers"], strict=True):
            assert peak == pytest.approx(layer["peak"], rel=1e-4, abs=1e-6)
            off = np.array(levels) - np.frombuffer(base64.b64decode(layer["bytes"]), np.uint8).astype(int)
            assert np.abs(off).max() <= 1


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dropped_picture_is_taken_as_the_pipeline_takes_it(channels, invert, open_file, tmp_path, rng) -> None:
    shape = (channels, 20, 17)
    gpucnn.manual_seed(0)
    layers = [nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 18 * 15, 3)]
    classifier = classifier_of(nn.Sequential(*layers).eval(), shape, invert=invert)
    export_page(classifier, tmp_path / "a.html")
    page = open_file(tmp_path / "a.html")
    if channels == 1:
        page.click("#centre")
    for size in ((53, 40), (9, 31), (20, 17)):
        picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        content = png(picture)
        (tmp_path / "a.png").write_bytes(content)
        expected = classifier.predict_proba(tmp_path / "a.png")[0]
        drop(page, "a.png", content)
        np.testing.assert_array_equal(
            pixels(page, "#seen")[..., :channels].transpose(2, 0, 1), classifier.pipeline.images(tmp_path / "a.png")[0]
        )
        best = classifier.classes[int(expected.argmax())]
        assert said(page).startswith(f"{best}, ")
        clear(page)


@pytest.mark.parametrize("bright", [False, True])
def test_a_dropped_drawing_is_found_as_the_pipeline_finds_it(bright, open_file, tmp_path, rng) -> None:
    """On an even ground, on paper in uneven light, and so large that it is reduced first."""
    images = np.zeros((12, 1, 20, 17), np.uint8)
    images[:, :, 6:14, 5:12] = 255
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(340, 3)).eval()
    classifier = classifier_of(net, (1, 20, 17), 255 - images if bright else images)
    export_page(classifier, tmp_path / "a.html")
    page = open_file(tmp_path / "a.html")
    y, x = np.mgrid[-1:1:60j, -1:1:44j]
    stroke = (np.abs(x - 0.3 * y) < 0.15) & (np.abs(y) < 0.6)
    light = 190 + 30 * x - 20 * y * y + rng.normal(0, 2, x.shape)
    drawings = {"even": np.where(stroke, 230, 20), "paper": np.where(stroke, 60, light)}
    drawings["large"] = np.kron(drawings["paper"], np.ones((14, 14)))
    for name, shades in drawings.items():
        content = png(shades.clip(0, 255).astype(np.uint8))
        (tmp_path / "a.png").write_bytes(content)
        expected = classifier.pipeline.images(tmp_path / "a.png", centre=True)[0]
        drop(page, "a.png", content)
        off = pixels(page, "#seen")[..., 0].astype(int) - expected[0]
        assert np.abs(off).max() <= 1 and (off != 0).mean() < 0.02, name
        clear(page)


def test_a_transparent_picture_shows_the_ground_of_the_training(open_file, tmp_path) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3)).eval()
    classifier = classifier_of(net, (3, 8, 8))
    export_page(classifier, tmp_path / "a.html")
    page = open_file(tmp_path / "a.html")
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[2:5, 2:5] = 200, 30, 90, 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    drop(page, "a.png", (tmp_path / "a.png").read_bytes())
    np.testing.assert_array_equal(
        pixels(page, "#seen")[..., :3].transpose(2, 0, 1), classifier.pipeline.images(tmp_path / "a.png")[0]
    )


def test_names_are_no_markup(open_file, tmp_path) -> None:
    names = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "靴 \u2028")
    classifier = classifier_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval(), (1, 8, 8))
    classifier.pipeline = classifier.pipeline.model_copy(update={"class_names": names})
    export_page(classifier, tmp_path / "a.html", "</title><b>")
    page = open_file(tmp_path / "a.html", width=390, scheme="dark")
    draw(page, BAR)
    page.wait_for_selector(ANSWERED)
    assert page.locator("#bars .name").evaluate_all("(all) => all.map((name) => name.textContent)") == list(names)
    assert page.inner_text("#title") == "gpucnn: </title><b>"


@needs_real_data
def test_why_is_not_offered_where_gradients_are_not_in_the_page(lenet_page, open_file) -> None:
    page = open_file(lenet_page)
    assert page.locator("#why-choice").is_hidden()
