"""The pages on augmentation and fine-tuning: their commands and programs run, and say what the pages say."""

import importlib.util
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from gpucnn.cli import main
from gpucnn.config.schema import Config
from gpucnn.data import Augment, load_source

DOCS = Path(__file__).parents[2] / "docs"
TAKES = {"augmentation.md": {"yaml", "sh", "python"}, "fine_tuning.md": {"yaml", "sh"}}
SHORT = ["train.epochs=1", "report=false"]


def blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"```(\w*)\n(.*?)```", (DOCS / page).read_text(), re.S)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Where the pages' commands run: a folder with a picture of a seven."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUCNN_DEVICE", "cpu")
    test = load_source("digits").source.test
    Image.fromarray(test.images[np.flatnonzero(test.labels == 7)[0], 0]).save("seven.png")
    return tmp_path


def run_blocks(page: str) -> list[str]:
    """Run a page's commands and programs in order, trainings for one epoch; returns the languages that it has."""
    names: dict = {}
    for language, text in blocks(page):
        if language == "sh":
            for command in text.splitlines():
                program, name, *rest = shlex.split(command)
                assert program == "gpucnn"
                assert main([name, *rest, *(SHORT if name == "train" else [])]) == 0, command
        elif language == "python":
            exec(compile(text, page, "exec"), names)
        elif "model:" in text:
            name = yaml.safe_load(text)["name"]
            Path(f"{name}.yaml").write_text(text)
    return [language for language, _ in blocks(page)]


def test_the_page_on_augmentation_runs(folder, capsys) -> None:
    assert set(run_blocks("augmentation.md")) == {"yaml", "sh", "python"}
    printed = capsys.readouterr().out
    assert "(1, 28, 28, 64) (64, 10)\n" in printed and "(1, 10)\n" in printed and "seven.png: " in printed


def test_it_names_every_option_once() -> None:
    page = (DOCS / "augmentation.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+):", " ".join(table))
    assert sorted(named) == sorted(Augment.__dataclass_fields__)
    (augment,) = [yaml.safe_load(text)["data"]["augment"] for language, text in blocks("augmentation.md")[:1]]
    Augment(**augment)


def test_its_picture_shows_every_option(tmp_path) -> None:
    spec = importlib.util.spec_from_file_location("augmentations", DOCS.parent / "tools" / "augmentations.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert {name for ways in tool.WAYS for name in ways} == set(Augment.__dataclass_fields__)
    plain = {colour: tool.digits(colour)[0].transpose(0, 2, 3, 1) for colour in (False, True)}
    for ways in tool.WAYS[1:]:
        images, labels = tool.changed(ways)
        original = plain[images.shape[-1] == 3]
        assert images.shape == original.shape and not np.allclose(images, original / original.max()), ways
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-6)
    assert (DOCS / "augmentation.png").stat().st_size < 250_000


def test_the_page_on_fine_tuning_runs_and_prints_what_it_says(folder, capsys) -> None:
    assert set(run_blocks("fine_tuning.md")) == {"yaml", "sh", "text"}
    printed = capsys.readouterr().out
    (told,) = [text for language, text in blocks("fine_tuning.md") if language == "text"]
    assert told in printed
    assert "4.weight as 5.weight" in printed and "weights of low/model.safetensors (train.init_from)" in printed
    assert "  taken: 0.weight, 0.bias, 4.weight, 4.bias\n" in printed  # of the file


def test_its_address_has_the_form_that_is_taken() -> None:
    address = re.search(r'init_from: "(https://[^"]+)"', (DOCS / "fine_tuning.md").read_text())[1]
    assert Config.model_fields["train"].annotation(init_from=address).init_from == address
