"""Networks that meet pictures in another form than the training's: they are answered as well as those."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.data import load_source
from tests.data.files import idx_bytes

CONFIG = """\
device: cpu
report: false
model:
  - conv2d: {out_channels: 8, kernel_size: 5, padding: same}
  - batch_norm2d
  - relu
  - max_pool2d: {kernel_size: 2}
  - flatten
  - linear: {out_features: 10}
optimizer: {name: adam, lr: 0.005}
train: {epochs: 3, batch_size: 32}
"""
DIGITS = load_source("digits").source
ASKED = 60  # test pictures


def train(data: str, run: str) -> Path:
    Path("x.yaml").write_text(f"data: {data}\n{CONFIG}")
    assert main(["train", "x.yaml", "--run-dir", run, "--quiet"]) == 0
    return Path(run)


def archive(scale: float, dtype: str) -> str:
    """The digits in an npz, as numbers of another range and type."""
    parts = {"train": DIGITS.train, "test": DIGITS.test}
    images = {f"x_{name}": part.images[:, 0] * float(scale) for name, part in parts.items()}
    if dtype != "float32":
        images = {name: np.rint(pixels) for name, pixels in images.items()}
    labels = {f"y_{name}": part.labels for name, part in parts.items()}
    np.savez("x.npz", **{name: pixels.astype(dtype) for name, pixels in images.items()}, **labels)
    return "{name: npz, path: x.npz}"


def save_pictures(folder: str, change=lambda pixels: pixels) -> list[str]:
    """The first test pictures as files, (28, 28) uint8 each, changed so."""
    Path(folder).mkdir()
    names = [f"{folder}/{number:03}.png" for number in range(ASKED)]
    for name, image in zip(names, DIGITS.test.images, strict=False):
        Image.fromarray(change(image[0])).save(name)
    return names


def rows_of(table: str) -> list[list[str]]:
    return list(csv.reader(Path(table).read_text().splitlines()))


def share_right(capsys, run: Path, *arguments: str) -> float:
    """Of the test pictures, those that `predict` gets right."""
    capsys.readouterr()
    assert main(["predict", str(run), *arguments, "--json"]) == 0
    answers = [int(each["class"]) for each in json.loads(capsys.readouterr().out)]
    return float(np.mean(answers == DIGITS.test.labels[: len(answers)]))


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1 / 255, "float32"), (1, "int64"), (257, "uint16"), (16 / 255, "uint8"), (1 / 255, "uint8")],
    ids=["0..1", "0..255", "16 bits", "0..16", "0/1"],
)
def test_a_run_on_any_range_reads_the_same_pictures_as_8_bit_files(scale, dtype, tmp_path, capsys) -> None:
    run = train(archive(scale, dtype), "run")
    tested = json.loads((run / "result.json").read_text())["test_accuracy"]
    assert tested > 0.9
    save_pictures("pngs")
    by_files = share_right(capsys, run, "pngs")
    with np.load("x.npz") as arrays:
        own = gpucnn.load(run).predict(arrays["x_test"][:ASKED])
    of_arrays = float(np.mean([int(name) for name in own] == DIGITS.test.labels[:ASKED]))
    assert by_files == of_arrays


@pytest.fixture(scope="module")
def on_digits(tmp_path_factory) -> Path:
    """A run on white digits on black."""
    folder = tmp_path_factory.mktemp("digits")
    (folder / "x.yaml").write_text(f"data: {{name: digits}}\n{CONFIG}")
    assert main(["train", str(folder / "x.yaml"), "--run-dir", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def transparent(pixels: np.ndarray) -> np.ndarray:
    """White ink on nothing."""
    return np.dstack([np.full_like(pixels, 255)] * 3 + [pixels])


def photograph(pixels: np.ndarray) -> np.ndarray:
    """A dark digit on grey paper, off the middle, unevenly lit, with noise."""
    rng = np.random.default_rng(0)
    paper = np.full((300, 240), 210.0) - np.linspace(0, 60, 240) - np.linspace(0, 30, 300)[:, None]
    paper += rng.normal(0, 3, (300, 240))
    paper[90:202, 70:182] -= 110 / 255 * pixels.astype(float).repeat(4, axis=0).repeat(4, axis=1)
    return paper.clip(0, 255).astype(np.uint8)


def test_the_ground_of_transparent_pictures_is_that_of_the_training(on_digits, capsys) -> None:
    save_pictures("pngs")
    save_pictures("see-through", transparent)
    expected = share_right(capsys, on_digits, "pngs")
    assert expected > 0.9 and share_right(capsys, on_digits, "see-through") == expected
    assert share_right(capsys, on_digits, "see-through", "--background", "white") < 0.3


def test_a_bright_ground_is_said_and_invert_mends_it(on_digits, capsys) -> None:
    save_pictures("pngs")
    save_pictures("inverted", lambda pixels: 255 - pixels)
    expected = share_right(capsys, on_digits, "pngs")
    assert main(["predict", str(on_digits), "inverted"]) == 0
    said = capsys.readouterr().err
    assert f"{ASKED} pictures have a bright ground (of {ASKED}), and training's was dark" in said and "--invert" in said
    assert share_right(capsys, on_digits, "inverted", "--invert") == expected
    assert main(["predict", str(on_digits), "pngs"]) == 0
    assert capsys.readouterr().err == ""


def test_an_invert_too_many_is_said(on_digits, capsys) -> None:
    names = save_pictures("pngs")
    assert main(["predict", str(on_digits), *names[:2], "--invert"]) == 0
    said = capsys.readouterr().err
    assert "2 pictures have a bright ground" in said and "leave --invert out" in said


@pytest.mark.parametrize("arguments", [[], ["--centre"], ["--invert"]])
def test_a_blank_picture_is_said(arguments, on_digits, capsys) -> None:
    (name, *_) = save_pictures("pngs")
    Image.new("L", (60, 40), 255).save("blank.png")
    assert main(["predict", str(on_digits), name, "blank.png", *arguments]) == 0
    assert "1 picture is of one colour throughout (of 2): nothing is to be seen" in capsys.readouterr().err
    assert main(["predict", str(on_digits), name, *arguments]) == 0
    assert "one colour" not in capsys.readouterr().err


def test_names_that_are_not_utf_8_are_told_as_those_of_classes_are(on_digits, capsys) -> None:
    (name, *_) = save_pictures("pngs")
    Path(name).rename(os.fsdecode(b"pngs/caf\xe9.png"))
    assert main(["predict", str(on_digits), os.fsdecode(b"pngs/caf\xe9.png")]) == 0
    assert capsys.readouterr().out.startswith(r"pngs/caf\xe9.png: ")


def test_centre_finds_what_is_drawn_on_any_ground(on_digits, capsys) -> None:
    save_pictures("plain")
    save_pictures("photographs", photograph)
    expected = share_right(capsys, on_digits, "plain", "--centre")
    assert expected > 0.8  # not the network's best: its own digits are centred in another way
    for arguments in (["--centre"], ["--centre", "--invert"]):
        assert share_right(capsys, on_digits, "photographs", *arguments) >= expected - 0.05
    assert share_right(capsys, on_digits, "photographs") < 0.5


def test_files_whose_rows_and_columns_are_exchanged(tmp_path, capsys) -> None:
    for name, part in (("train", DIGITS.train), ("t10k", DIGITS.test)):
        Path(f"{name}-images-idx3-ubyte").write_bytes(idx_bytes(part.images[:, 0].transpose(0, 2, 1)))
        Path(f"{name}-labels-idx1-ubyte").write_bytes(
            idx_bytes(part.labels.astype(np.uint8) + 1)
        )  # from 1, as EMNIST's letters
    run = train("{name: idx, path: ., transpose: true}", "run")
    assert gpucnn.load(run).classes == tuple(map(str, range(1, 11)))
    save_pictures("pngs")
    capsys.readouterr()
    assert main(["predict", str(run), "pngs", "--csv", "out.csv"]) == 0
    answers = [int(label) - 1 for _, label in rows_of("out.csv")[1:]]
    assert np.mean(answers == DIGITS.test.labels[:ASKED]) > 0.9
    np.savez("same.npz", images=DIGITS.test.images[:ASKED, 0].transpose(0, 2, 1))  # as the training's files were
    assert main(["predict", str(run), "same.npz", "--csv", "again.csv"]) == 0
    again = [int(label) - 1 for _, label in rows_of("again.csv")[1:]]
    assert again == answers


# --- what predict takes and gives -------------------------------------------------------------------------------------


def test_a_table_without_labels_becomes_one_of_predictions(on_digits, capsys) -> None:
    pixels = DIGITS.test.images[:ASKED].reshape(ASKED, -1)
    header = ",".join(f"pixel{number}" for number in range(pixels.shape[1]))
    lines = [",".join(map(str, row)) for row in pixels]
    Path("test.csv").write_text("\n".join([header, *lines]))
    Path("with_id.csv").write_text("\n".join([f"id,{header}", *(f"{k + 500},{line}" for k, line in enumerate(lines))]))
    for name, ids in (("test", range(1, ASKED + 1)), ("with_id", range(500, 500 + ASKED))):
        assert main(["predict", str(on_digits), f"{name}.csv", "--csv", "out.csv"]) == 0
        assert capsys.readouterr().out == f"{ASKED} predictions: out.csv\n"
        head, *rows = rows_of("out.csv")
        assert head == ["id", "label"] and [int(row[0]) for row in rows] == [*ids]
        assert [row[1] for row in rows] == gpucnn.load(on_digits).predict(DIGITS.test.images[:ASKED])


def test_archives_and_single_arrays_are_answered_as_pictures_are(on_digits, capsys) -> None:
    pixels = DIGITS.test.images[:ASKED, 0]
    np.save("some.npy", pixels / 255)
    np.savez("some.npz", x_test=pixels)
    expected = gpucnn.load(on_digits).predict(pixels)
    for name in ("some.npy", "some.npz"):
        assert main(["predict", str(on_digits), name, "--csv", "out.csv"]) == 0
        assert [row[1] for row in rows_of("out.csv")[1:]] == expected


def test_folders_are_read_some_pictures_at_a_time_and_named_below_themselves(on_digits, capsys, monkeypatch) -> None:
    monkeypatch.setattr("gpucnn.cli.predict.BATCH", 25)
    save_pictures("pngs")
    Path("pngs/notes.doc").write_text("no picture")
    Path("pngs/deeper").mkdir()
    Path("pngs/059.png").rename("pngs/deeper/059.png")
    assert main(["predict", str(on_digits), "pngs", "--csv", "out.csv"]) == 0
    assert "pngs: 1 files are left out (1 .doc)" in capsys.readouterr().err
    rows = dict(rows_of("out.csv")[1:])
    assert len(rows) == ASKED and {"000.png", "deeper/059.png"} < rows.keys()
    assert rows["deeper/059.png"] == gpucnn.load(on_digits).predict("pngs/deeper/059.png")[0]


def test_top_says_how_many_classes_are_told(on_digits, capsys) -> None:
    (name, *_) = save_pictures("pngs")
    for arguments, count in (((), 3), (("--top", "1"), 1), (("--top", "99"), 10)):
        assert main(["predict", str(on_digits), name, *arguments]) == 0
        assert capsys.readouterr().out.count("%") == count
    assert main(["predict", str(on_digits), name, "--json", "--top", "2"]) == 0
    assert len(json.loads(capsys.readouterr().out)[0]["probabilities"]) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["empty"], "empty holds no pictures; give a picture, a folder of pictures"),
        (["pngs", "--csv", "nowhere/out.csv"], "--csv nowhere/out.csv: there is no folder nowhere"),
        (["odd.csv"], "odd.csv: a line has 9 values, but images of shape [1, 28, 28] need 784"),
        (["odd.npz"], "odd.npz: it holds a, b, of which none is known to be images; call them x_test"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments, words, on_digits, fails) -> None:
    Path("empty").mkdir()
    save_pictures("pngs")
    Path("odd.csv").write_text("1,2,3,4,5,6,7,8,9\n" * 3)
    np.savez("odd.npz", a=np.zeros(3), b=np.zeros(3))
    assert words in fails(2, "predict", str(on_digits), *arguments)
