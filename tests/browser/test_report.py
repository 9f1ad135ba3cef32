"""A run's page in a browser, from a file, with the network off: what it shows and how it answers."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gpucnn import load
from gpucnn.cli import main
from gpucnn.config.build import load_data
from gpucnn.explain import reliability
from gpucnn.explain.layers import layer_facts, layer_outputs
from gpucnn.geometry import Sizes
from gpucnn.runs.health import kernels_of
from gpucnn.runs.saved import open_run
from gpucnn.training import predict

# Strides, padding that differs by side, dilation, a residual block, pooling, global pooling.
CONFIG = """\
name: every_kind
device: cpu
data: {name: digits, limit: 600, validation: 100}
model:
  - conv2d: {out_channels: 4, kernel_size: 3, stride: 2, padding: [[0, 1], [2, 1]]}
  - batch_norm2d
  - relu
  - residual: [{conv2d: {out_channels: 4, kernel_size: 3, padding: same, dilation: 2, groups: 4}}, relu]
  - max_pool2d: {kernel_size: 3, stride: 2, padding: 1}
  - conv2d: {out_channels: 3, kernel_size: [2, 3]}
  - flatten
  - linear: {out_features: 10}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 4, batch_size: 32}
"""
POINTS = [(0.03, 0.03), (0.1, 0.4), (0.22, 0.81), (0.37, 0.3), (0.49, 0.6), (0.61, 0.13)]  # across a layer's maps


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "config.yaml").write_text(CONFIG)
    assert main(["train", str(folder / "config.yaml"), "--run-dir", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def page(open_file, run) -> Any:
    return open_file(run / "report.html")


class Truth:
    """What the run's network says of its test images, found without the report."""

    def __init__(self, run: Path) -> None:
        saved = open_run(str(run))
        self.net, self.test = load(str(run)).net, load_data(saved.config).test
        self.images = saved.normalizer().apply(self.test.images)
        self.predictions = predict(self.net, self.images).argmax(axis=1)
        self.layers = {facts.name: facts for facts in layer_facts(self.net, saved.image_shape)}
        self.sizes = saved.image_shape[1:]

    def field(self, layer: str, unit: Sizes) -> list[list[int]]:
        """[start, stop) per axis of what a unit sees."""
        return [[part.start, part.stop] for part in self.layers[layer].field.of(unit, self.sizes)]

    def seeing(self, layer: str, pixel: Sizes) -> set[Sizes]:
        """The units of a map whose field holds the pixel."""
        facts = self.layers[layer]
        return {
            unit
            for unit in np.ndindex(*facts.output[1:])
            if all(
                part.start <= at < part.stop for part, at in zip(facts.field.of(unit, self.sizes), pixel, strict=True)
            )
        }


@pytest.fixture(scope="module")
def truth(run) -> Truth:
    return Truth(run)


def unit_told(page: Any) -> tuple[int, Sizes, float]:
    """Map, unit and value that the status line tells."""
    words = page.locator("#status").inner_text().replace(":", ",").replace(";", ",").split(", ")
    number = int(words[1].split()[1])
    unit = tuple(int(word.split()[1]) for word in words if word.startswith(("row", "column")) and "to" not in word)
    value = float(next(word for word in words[2:] if word.strip()[:1] in "-0123456789"))
    return number, unit, value


def field_drawn(page: Any) -> list[list[int]]:
    """[start, stop) of rows and columns of the outline on the image."""
    outline = page.locator("#picture svg rect")
    x, y, width, height = (int(outline.get_attribute(name)) for name in ("x", "y", "width", "height"))
    return [[y, y + height], [x, x + width]]


@pytest.mark.parametrize("layer", ["0", "1", "2", "3.0", "3.1", "3", "4", "5"])
def test_hovering_a_unit_outlines_its_receptive_field(layer, page, truth) -> None:
    maps = page.locator(f'#maps [data-layer="{layer}"] .tiles')
    maps.scroll_into_view_if_needed()
    box, met = maps.bounding_box(), set()
    image = int(page.locator("#maps .choice button").first.get_attribute("aria-label").split()[1].strip(","))
    outputs = {name: output[0] for name, _, output in layer_outputs(truth.net, truth.images[image : image + 1])}
    told = json.loads(page.locator("#facts").inner_text())["maps"]["layers"]
    step = next((each["high"] - each["low"]) / 255 for each in told if each["name"] == layer)
    for across, down in POINTS:
        page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if page.locator("#picture").get_attribute("data-field") is None:
            continue  # between two maps, or behind the last
        number, unit, value = unit_told(page)
        assert field_drawn(page) == truth.field(layer, unit)
        assert json.loads(page.locator("#picture").get_attribute("data-field")) == truth.field(layer, unit)
        output = float(outputs[layer][(number, *unit)])
        assert value == pytest.approx(output, abs=0.6 * step + 0.05 * abs(output))  # 8 bits, and then 2 digits
        met.add((number, unit))
    assert len(met) >= 2
    page.mouse.move(2, 2)
    assert page.locator("#picture svg rect").count() == 0


