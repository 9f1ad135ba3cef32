"""`gpucnn init`: what it finds in data, what it asks, and that what it writes trains."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main
from gpucnn.cli.init import MNIST
from gpucnn.config.check import check, load_config
from gpucnn.config.draft import draft, suggested
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import load_source
from gpucnn.data.survey import Survey, survey

rng = np.random.default_rng(0)


def pictures(folder: str, each: int = 15, sides: tuple[int, int] = (40, 60), grey: bool = False) -> None:
    """Noise of a colour for each class, of sides (H, W)."""
    for name, colour in (("red", (220, 40, 40)), ("blue", (40, 40, 220))):
        Path(folder, name).mkdir(parents=True)
        for number in range(each):
            noise = rng.integers(-20, 20, (*sides, 1 if grey else 3))
            pixels = np.clip((np.full(3, max(colour[0], 60)) if grey else np.array(colour)) + noise, 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(Path(folder, name, f"{number}.png"))


def trains(config: str, *overrides: str) -> dict[str, object]:
    assert main(["train", config, "--run-dir", "run", "--quiet", "--device", "cpu", "report=false", *overrides]) == 0
    return json.loads(Path("run/result.json").read_text())


def test_a_folder_of_pictures(capsys) -> None:
    pictures("My pictures")
    assert main(["init", "My pictures"]) == 0
    out = capsys.readouterr().out
    assert "My pictures: 30 colour images of 40 x 60 pixels, 2 classes (blue, red)" in out
    assert "gpucnn train My_pictures.yaml" in out
    config = load_config("My_pictures.yaml").config
    assert (config.name, config.data.path, config.data.size) == ("My_pictures", Path("My pictures"), (40, 60))
    assert config.data.augment.flip and config.data.channels == 3 and 1 <= config.train.epochs <= 100
    assert trains("My_pictures.yaml", "train.epochs=2")["test_accuracy"] > 0.9


def test_a_folder_with_parts_of_grey_pictures() -> None:
    for part in ("train", "val", "test"):
        pictures(f"shapes/{part}", each=5, sides=(100, 90), grey=True)
    assert main(["init", "shapes", "--minutes", "1", "--out", "my.yaml"]) == 0
    text = Path("my.yaml").read_text()
    assert "validation:" not in text and "test:" not in text
    data = load_config("my.yaml").config.data
    assert (data.channels, data.size, data.augment.flip) == (1, 32, False)
    trains("my.yaml", "train.epochs=1")


def test_an_archive_and_a_table() -> None:
    digits = load_source("digits").source.train
    images, labels = digits.images[:600, 0, ::2, ::2], digits.labels[:600]
    np.savez("digits.npz", x_train=images, y_train=labels, x_val=images[:50], y_val=labels[:50])
    np.savetxt("digits.csv", np.column_stack([labels, images.reshape(600, -1)]), "%d", ",")
    for file, out in (("digits.npz", "a.yaml"), ("digits.csv", "b.yaml")):
        assert main(["init", file, "--out", out]) == 0
        assert suggested(survey(Path(file)), 5).size == (14, 14)
        text = Path(out).read_text()
        assert "flip: false" in text and "\n  channels:" not in text
        assert ("validation: 0." in text) == (file == "digits.csv")
    assert trains("b.yaml", "train.epochs=12", "data.augment=null")["test_accuracy"] > 0.6


def test_a_table_of_picture_files() -> None:
    pictures("all", each=6)
    lines = [f"{name}/{k}.png,{name}" for name in ("red", "blue") for k in range(6)]
    Path("all/list.csv").write_text("file,colour\n" + "\n".join(lines) + "\n")
    found = survey(Path("all/list.csv"))
    assert found.classes == ("blue", "red") and found.shape == (3, 40, 60) and found.from_pictures
    assert main(["init", "all/list.csv"]) == 0
    trains("list.yaml", "train.epochs=1")


def test_nothing_is_written_over(capsys) -> None:
    pictures("mine", each=2)
    Path("mine.yaml").write_text("precious")
    assert main(["init", "mine"]) == 2
    assert "mine.yaml exists, and nothing is written over" in capsys.readouterr().err
    assert Path("mine.yaml").read_text() == "precious"


@pytest.mark.parametrize(
    ("sides", "same", "size"),
    [
        ((480, 640), False, (48, 64)),  # in their proportions
        ((1000, 300), False, (64, 16)),
        ((500, 480), True, (64, 64)),
        ((33, 30), False, (32, 32)),
        ((33, 30), True, (33, 30)),  # as they are
    ],
)
def test_sizes_that_are_proposed(sides, same, size) -> None:
    found = Survey({"name": "folder", "path": "x"}, (3, *sides), same, True, ("cat", "dog"), 10, frozenset())
    assert suggested(found, minutes=5).size == size
    assert suggested(found._replace(classes=("a", "b")), minutes=5).mirrored is False


def test_mnist_is_proposed_where_there_are_no_data() -> None:
    text = draft("mnist", "mnist.yaml", MNIST, suggested(MNIST, minutes=5))
    data = check(read_yaml(text, "mnist.yaml")).config.data
    assert (data.name, data.fallback, data.validation, data.augment.flip) == ("mnist", "digits", 10_000, False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "init asks its questions on a terminal, and there is none"),
        (["nowhere"], "nowhere: there is no such folder or file"),
        (["notes.md"], "notes.md: expected a folder with one subfolder of pictures per class, a table"),
        (["empty"], "empty holds 0 subfolders"),
        (["signals.npz"], "signals.npz"),
        (["empty", "--out", "no/where.yaml"], "empty holds 0 subfolders"),
    ],
)
def test_what_it_cannot_do_is_told(arguments, words, capsys) -> None:
    Path("empty").mkdir()
    Path("notes.md").touch()
    np.savez("signals.npz", x=np.zeros((9, 30), np.float32), y=np.arange(9) % 3)
    code = main(["init", *arguments])
    assert code == 2 and words in capsys.readouterr().err and not list(Path().glob("*.yaml"))


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "1e9"])
def test_minutes_are_a_number_above_0(minutes, capsys) -> None:
    with pytest.raises(SystemExit):
        main(["init", "mine", f"--minutes={minutes}"])
    assert "is not a number of minutes above 0" in capsys.readouterr().err


def test_questions_on_a_terminal(tmp_path) -> None:
    """Wrong answers are asked again, and nothing stands for what is proposed."""
    pictures("mine")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "gpucnn", "init"]
    answers = ["nowhere", "mine", "soon", "1", "grey", "3", "24x32", "", "", ""]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        out, errors = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, errors
    assert "nowhere: there is no such folder or file" in out and "soon: expected a number of minutes" in out
    data = load_config("mine.yaml").config.data
    assert (data.channels, data.size, data.augment.flip) == (1, (24, 32), False)


def test_questions_that_are_broken_off(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: (_ for _ in ()).throw(EOFError))
    assert main(["init"]) == 2
    assert "broken off" in capsys.readouterr().err and not list(Path().glob("*.yaml"))
