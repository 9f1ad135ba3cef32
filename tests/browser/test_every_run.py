"""Pages of all kinds of runs: each is written without a warning, and opens without a word."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main
from gpucnn.config.check import shipped_configs

ANSWERING_WITH_MAPS = {  # and the few images to train them on
    "autoencoder": "data={name: noisy_digits, train: 80, test: 30, target: inputs, normalize: unit, validation: 0.1}",
    "unet": "data={name: cluttered_digits, train: 64, test: 30, validation: 0.1}",
}
OWN_CLASSES = {"three_digits": 3, "three_digits_best": 3}
SIGNALS = """\
name: signals
device: cpu
data: {name: npz, path: signals.npz, axes: 1, layout: channels_first, class_names: %s}
model:
  - conv1d: {out_channels: 4, kernel_size: 5, stride: 2, padding: same}
  - relu
  - residual: [{conv1d: {out_channels: 4, kernel_size: 3, padding: [[2, 0]]}}]
  - flatten
  - linear: {out_features: 3}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 1, batch_size: 16}
"""
HOSTILE = ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>&amp;", '靴 $a_$ "' + 60 * "long "]
VOLUMES = """\
name: volumes
device: cpu
data: {name: npz, path: volumes.npz, axes: 3}
model:
  - conv3d: {out_channels: 2, kernel_size: 3, padding: same, stride: [1, 2, 1]}
  - max_pool3d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 3}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 1, batch_size: 16}
"""
WIDE = """\
name: wide
device: cpu
data: {name: synthetic, train: 32, test: 60, shape: [3, 16, 16], classes: 50}
model:
  - conv2d: {out_channels: 512, kernel_size: 3, stride: 2}
  - relu
  - conv2d: {out_channels: 512, kernel_size: 1}
  - global_avg_pool2d
  - flatten
  - linear: {out_features: 50}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 1, batch_size: 16}
"""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


def npz(name: str, *shape: int) -> None:
    """Random images of a shape, of three classes: 48 to train on, 12 to test on."""
    rng, labels = np.random.default_rng(0), np.arange(60) % 3
    images = rng.normal(size=(60, *shape)).astype(np.float32)
    np.savez(name, x_train=images[:48], y_train=labels[:48], x_test=images[48:], y_test=labels[48:])


def trained(config: str, *overrides: str) -> Path:
    assert main(["train", config, "device=cpu", "report=true", "train.epochs=1", *overrides, "--run-dir", "run"]) == 0
    return Path("run/report.html")


def facts_of(page: Path) -> dict[str, Any]:
    """The data that a page holds."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.partition('id="facts">')[2].partition("</script>")[0])


@pytest.mark.parametrize("name", [name for name in shipped_configs() if name not in ANSWERING_WITH_MAPS])
def test_a_shipped_configuration_has_a_report_without_warnings(name, open_file, capsys) -> None:
    """On a few made images of the right shape, so that it takes a moment and needs no files."""
    overrides = [
        f"data={{name: synthetic, train: 96, test: 40, classes: {OWN_CLASSES.get(name, 10)}, validation: 0.1}}"
    ]
    if name in ("mobilenet_small", "my_images", "resnet_cifar"):
        for label in ("cat", "dog"):
            Path("pictures", label).mkdir(parents=True)
            for i in range(10):
                Image.effect_noise((40, 30), 10 * i).convert("RGB").save(f"pictures/{label}/{i}.png")
        overrides = ["data.path=pictures"]
    if name == "smoke":
        overrides = ["data.limit=200"]
    page = trained(name, *overrides)  # pytest makes warnings errors
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == "report: run/report.html" and "warning" not in printed.err.lower()
    assert page.stat().st_size < 5_000_000
    shown = open_file(page)
    images = json.loads(Path("run/result.json").read_text())["confusion_matrix"]
    assert sum(int(text) for text in shown.locator("#confusion td[role=gridcell]").all_inner_texts()) == np.sum(images)
    assert shown.locator("#architecture li[data-layer]").count() == len(facts_of(page)["layers"])
    assert shown.locator("#maps .of-layer").count() == len(facts_of(page)["layers"])
    convolutions = sum(layer["kind"].startswith("conv") for layer in facts_of(page)["layers"])
    assert shown.locator("#kernels .of-layer").count() == convolutions


