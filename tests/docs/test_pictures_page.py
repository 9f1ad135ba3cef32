"""The page on pictures as answers: its programs, configurations and commands run in their order, as it says."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main

TAKES = {"pictures.md": {"python", "yaml", "sh"}}
TEXT = (Path(__file__).parents[2] / "docs/pictures.md").read_text()
BLOCKS = re.findall(r"```(python|yaml|sh)\n(.*?)\n```", TEXT, re.DOTALL)
SHORT = {  # the page's trainings take a minute each
    "autoencoder": [
        "data={name: noisy_digits, train: 400, test: 50, target: inputs, normalize: unit}",
        "train.epochs=2",
        "report=false",
    ],
    "unet": ["data={name: cluttered_digits, train: 60, test: 10}", "train.epochs=1"],
    "small": ["data.limit=300", "report=false"],
    "mine": ["train.epochs=1", "report=false"],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which all of the page has run, and the names that its programs left."""
    folder, names = tmp_path_factory.mktemp("pictures"), {}
    with pytest.MonkeyPatch.context() as context:
        context.chdir(folder)
        context.setenv("GPUCNN_DEVICE", "cpu")
        for kind, block in BLOCKS:
            if kind == "python":
                block = block.replace('{"train": 600, "test": 100}', '{"train": 40, "test": 10}')
                exec(compile(block, "pictures.md", "exec"), names)
            elif kind == "yaml":
                name, text = re.fullmatch(r"# (\w+\.yaml)\n(.*)", block, re.DOTALL).groups()
                Path(name).write_text(text)
            else:
                for line in block.splitlines():
                    program, *command = shlex.split(line)
                    short = SHORT[command[-1]] if command[0] == "train" else []
                    assert program == "gpucnn" and main([*command, *short]) == 0, line
        yield folder, names


def result(folder):
    return json.loads((folder / "result.json").read_text())


def test_both_configurations_train_and_tell_their_figures(done):
    folder, _ = done
    psnr, unet = result(folder / "autoencoder"), result(folder / "unet")
    assert psnr["psnr"] > 8 and psnr["test_accuracy"] is None and psnr["validation_score"] == "psnr"
    assert [row["name"] for row in unet["classes"]] == ["ground", *"0123456789"]
    assert unet["mean_iou"] > 0 and unet["validation_score"] == "mean_iou" and unet["confusion_matrix"] is None
    assert result(folder / "small")["psnr"] > 10
    assert '"answers":{' in (folder / "unet/report.html").read_text()


def test_answers_are_written_for_pictures_of_folders(done):
    folder, _ = done
    masks = sorted((folder / "answers").glob("*_overlay.png"))
    assert len(masks) == 10
    with Image.open(folder / "answers/0.png") as mask:
        assert mask.mode == "P" and mask.size == (40, 40) and np.asarray(mask).max() <= 10


def test_arrays_are_answered_with_arrays(done):
    _, names = done
    assert names["masks"].shape == (8, 40, 40) and names["masks"].dtype == np.uint8
    assert np.array_equal(names["shares"].argmax(axis=1), names["masks"])
    assert names["pictures"].shape == (8, 1, 28, 28) and 0 <= names["pictures"].min() <= names["pictures"].max() <= 1
