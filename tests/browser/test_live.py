"""The live page in a browser: it draws itself anew while the run's files grow, and keeps what the user set."""

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gpucnn.live import LiveServer
from gpucnn.live.mistakes import Found, Mistake
from gpucnn.live.server import served
from gpucnn.training.records import BatchRecord
from tests.browser.conftest import NO_ICON
from tests.live.runs import train, watch_of

MISTAKES = [Mistake(7, 3, 5, 0.01, 0.98), Mistake(11, 9, 4, 0.2, 0.75)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("shown"))


@pytest.fixture
def live(run, tmp_path) -> Iterator[Any]:
    """A server that shows a run after two of its three epochs, and a function that lets it do the third."""
    growing = tmp_path / "run"
    growing.mkdir()
    for name in ("config.yaml", "pipeline.json", "normalization.safetensors", "environment.json"):
        (growing / name).write_bytes((run / name).read_bytes())
    kept = json.loads((run / "health.json").read_text())

    def write(epochs: int) -> None:
        health = {**kept, "epochs": kept["epochs"][:epochs], "kernels": {**kept["kernels"]}}
        health["kernels"]["moments"] = health["kernels"]["moments"][: epochs + 1]
        (growing / "health.json").write_text(json.dumps(health))
        lines = (run / "batches.csv").read_text().splitlines(keepends=True)
        (growing / "batches.csv").write_text(
            "".join(x for x in lines if x[:5] == "split" or int(x.split(",")[1]) <= epochs)
        )
        lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
        (growing / "metrics.jsonl").write_text("".join(lines[:epochs]))

    write(2)
    watch = watch_of(growing)
    watch._mistakes.last = Found(MISTAKES, 2, 150)
    with LiveServer() as server, served(server):
        server.watch = watch
        server.grow = lambda: write(3)
        yield server


@pytest.fixture
def open_live(live, open_address) -> Callable[..., Any]:
    """Opens the page: open_live(width, scheme). What comes last goes first: pages are closed before the server."""
    own = (live.url, NO_ICON)
    return functools.partial(open_address, live.url, lambda address: address.startswith(own))


def test_it_shows_the_training_and_draws_itself_anew(open_live, live) -> None:
    page = open_live()
    assert page.locator("dd.figure").first.inner_text() == "2 of 3"
    assert page.locator("nav a").all_inner_texts() == [
        "Curves", "Health", "Mistakes of the last validation", "Kernels as they form",
    ]  # fmt: skip
    assert page.locator("#worst figure").count() == 2 and "2 of 150 validation images" in page.inner_text("#worst")
    assert page.locator("#worst strong").first.inner_text() == "5 98.0 %"
    live.watch(BatchRecord("train", 3, 4, 32, 0.25, 0.75))
    page.locator("#progress", has_text="Epoch 3 of 3, minibatch 4 of 11").wait_for()
    page.get_by_label("logarithmic loss").check()
    page.locator("#health .strip").nth(1).focus()
    live.grow()
    page.locator("dd.figure", has_text="3 of 3").wait_for()
    assert page.get_by_label("logarithmic loss").is_checked()
    assert page.evaluate("document.activeElement.dataset.layer") == "3"
    assert page.locator("#forming .forming > span").all_inner_texts() == ["0", "1", "2", "3"]
    page.keyboard.press("Home")
    assert "After epoch 1 of 3" in page.locator("#health .readout").inner_text()
    assert page.locator("main").count() == page.locator("header").count() == 1 and page.title().startswith("3 of 3")


def test_what_follows_the_end_is_told(open_live, live) -> None:
    page = open_live()
    live.watch.ended = "The training is done: test accuracy 90.00%."
    page.locator("#progress", has_text="The training is done").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_screen(width, scheme, open_live) -> None:
    page = open_live(width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0] < 100")
    assert dark == (scheme == "dark")
    for cell in page.locator("#health .strip").first.locator(".cell").all():
        box = cell.bounding_box()
        assert box["x"] + box["width"] <= width and box["width"] >= 60