def test_hovering_a_pixel_outlines_the_units_that_see_it(page, truth) -> None:
    picture = page.locator("#picture")
    picture.scroll_into_view_if_needed()
    box, (height, width) = picture.bounding_box(), truth.sizes
    for row, column in ((0, 0), (3, 11), (13, 7), (height - 1, width - 1)):
        page.mouse.move(
            box["x"] + 1 + (column + 0.5) * (box["width"] - 2) / width,
            box["y"] + 1 + (row + 0.5) * (box["height"] - 2) / height,
        )
        assert json.loads(picture.get_attribute("data-pixel")) == [[row, row + 1], [column, column + 1]]
        for layer in ("0", "2", "3.0", "3", "4", "5"):
            told = page.locator(f'#maps [data-layer="{layer}"] .tiles').get_attribute("data-seen")
            spans = [range(*span) for span in json.loads(told)]
            assert {(y, x) for y in spans[0] for x in spans[1]} == truth.seeing(layer, (row, column))


def test_units_and_pixels_are_reached_with_the_keyboard(page, truth) -> None:
    maps = page.locator('#maps [data-layer="3"] .tiles')
    page.locator('#maps [data-layer="3.1"] .tiles').focus()
    page.keyboard.press("Tab")
    assert maps.evaluate("node => node === document.activeElement")
    for key in ("Home", "ArrowUp", "ArrowLeft", "PageDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    number, unit, _ = unit_told(page)
    assert number == 1 and field_drawn(page) == truth.field("3", unit)
    page.locator("#maps .choice button[aria-checked=true]").focus()
    page.keyboard.press("ArrowRight")
    chosen = page.locator("#maps .choice button[aria-checked=true]")
    assert chosen.evaluate("node => node === document.activeElement") and chosen.get_attribute("aria-label").endswith(
        " 1"
    )
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "picture"
    page.keyboard.press("ArrowDown")
    assert page.locator("#picture").get_attribute("data-pixel") is not None


def test_a_touch_outlines_and_the_outline_stays(open_file, run, truth) -> None:
    page = open_file(run / "report.html", 390, has_touch=True)
    for layer in ("0", "3"):
        page.locator(f'#maps [data-layer="{layer}"] .tiles').tap(position={"x": 20, "y": 12})
        page.wait_for_timeout(50)
        _, unit, _ = unit_told(page)
        assert field_drawn(page) == truth.field(layer, unit)
    page.locator("#picture").tap(position={"x": 30, "y": 40})
    page.wait_for_timeout(50)
    assert page.locator("#picture").get_attribute("data-pixel") and page.locator("#maps [data-seen]").count() == 8


def test_the_confusion_matrix_counts_every_test_image(page, truth, run) -> None:
    cells = page.locator("#confusion td[role=gridcell]")
    counts = [int(text) for text in cells.all_inner_texts()]
    assert sum(counts) == len(truth.test)
    told = json.loads((run / "result.json").read_text())["confusion_matrix"]
    assert np.reshape(counts, (10, 10)).tolist() == told
    page.get_by_role("button", name="rates").click()
    rates = np.reshape([float(text) for text in cells.all_inner_texts()], (10, 10))
    np.testing.assert_allclose(rates.sum(axis=1), 100, atol=0.6)
    np.testing.assert_allclose(rates, 100 * np.array(told) / np.sum(told, axis=1, keepdims=True), atol=0.06)


def test_a_cell_shows_its_images_under_the_mouse_and_with_the_keys(page, truth) -> None:
    def examples() -> list[int]:
        return [int(each.get_attribute("data-image")) for each in page.locator("#examples figure").all()]

    right = page.locator('#confusion td[data-row="3"][data-column="3"]')
    right.hover()
    assert len(examples()) == 8
    assert all(truth.test.labels[i] == 3 and truth.predictions[i] == 3 for i in examples())
    right.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("[document.activeElement.dataset.row, document.activeElement.dataset.column].join()") == "4,4"
    assert examples() and all(truth.test.labels[i] == 4 and truth.predictions[i] == 4 for i in examples())


def test_the_surest_mistakes_are_mistakes_and_fall(page, truth) -> None:
    shown = [int(each.get_attribute("data-image")) for each in page.locator("#mistakes figure").all()]
    wrong = np.flatnonzero(truth.predictions != truth.test.labels)
    sure = predict(truth.net, truth.images).max(axis=1)
    assert len(shown) == min(24, len(wrong)) and set(shown) <= set(wrong.tolist())
    assert [sure[i] for i in shown] == sorted(sure[wrong], reverse=True)[: len(shown)]


def test_mistakes_are_explained_at_a_press(page) -> None:
    def pictures() -> list[Any]:
        return page.locator("#mistakes figure canvas").evaluate_all("all => all.map((each) => each.toDataURL())")

    before, button = pictures(), page.get_by_role("button", name="Why? Grad-CAM")
    button.focus()
    page.keyboard.press("Enter")
    assert (
        button.get_attribute("aria-pressed") == "true"
        and "What layer 5 found" in page.locator("#mistakes").inner_text()
    )
    explained = pictures()
    assert len(explained) == len(before) and all(a != b for a, b in zip(before, explained, strict=True))
    names = page.locator("#mistakes figure canvas").evaluate_all("all => all.map((each) => each.ariaLabel)")
    assert all(name.endswith(", with Grad-CAM") for name in names)
    button.click()
    assert pictures() == before


def test_belief_is_read_with_the_keys(page, truth) -> None:
    sure = predict(truth.net, truth.images)
    measured = reliability(truth.test.labels, sure)
    assert f"test images {100 * measured.error:.1f} %" in page.locator("#reliability h3").inner_text()
    page.locator("#reliability svg[tabindex]").focus()
    page.keyboard.press("End")
    readout = page.locator("#reliability .readout").inner_text()
    assert f", {measured.images[-1]} images: test images {100 * measured.accuracy[-1]:.1f} %" in readout
    page.locator("#coverage svg[tabindex]").focus()
    page.keyboard.press("End")
    right = (truth.predictions == truth.test.labels).mean()
    assert page.locator("#coverage .readout").inner_text().endswith(f"accuracy {100 * right:.1f} %")


def test_the_data_section_shows_classes_label_errors_and_twins(page) -> None:
    figures = page.locator("#balance figure")
    assert figures.count() == 10
    counts = [int(text.split()[0]) for text in page.locator("#balance figcaption > div:nth-child(2)").all_inner_texts()]
    assert sum(counts) == 500
    assert page.locator("#suspects figure").count() <= 24
    assert "near duplicates" in page.locator("#twins h3").inner_text()


def test_twins_are_told_to_flatter_the_test(open_file, run, tmp_path) -> None:
    page = (run / "report.html").read_text()
    facts = json.loads(page.split('id="facts">')[1].split("</script>")[0])
    small = facts["data"]["classes"]["pictures"]
    facts["data"]["twins"] = {
        "count": 3, "of": 360, "otherwise_labelled": 1, "accuracy": 0.9, "without": 0.8875,
        "pairs": [[7, 12, 0.999, 3, 3], [8, 40, 0.996, 3, 5]], "mine": small, "theirs": small,
    }  # fmt: skip
    begin, end = page.index('id="facts">') + len('id="facts">'), page.index("</script>", page.index('id="facts">'))
    (tmp_path / "twins.html").write_text(page[:begin] + json.dumps(facts) + page[end:])
    opened = open_file(tmp_path / "twins.html", 390)
    told = opened.locator("#twins").inner_text()
    assert "They flatter the test: accuracy is 90.00 % with them and 88.75 % without." in told
    assert "1 of them have another label there. The 2 most alike are shown." in told and "3, there 5" in told
    assert opened.locator("#twins canvas").count() == 4
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


def opened(page: Any) -> list[int]:
    return [int(each.get_attribute("data-image")) for each in page.locator("#opened figure").all()]


def points_of(page: Any, box: dict[str, float]) -> list[tuple[int, float, float]]:
    """Number and place on the screen of every image of the space."""
    told = json.loads(page.locator("#facts").inner_text())["space"]
    edge = 14
    scale = min((box["width"] - 2 * edge) / max(told["x"]), (box["height"] - 2 * edge) / max(told["y"]))
    return [
        (row[0], box["x"] + edge + x * scale, box["y"] + box["height"] - edge - y * scale)
        for row, x, y in zip(told["images"], told["x"], told["y"], strict=True)
    ]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_lasso_opens_the_images_inside(width, open_file, run) -> None:
    page = open_file(run / "report.html", width)
    canvas = page.locator("canvas.space")
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    box = canvas.bounding_box()
    points = points_of(page, box)
    left, right = box["x"] + 0.2 * box["width"], box["x"] + 0.6 * box["width"]
    middle = (min(y for _, _, y in points) + max(y for _, _, y in points)) / 2
    top, bottom = middle - 60, middle + 60
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, bottom), (left, bottom)):
        page.mouse.move(x, y, steps=3)
    page.mouse.up()
    within = {number for number, x, y in points if left < x < right and top < y < bottom}
    assert page.locator("#opened h3").inner_text() == "Inside the lasso"
    assert page.locator("#opened p").inner_text().startswith(f"{len(within)} images, ")
    assert within and set(opened(page)) <= within and len(opened(page)) == min(48, len(within))
    number, x, y = points[7]
    page.mouse.click(x, y)
    assert page.locator("#opened h3").inner_text() == "The 12 nearest" and number in opened(page)


