"""gpucnn draw in a browser: drawn on, dropped on, by keys, in the dark, on a phone."""

import base64
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpucnn import nn
from gpucnn.data import load_source
from gpucnn.draw import DrawServer, Reader
from gpucnn.runs.saved import open_run
from tests.data.files import needs_real_data
from tests.draw.conftest import NAMES, classifier, reader, served, server

__all__ = ["reader", "server"]  # fixtures

DRAWINGS = json.loads((Path(__file__).parent / "drawings.json").read_text())  # digit -> strokes of points in 0..1
BAR = [[[0.5, 0.2], [0.5, 0.5], [0.5, 0.8]]]
DROP = """
([name, kind, text]) => {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: kind }));
  for (const type of ["dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
  }
}
"""
PIXELS = """
(canvas) => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return Array.from(copy.getImageData(0, 0, canvas.width, canvas.height).data);
}
"""

ANSWERED = "#bars .best"  # is there once something is drawn and answered

Open = Callable[..., Any]


@pytest.fixture
def open_page(browser) -> Iterator[Open]:
    """Opens a server's page. At the end its console must be empty, and nothing have failed, unless it was told why."""
    contexts, complaints = [], []

    def open_it(server: DrawServer, width: int = 1280, height: int = 900, quiet: bool = True, **options: Any):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        page = contexts[-1].new_page()
        if quiet:
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("requestfailed", lambda request: complaints.append(request.url))
        page.goto(server.url)
        settle(page)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def lenet(mnist_run) -> Iterator[DrawServer]:
    saved = open_run(str(mnist_run))
    with served(Reader(saved.classifier())) as server:
        yield server


def settle(page) -> None:
    """Wait until what was drawn is answered and shown."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_selector("#results[aria-busy=false]")


def draw(page, strokes: list[list[list[float]]]) -> None:
    """Strokes by the mouse, and wait for the answer."""
    box = page.locator("#canvas").bounding_box()
    for points in strokes:
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
        page.mouse.move(*places[0])
        page.mouse.down()
        for place in places[1:]:
            page.mouse.move(*place)
        page.mouse.up()
    settle(page)


def drop(page, name: str, content: bytes) -> None:
    """A file onto the page, which shows no answer yet, and wait for one."""
    page.evaluate(DROP, [name, "", base64.b64encode(content).decode()])
    page.wait_for_selector(ANSWERED)
    settle(page)


def clear(page) -> None:
    page.click("#clear")
    settle(page)


def pixels(page, selector: str) -> np.ndarray:
    """A canvas's pixels, (height, width, 4)."""
    canvas = page.locator(selector).first
    height, width = canvas.evaluate("(canvas) => [canvas.height, canvas.width]")
    return np.array(canvas.evaluate(PIXELS), np.uint8).reshape(height, width, 4)


def look(page, selector: str) -> str:
    """A canvas's looks, to be compared."""
    return page.locator(selector).first.evaluate("(canvas) => canvas.toDataURL()")


def seen(page) -> np.ndarray:
    """The image that the page says the network got."""
    return pixels(page, "#seen")[..., 0]