@pytest.mark.parametrize("name", ANSWERING_WITH_MAPS)
def test_answers_as_large_as_the_picture_stand_beside_it(name, open_file) -> None:
    page = open_file(trained(name, ANSWERING_WITH_MAPS[name]))
    columns = {"autoencoder": 2, "unet": 3}[name]
    assert page.locator("#answers figure").count() == 24
    assert page.locator("#answers canvas").count() == 24 * columns
    assert page.locator("#answers .dot").count() == {"autoencoder": 0, "unet": 10}[name]
    assert page.locator("#scores tbody tr").count() == {"autoencoder": 1, "unet": 12}[name]
    assert page.locator("#confusion").count() == page.locator("#maps").count() == 0


def test_a_hostile_class_name_is_only_shown(open_file) -> None:
    npz("signals.npz", 2, 20)
    Path("signals.yaml").write_text(SIGNALS % json.dumps(HOSTILE))
    page = open_file(trained("signals.yaml"), 390)
    assert page.locator("#classes tbody td:first-child").all_inner_texts() == [name.strip() for name in HOSTILE]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img").count() == 0


def test_a_unit_over_a_signal_outlines_what_it_sees(open_file) -> None:
    npz("signals.npz", 2, 20)
    Path("signals.yaml").write_text(SIGNALS % '["a", "b", "c"]')
    page = open_file(trained("signals.yaml"))
    page.locator('#maps [data-layer="2"] .tiles').focus()
    for key in ("Home", "ArrowLeft", "PageDown"):
        page.keyboard.press(key)
    outline = page.locator("#picture svg rect")
    words = page.locator("#status").inner_text()
    place = int(words.partition("column ")[2].partition(":")[0])
    # Window of 5, 2 apart, one pixel of padding before; then a window of 3 that reaches back by two.
    first, stop = max(0, 2 * place - 1 - 4), min(20, 2 * place - 1 + 5)
    assert (int(outline.get_attribute("x")), int(outline.get_attribute("width"))) == (first, stop - first)
    assert int(outline.get_attribute("height")) == 2  # both channels


def test_a_unit_in_a_volume_outlines_a_box_in_every_slice_it_sees(open_file) -> None:
    npz("volumes.npz", 6, 8, 7)
    Path("volumes.yaml").write_text(VOLUMES)
    page = open_file(trained("volumes.yaml"))
    page.locator('#maps [data-layer="0"] .tiles').focus()  # in the middle: slice 3, row 2, column 3
    told = json.loads(page.locator("#picture").get_attribute("data-field"))
    assert told == [[2, 5], [4, 7], [2, 5]]  # rows two apart; the pixel of padding that they need is at the end
    assert page.locator("#picture svg rect").count() == 3
    assert [int(each.get_attribute("x")) for each in page.locator("#picture svg rect").all()] == [18, 26, 34]


def test_512_channels_are_laid_out_and_the_page_says_how_many_are_shown(open_file) -> None:
    Path("wide.yaml").write_text(WIDE)
    path = trained("wide.yaml")
    assert path.stat().st_size < 5_000_000
    page = open_file(path, 390)
    assert "512 maps of 7 × 7; showing 64 of 512" in page.locator('#maps [data-layer="0"]').inner_text()
    assert "showing 32 of 512 outputs, 16 of 512 inputs" in page.locator("#kernels").inner_text()
    for box in page.locator(".tiles").all():
        assert box.evaluate("node => node.getBoundingClientRect().right <= innerWidth && node.clientHeight < 3000")
    counts = page.locator("#confusion td[role=gridcell]").all_inner_texts()
    assert len(counts) == 40 * 40 and sum(map(int, counts)) == 60
    assert "all others" in page.locator("#confusion tbody th").all_inner_texts()[-1]


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        ("{name: binary_cross_entropy_with_logits}", ["Labels", "threshold"]),
        ("{name: smooth_l1}", ["Errors", "R²", "predicted"]),
    ],
)
def test_labels_that_are_no_classes(open_file, loss, shown):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, (60, 3))
    np.savez("rows.npz", x_train=rng.integers(0, 255, (60, 8, 8)).astype(np.uint8), y_train=y)
    Path("rows.yaml").write_text(
        "device: cpu\ndata: {name: npz, path: rows.npz, validation: 0.2}\n"
        f"model: [flatten, {{linear: {{out_features: 3}}}}]\nloss: {loss}\n"
        "optimizer: {name: adam, lr: 0.01}\ntrain: {epochs: 2}\n"
    )
    assert main(["train", "rows.yaml", "--run-dir", "run", "--quiet"]) == 0
    page = open_file(Path("run/report.html"))
    text = page.inner_text("main")
    assert all(word in text for word in shown) and "Score per epoch" in text and "Accuracy" not in text
    scatters = page.locator("#scores svg[role=img]")
    assert scatters.count() == (3 if "l1" in loss else 0)
    assert "confusion" not in text.lower()