def test_the_space_is_read_with_the_keys_and_by_class(page, truth) -> None:
    canvas = page.locator("canvas.space")
    canvas.focus()
    for key in ("ArrowUp", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    assert len(opened(page)) == 12
    page.locator("#space").get_by_role("button", name="7", exact=True).click()
    assert opened(page) and all(truth.test.labels[image] == 7 for image in opened(page))
    before = canvas.evaluate("node => node.toDataURL()")
    page.get_by_role("button", name="Pictures at the points").click()
    drawn = canvas.evaluate("node => node.toDataURL()")
    page.get_by_role("button", name="theme").click()
    page.wait_for_function("before => document.querySelector('canvas.space').toDataURL() !== before", arg=drawn)
    assert drawn != before


def test_channels_show_what_they_like(page, truth) -> None:
    layers = page.locator("#likes [data-layer]")
    assert [each.get_attribute("data-layer") for each in layers.all()] == ["0", "3.0", "5"]
    assert [each.locator("figure").count() for each in layers.all()] == [4, 4, 3]
    assert layers.first.locator("canvas").count() == 4 * (1 + 6)
    told = layers.first.locator(".patches canvas").first.get_attribute("title")
    image, value = re.fullmatch(r"test image (\d+): ([-\d.]+)", told).groups()
    outputs = {name: output[0] for name, _, output in layer_outputs(truth.net, truth.images[[int(image)]])}
    assert outputs["0"][0].max() == pytest.approx(float(value), rel=2e-3)


def test_the_health_of_layers_is_read_with_mouse_and_keys(page, run) -> None:
    kept = json.loads((run / "health.json").read_text())["epochs"]
    strips = page.locator("#health .strip")
    assert [each.get_attribute("data-layer") for each in strips.all()] == ["0", "1", "3.0", "5", "7"]
    assert strips.nth(1).locator("h3").inner_text() == "1 batch_norm2d, 2 relu"
    assert strips.nth(1).locator(".cell").evaluate_all("all => all.map((each) => each.dataset.what)") == [
        "weights", "gradients", "updates", "dead",
    ]  # fmt: skip

    def told(what: str) -> str:
        return strips.first.locator(f'[data-what="{what}"] output').inner_text()

    strips.first.focus()
    for key, epoch in (("Home", 1), ("ArrowRight", 2), ("End", 4), ("ArrowLeft", 3)):
        page.keyboard.press(key)
        assert f"After epoch {epoch} of 4" in page.locator("#health .readout").inner_text()
        figures = kept[epoch - 1]["layers"]["0"]
        assert float(told("weights")) == pytest.approx(figures["weights"], rel=1e-3)
        assert float(told("gradients")) == pytest.approx(figures["gradients"], rel=1e-3)
        share = 100 * figures["updates"] / figures["weights"]
        assert told("updates") == f"{share:.1f} %"
    box = strips.nth(2).locator('[data-what="weights"] svg').bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 10)
    assert "After epoch 1 of 4" in page.locator("#health .readout").inner_text()