def png(image: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def said(page) -> str:
    return page.inner_text("#prediction")


# --- drawing ----------------------------------------------------------------------------------------------------------


@needs_real_data
def test_ten_drawings_are_read(lenet, open_page) -> None:
    page = open_page(lenet)
    right, times = 0, []
    for digit, strokes in DRAWINGS.items():
        draw(page, strokes)
        right += said(page).startswith(f"{digit}, ")
        times.append(float(re.search(r"([\d.]+) ms", page.inner_text("#times"))[1]))
        clear(page)
    assert len(DRAWINGS) == 10 and right >= 9
    assert np.median(times) < 50


def test_before_anything_is_drawn(server, open_page) -> None:
    page = open_page(server)
    assert said(page) == "Nothing drawn yet" and not seen(page).any()
    assert page.locator("#bars li").all_inner_texts() == list(NAMES)
    assert page.locator(".layer h3").all_inner_texts()[:3] == ["0 conv2d", "1 relu", "2.0 conv2d"]
    assert len(np.unique(pixels(page, ".unit canvas").reshape(-1, 4), axis=0)) > 5  # a kernel


def test_what_is_shown_is_what_the_network_made_of_it(server, reader, open_page) -> None:
    page = open_page(server)
    with page.expect_response("**/answer") as response:
        draw(page, [BAR[0][:1]])
    answer = response.value.json()
    assert seen(page).ravel().tolist() == list(base64.b64decode(answer["image"])) and seen(page).any()
    best = int(np.argmax(answer["probabilities"]))
    assert said(page).startswith(f"{NAMES[best]}, ")
    shares = [float(text.split("\n")[-1][:-2]) for text in page.locator("#bars li").all_inner_texts()]
    assert shares == pytest.approx(100 * np.array(answer["probabilities"]), abs=0.051)
    widths = page.locator("#bars .bar span").evaluate_all("(bars) => bars.map((bar) => parseFloat(bar.style.width))")
    assert widths == pytest.approx(100 * np.array(answer["probabilities"]), abs=0.01)
    first = base64.b64decode(answer["layers"][0]["bytes"])[:144]  # a map of 12 x 12, told by colour
    colours = pixels(page, ".unit canvas:last-child")[..., :3].reshape(-1, 3)
    assert len({(value, *colour) for value, colour in zip(first, colours.tolist(), strict=True)}) == len(set(first))
    told = re.match(
        r"4 maps of 12 × 12: ±([\d.]+); kernels of 5 × 5: ±0\.", page.locator(".layer .note").first.inner_text()
    )
    assert float(told[1]) == pytest.approx(answer["layers"][0]["peak"], rel=5e-3)


def test_why_is_shown_where_it_is_asked_for(server, open_page) -> None:
    page = open_page(server)
    with page.expect_response("**/answer") as response:
        draw(page, [BAR[0][:1]])
    answer = response.value.json()
    plain = seen(page)
    page.get_by_label("Show why").check()
    assert "what layer 2.0 found that speaks for the class" in page.locator("#why-note").inner_text()
    colours = pixels(page, "#seen")[..., :3].reshape(-1, 3).astype(float)
    share = 0.8 * np.frombuffer(base64.b64decode(answer["why"]), np.uint8)[:, None] / 255
    own = np.frombuffer(base64.b64decode(answer["image"]), np.uint8)[:, None]
    np.testing.assert_allclose(colours, own + share * (np.array([255, 140, 0]) - own), atol=1)
    page.get_by_label("Show why").uncheck()
    assert (seen(page) == plain).all() and page.locator("#why-note").is_hidden()


def test_everything_moves_while_the_pen_is_down(server, open_page) -> None:
    page = open_page(server)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.down()
    before: list[str] = []
    for step in range(1, 5):
        page.mouse.move(box["x"] + 90 + 20 * step, box["y"] + 60 + 30 * step * step / 2)
        settle(page)
        now = [look(page, selector) for selector in ("#seen", ".unit canvas:last-child", ".units > canvas")]
        assert not before or all(one != other for one, other in zip(before, now, strict=True))
        before = now
    page.mouse.up()


def test_undo_and_clear(server, open_page) -> None:
    page = open_page(server)
    draw(page, BAR)
    one, words = seen(page), said(page)
    draw(page, [[[0.2, 0.3], [0.8, 0.3]]])
    two = seen(page)
    assert (one != two).any()
    page.click("#undo")
    settle(page)
    assert (seen(page) == one).all() and said(page) == words
    clear(page)
    assert not seen(page).any() and said(page) == "Nothing drawn yet"
    page.keyboard.press("Control+z")
    settle(page)
    assert (seen(page) == one).all()
    for _ in range(3):
        page.click("#undo")
    settle(page)
    assert said(page) == "Nothing drawn yet"


def test_pen_width_and_the_two_choices(server, open_page) -> None:
    page = open_page(server)
    page.fill("#width", "40")
    assert page.inner_text("#width-shown") == "40"
    draw(page, BAR)
    wide = seen(page)
    page.click("#undo")
    page.fill("#width", "10")
    draw(page, BAR)
    narrow = seen(page)
    assert wide.any(axis=0).sum() > narrow.any(axis=0).sum()
    page.click("#invert")
    settle(page)
    assert (seen(page) == 255 - narrow).all()
    page.click("#invert")
    page.click("#centre")
    settle(page)
    rows = np.flatnonzero(seen(page).any(axis=1))
    assert (rows[0], rows[-1]) == (5, 22)  # 0.2 and 0.8 of 28, and half the pen's width beyond


def test_only_the_latest_is_asked_for(server, open_page, monkeypatch) -> None:
    working, most, asked, answer = threading.Lock(), 0, 0, server.answer
    inside = 0

    def slowly(body: bytes) -> bytes:
        nonlocal inside, most, asked
        with working:
            inside, asked = inside + 1, asked + 1
            most = max(most, inside)
        time.sleep(0.2)
        with working:
            inside -= 1
        return answer(body)

    monkeypatch.setattr(server, "answer", slowly)
    page = open_page(server)
    began = time.monotonic()
    draw(page, [[[0.2 + 0.005 * step, 0.3] for step in range(100)]])
    assert most == 1 and asked <= 2 + (time.monotonic() - began) / 0.2
    columns = np.flatnonzero(seen(page).any(axis=0))
    assert columns[-1] - columns[0] == 19  # and the last answer is to all of it
    page.click("#centre")
    settle(page)
    assert np.flatnonzero(seen(page).any(axis=0)).tolist() == [*range(4, 21)]  # 0.2 to 0.695, the pen's ends beyond


def test_a_server_that_has_ended_is_told(reader, open_page) -> None:
    with served(reader) as server:
        page = open_page(server, quiet=False)
    draw(page, BAR)
    assert "has gpucnn draw been ended?" in page.inner_text("#message")


def test_names_are_no_markup(open_page) -> None:
    names = ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>", "a" * 300)
    with served(Reader(classifier(names=names))) as server:
        page = open_page(server, width=390)
        draw(page, BAR)
        assert page.locator("#bars .name").evaluate_all("(all) => all.map((name) => name.textContent)") == list(names)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_five_hundred_channels_and_a_hundred_classes_are_shown_in_part(open_page) -> None:
    net = nn.Sequential(nn.Conv2d(1, 512, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(512 * 13 * 13, 100)).eval()
    names = tuple(f"class {number}" for number in range(100))
    with served(Reader(classifier(net, names=names))) as server:
        page = open_page(server, width=390)
        draw(page, BAR)
        assert page.locator(".layer .note").first.inner_text().startswith("32 of 512 maps of 13 × 13: ±")
        assert page.locator(".layer").first.locator(".unit").count() == 32
        assert page.locator(".layer .note").nth(2).inner_text().startswith("512 of 86528 units: ±")
        shares = [float(text[:-2]) for text in page.locator("#bars .share").all_inner_texts()]
        assert len(shares) == 20 and shares == sorted(shares, reverse=True)
        assert page.inner_text("#cut") == "The 20 likeliest of 100."
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


# --- pictures ---------------------------------------------------------------------------------------------------------


@needs_real_data
def test_dropped_pictures_are_read(lenet, open_page) -> None:
    test = load_source("mnist").source.test
    page = open_page(lenet)
    right = 0
    for image, label in zip(test.images[:10, 0], test.labels[:10].tolist(), strict=True):
        drop(page, "digit.png", png(image))
        right += said(page).startswith(f"{label}, ")
        assert np.abs(seen(page).astype(int) - image).mean() < 0.5
        clear(page)
    assert right >= 9


@needs_real_data
def test_a_photograph_of_ink_on_paper_is_read(lenet, open_page, rng) -> None:
    test = load_source("mnist").source.test
    page = open_page(lenet)
    right = 0
    for image, label in zip(test.images[:10, 0], test.labels[:10].tolist(), strict=True):
        ink = np.pad(image.repeat(12, 0).repeat(12, 1), ((60, 20), (90, 150))) / 255
        paper = 215 - np.linspace(0, 25, ink.shape[1]) + rng.normal(0, 3, ink.shape)
        photograph = (paper * (1 - 0.8 * ink)).clip(0, 255).astype(np.uint8)
        drop(page, "photograph.jpg", png(np.stack(3 * [photograph], axis=-1), "JPEG"))
        right += said(page).startswith(f"{label}, ")
        clear(page)
    assert right >= 9


def test_a_picture_chosen_by_the_button_can_be_drawn_on(server, open_page, tmp_path) -> None:
    image = np.zeros((40, 20), np.uint8)
    image[10:30, 8:12] = 255
    (tmp_path / "bar.png").write_bytes(png(image))
    page = open_page(server)
    for _ in range(2):  # the same file again too
        page.set_input_files("#file", tmp_path / "bar.png")
        page.wait_for_selector(ANSWERED)
        settle(page)
        alone = seen(page)
        assert (alone[4:24, 12:16] == 255).all() and alone.sum() == 255 * 80
        draw(page, [[[0.2, 0.5], [0.8, 0.5]]])
        assert (seen(page) != alone).any()
        clear(page)


def test_a_whole_picture_is_taken_as_predict_takes_it(server, open_page) -> None:
    image = np.arange(28 * 28, dtype=np.uint32).reshape(28, 28) * 255 // 783
    page = open_page(server)
    page.uncheck("#centre")
    drop(page, "ramp.png", png(image.astype(np.uint8)))
    assert np.abs(seen(page).astype(int) - image).max() <= 1


def test_what_is_no_picture_is_told(server, open_page) -> None:
    page = open_page(server)
    draw(page, BAR)
    before = seen(page)
    page.evaluate(DROP, ["words.txt", "image/png", ""])
    page.wait_for_selector("#message:not(:empty)")
    assert page.inner_text("#message") == "words.txt is no picture that this browser can read; PNG and JPEG are."
    assert (seen(page) == before).all()


# --- keys, theme, phone -----------------------------------------------------------------------------------------------


def test_every_control_is_reached_by_tab(server, open_page) -> None:
    page = open_page(server)
    reached = []
    for _ in range(9):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        outlines = "[document.activeElement, document.activeElement.parentElement]"
        styles = page.evaluate(f"{outlines}.map((each) => getComputedStyle(each).outlineStyle)")
        assert "solid" in styles  # focus is seen
    assert reached == ["theme", "canvas", "undo", "clear", "file", "width", "centre", "invert", "why"]


def test_drawing_by_keys(server, open_page) -> None:
    page = open_page(server)
    page.focus("#theme")
    page.keyboard.press("Tab")
    assert page.is_visible("#pen")
    page.keyboard.press("ArrowUp")
    settle(page)
    assert said(page) == "Nothing drawn yet"  # the pen is up
    page.keyboard.press("Space")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    settle(page)
    line = seen(page)
    rows, columns = np.flatnonzero(line.any(axis=1)), np.flatnonzero(line.any(axis=0))
    assert len(columns) == 20 and len(rows) < 6
    for _ in range(5):
        page.keyboard.press("ArrowDown")  # up again
    settle(page)
    assert (seen(page) == line).all()
    page.keyboard.press("Delete")
    settle(page)
    assert said(page) == "Nothing drawn yet"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # undo
    settle(page)
    assert (seen(page) == line).all()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_system_s_until_it_is_switched(scheme: str, server, open_page) -> None:
    page = open_page(server, color_scheme=scheme)
    draw(page, BAR)

    def is_dark() -> bool:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour))) < 3 * 128

    def looks() -> list[str]:
        return [look(page, selector) for selector in (".unit canvas", ".unit canvas:last-child", ".units > canvas")]

    given, answer = looks(), seen(page)
    assert is_dark() == (scheme == "dark")
    page.click("#theme")
    settle(page)
    assert is_dark() == (scheme == "light") and all(one != other for one, other in zip(given, looks(), strict=True))
    assert (seen(page) == answer).all()
    page.click("#theme")
    settle(page)
    assert looks() == given


def test_on_a_phone(server, open_page) -> None:
    page = open_page(server, width=390, height=844, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#canvas").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.wait_for_selector(ANSWERED)
    settle(page)
    assert (seen(page)[4:24, 4:24] > 0).mean() > 0.7  # a round dot
    prediction = page.locator("#prediction").bounding_box()
    assert prediction["y"] + prediction["height"] < 844  # seen while one draws
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