def test_kernels_are_shown_as_they_form(page, run) -> None:
    epochs, kernels = kernels_of(json.loads((run / "health.json").read_text())["kernels"])  # (5, 4, 1, 3, 3)
    assert page.locator("#forming .forming > span").all_inner_texts() == [str(epoch) for epoch in epochs]
    canvases = page.locator("#forming .forming canvas")
    assert canvases.count() == 4 * 5
    scale = np.abs(kernels).max()
    for output, moment in ((0, 0), (3, 4), (2, 1)):
        drawn = canvases.nth(5 * output + moment).evaluate(
            "node => [...node.getContext('2d').getImageData(0, 0, node.width, node.height).data]"
        )
        pixels = np.reshape(drawn, (3, 3, 4)).astype(int)  # rows and columns of red, green, blue, opaque
        redder = pixels[..., 0] - pixels[..., 2]
        strong = np.abs(kernels[moment, output, 0]) > 0.1 * scale
        assert (np.sign(redder) == np.sign(kernels[moment, output, 0]))[strong].all() and strong.any()
        name = canvases.nth(5 * output + moment).get_attribute("aria-label")
        assert name == f"kernel of output {output}, epoch {epochs[moment]}"


def test_a_heading_sorts(page) -> None:
    def column() -> list[float]:
        return [float(text) for text in page.locator("#classes tbody td:nth-child(3)").all_inner_texts()]

    recall = page.locator("#classes th", has_text="recall")
    recall.locator("button").click()
    assert recall.get_attribute("aria-sort") == "ascending" and column() == sorted(column())
    page.keyboard.press("Enter")
    assert recall.get_attribute("aria-sort") == "descending" and column() == sorted(column(), reverse=True)


def test_charts_are_read_with_mouse_and_keys(page, run) -> None:
    epochs = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    chart = page.locator("#loss svg[tabindex]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 15, box["y"] + 60)
    readout = page.locator("#loss .readout")
    assert readout.inner_text().startswith("epoch 4: training ")
    assert f"{epochs[3]['train_loss']:.4g}"[:5] in readout.inner_text()
    chart.focus()
    page.keyboard.press("ArrowLeft")
    assert readout.inner_text().startswith("epoch 3: ")
    page.get_by_label("logarithmic loss").check()
    assert page.locator("#loss svg path").count() == 2  # still a curve for each split


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen(scheme, open_file, run) -> None:
    page = open_file(run / "report.html", scheme=scheme)
    dark = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number).reduce((a, b) => a + b) < 200"
    assert page.evaluate(dark) == (scheme == "dark")
    page.get_by_role("button", name="theme").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(dark) == (scheme != "dark")
    page.reload()
    assert page.evaluate(dark) == (scheme != "dark")


def test_everything_is_reached_by_tab_and_the_focus_is_seen(page) -> None:
    met, seen = [], set()
    for _ in range(100):
        page.keyboard.press("Tab")
        where = page.evaluate(
            "document.activeElement.closest('section')?.id ?? document.activeElement.closest('.bar, .skip')?.className"
        )
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        met.append(where)
        if where in ("curves", "confusion", "classes", "kernels", "maps"):
            assert outline == "solid"
        seen.add(where)
    assert {"skip", "curves", "confusion", "classes", "kernels", "maps"} <= seen


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(width, open_file, run) -> None:
    page = open_file(run / "report.html", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "[...document.querySelectorAll('.card')].every((card) => card.getBoundingClientRect().right <= innerWidth)"
    )
    for table in ("#confusion .scroll", "#classes .scroll"):  # ten classes fit on a phone
        assert page.locator(table).evaluate("node => node.scrollWidth <= node.clientWidth")


def test_a_comparison_overlays_curves_and_lists_differences(open_file, run, tmp_path, capsys) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.01", "lr: 0.02"))
    target = tmp_path / "both.html"
    assert main(["report", str(run), str(other), "--out", str(target)]) == 0
    assert capsys.readouterr().out == f"comparison: {target}\n"
    page = open_file(target, 390)
    assert page.locator("#loss svg[tabindex] path").count() == 4  # two runs, training and validation
    assert page.locator("#differences tbody tr").all_inner_texts() == ["optimizer.lr\t0.01\t0.02"]
    assert "test accuracy" in page.locator("#results").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
