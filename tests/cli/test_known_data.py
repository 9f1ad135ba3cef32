"""A run knows its data: classes by their names, and whether anything has changed."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import gpucnn
from gpucnn.cli import main
from gpucnn.data import folder
from gpucnn.data.folder import _key

CONFIG = """\
device: cpu
report: false
data: {name: folder, path: pics, size: 8, channels: 1}
model: [flatten, {linear: {out_features: 3}}]
optimizer: {name: adam, lr: 0.05}
train: {epochs: 6, batch_size: 16}
"""
SHADES = {"1": 30, "2": 120, "10": 230}  # sorted as text, 10 comes before 2
OTHERS = {"cat": 30, "dog": 120, "eel": 230}


def fill(names: dict[str, int], numbers: range) -> None:
    """Pictures of a class are of one shade, with noise."""
    rng = np.random.default_rng(numbers.start)
    for name, shade in names.items():
        Path("pics", name).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            pixels = rng.integers(shade - 25, shade + 25, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(f"pics/{name}/{number}.png")


def train(*arguments: str) -> None:
    Path("x.yaml").write_text(CONFIG)
    assert main(["train", "x.yaml", "--run-dir", "run", "--quiet", *arguments]) == 0


def make_old(class_names: list[str]) -> None:
    """Make the run one of version 0.1.0, which kept no pipeline and did not know by what pictures were drawn."""
    Path("run/pipeline.json").unlink()
    described = {"dataset": "folder", "image_shape": [1, 8, 8], "class_names": class_names}
    environment = json.loads(Path("run/environment.json").read_text())
    Path("run/environment.json").write_text(json.dumps({**environment, "data": described}))
    config = yaml.safe_load(Path("run/config.yaml").read_text())
    del config["data"]["held_out_by"]
    Path("run/config.yaml").write_text(yaml.safe_dump(config))


def accuracy(capsys, *arguments: str) -> tuple[float, str]:
    """What `eval run` tells, and the lines it says besides."""
    capsys.readouterr()
    assert main(["eval", "run", *arguments]) == 0
    printed = capsys.readouterr()
    return float(re.search(r"accuracy ([\d.]+)%", printed.out)[1]), printed.err  # type: ignore[index]


def test_a_renamed_class_is_refused_with_both_lists(fails) -> None:
    fill(OTHERS, range(15))
    train()
    Path("pics/dog").rename("pics/aardvark")
    message = fails(2, "eval", "run")
    assert (
        "folder has other classes than run: its classes are 'aardvark', 'cat', 'eel', the run's 'cat', 'dog', 'eel'"
        in (message)
    )
    message = fails(2, "train", "x.yaml", "--resume", "run", "train.epochs=9")
    assert "--resume run: the data have other classes: its classes are 'aardvark', 'cat', 'eel'" in message


def test_other_classes_of_another_data_set_are_refused(fails) -> None:
    config = CONFIG.replace("{name: folder, path: pics, size: 8, channels: 1}", "{name: digits, limit: 100}")
    Path("y.yaml").write_text(config.replace("out_features: 3", "out_features: 10"))
    assert main(["train", "y.yaml", "--run-dir", "run", "--quiet"]) == 0
    train_images = {"images": np.zeros((30, 28, 28), np.uint8), "labels": np.arange(30) % 10}
    names = ("shirt", "coat", "bag", "boot", "dress", "hat", "sock", "shoe", "belt", "tie")
    pattern = "fashion has other classes than run: its classes are 'shirt', 'coat', .* the run's '0', '1', "
    np.savez("fashion.npz", **train_images)
    with pytest.MonkeyPatch.context() as patched:
        load = lambda: gpucnn.data.SOURCES["npz"](Path("fashion.npz"), class_names=names)  # noqa: E731
        patched.setitem(gpucnn.data.SOURCES, "fashion", load)
        assert re.search(pattern, fails(2, "eval", "run", "--data", "fashion"))


def test_fewer_classes_and_another_order_are_matched_by_name(capsys) -> None:
    fill(OTHERS, range(15))
    train()
    assert accuracy(capsys)[0] == 100
    shutil.rmtree("pics/cat")
    found, said = accuracy(capsys)
    assert found == 100 and "the data have changed since the run was trained: of the classes 'cat' gone" in said


CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "pictures added": (lambda: fill(OTHERS, range(15, 20)), "train: there were"),
    "one picture changed": (
        lambda: Image.new("L", (8, 8), 35).save("pics/cat/3.png"),
        "as many images as before, but other pixels, labels or another order",
    ),
    "negatives": (
        lambda: [
            Image.fromarray(255 - np.asarray(Image.open(file))).save(file) for file in Path("pics").rglob("*.png")
        ],
        "as many images as before, but other pixels, labels or another order",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_eval_says_and_resume_refuses_what_changed(change, fails, capsys) -> None:
    fill(OTHERS, range(15))
    train()
    assert accuracy(capsys) == (100.0, "")
    CHANGES[change][0]()
    _, said = accuracy(capsys)
    assert len(said.splitlines()) == 1 and said.startswith("the data have changed since the run was trained: ")
    assert CHANGES[change][1] in said
    message = fails(2, "train", "x.yaml", "--resume", "run", "train.epochs=9")
    assert "--resume run: the data are not those that the run was trained on: " in message
    assert CHANGES[change][1] in message and "Put them back" in message


def test_a_class_whose_name_is_not_utf_8_is_trained_evaluated_and_answered(capsys) -> None:
    fill({"cat": 30, os.fsdecode(b"d\xffg"): 120, "eel": 230}, range(15))
    train("report=true")
    assert Path("run/report.html").is_file() and Path("run/result.json").is_file()
    assert accuracy(capsys) == (100.0, "")
    assert main(["predict", "run", os.fsdecode(b"pics/d\xffg"), "--csv", "out.csv"]) == 0
    assert {line.split(",")[1] for line in Path("out.csv").read_text().splitlines()[1:]} == {r"d\xffg"}


def test_a_run_whose_data_are_the_same_resumes_with_its_own_normalisation(capsys) -> None:
    fill(OTHERS, range(15))
    train()
    before = Path("run/normalization.safetensors").read_bytes()
    assert main(["train", "x.yaml", "--resume", "run", "--quiet", "train.epochs=9"]) == 0
    assert Path("run/normalization.safetensors").read_bytes() == before
    assert accuracy(capsys) == (100.0, "")


def test_the_split_of_a_folder_does_not_move_when_pictures_are_added() -> None:
    def parts() -> list[set[bytes]]:
        config = {"channels": 1, "test": 0.3}
        source = folder.load(Path("pics"), **config)
        train, validation = gpucnn.data.hold_out(source.train, 0.2, seed=3)
        return [{image.tobytes() for image in part.images} for part in (train, validation, source.test)]

    fill(OTHERS, range(40))
    before = parts()
    assert [len(part) for part in before] == pytest.approx([67, 17, 36], abs=6)
    fill(OTHERS, range(40, 61))
    for was, now in zip(before, parts(), strict=True):
        assert was < now


def test_what_is_kept_of_a_folder_moves_little_when_pictures_are_added() -> None:
    def kept() -> list[set[bytes]]:
        train = folder.load(Path("pics"), channels=1).train
        chosen = [gpucnn.data.draw_per_class(train, 12, seed=5), train.limit(36)]
        return [{image.tobytes() for image in part.images} for part in chosen]

    fill(OTHERS, range(20, 60))
    before = kept()
    assert before[0] != before[1] and [len(part) for part in before] == [36, 36]
    fill(OTHERS, range(18, 20))  # the first by name, two of every class
    for was, now in zip(before, kept(), strict=True):
        assert len(was & now) >= 36 - 6


def test_what_a_limit_keeps_of_a_folder_comes_from_all_of_it() -> None:
    fill(OTHERS, range(60))
    train = folder.load(Path("pics"), channels=1).train
    kept = {image.tobytes() for image in train.limit(60).images}
    places = [place for place, image in enumerate(train.images[train.labels == 0]) if image.tobytes() in kept]
    assert len(places) == 20 and max(places) > 30


def test_about_the_fraction_of_every_class_is_held_out_whatever_the_names() -> None:
    rng = np.random.default_rng(0)
    for seed in range(30):
        numbered = [f"c{n % 3}/{n // 3:03}.png" for n in range(90)]
        words = [f"c{n % 3}/{word}.png" for n, word in enumerate(map(chr, rng.permutation(26)[:24] + 97))]
        for paths, off in ((numbered, 2), (words, 6)):
            keys = np.array([_key(path.encode()) for path in paths], np.uint64)
            labels = np.arange(len(paths)) % 3
            whole = gpucnn.data.Dataset(np.zeros((len(paths), 1, 2, 2), np.uint8), labels, ("a", "b", "c"), keys)
            train, test = gpucnn.data.hold_out(whole, 0.3, seed, what="test")
            _, validation = gpucnn.data.hold_out(train, 0.2, seed)
            np.testing.assert_allclose(test.class_counts, 0.3 * len(paths) / 3, atol=off)
            np.testing.assert_allclose(validation.class_counts, 0.2 * train.class_counts, atol=off + 1)
            assert min(test.class_counts.min(), validation.class_counts.min()) > 0


def test_every_class_is_in_every_part_of_a_small_folder() -> None:
    fill(OTHERS, range(2))
    for seed in range(20):
        source = folder.load(Path("pics"), channels=1, seed=seed)
        assert source.train.class_counts.tolist() == source.test.class_counts.tolist() == [1, 1, 1]


def test_a_number_of_pictures_is_held_out_exactly() -> None:
    fill(OTHERS, range(20))
    whole = folder.load(Path("pics"), channels=1).train
    train, validation = gpucnn.data.hold_out(whole, 9)
    assert (len(train), len(validation)) == (len(whole) - 9, 9)


@pytest.mark.parametrize("names", [SHADES, OTHERS], ids=["numbers", "words"])
def test_an_older_run_keeps_its_split_and_its_order_of_classes(names, capsys) -> None:
    fill(names, range(20))
    train("data.held_out_by=position")
    order = gpucnn.load("run").classes
    assert order == tuple(sorted(names))  # as text
    own, said = accuracy(capsys)
    make_old(list(order))
    assert accuracy(capsys) == (own, said) == (100.0, "")
    classifier = gpucnn.load("run")
    chequered = np.indices((8, 8)).sum(axis=0) % 2
    for name, shade in names.items():
        assert classifier.predict(shade + 2 * chequered) == [name]
    assert main(["train", "x.yaml", "--resume", "run", "--quiet", "train.epochs=7"]) == 0
    assert gpucnn.load("run").pipeline.fingerprint.parts.keys() == {"train", "test"}  # from now on it knows


def test_an_older_run_on_an_archive_is_told_by_its_data_or_refused(fails) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = ((labels[:, None, None] * 7 + rng.integers(0, 3, (60, 8, 8))) / 16).astype(np.float32)
    np.savez("x.npz", x_train=images, y_train=labels)
    Path("pics").mkdir()
    text = CONFIG.replace("{name: folder, path: pics, size: 8, channels: 1}", "{name: npz, path: x.npz}")
    Path("x.yaml").write_text(text)
    assert main(["train", "x.yaml", "--run-dir", "run", "--quiet"]) == 0
    expected = gpucnn.load("run").predict_proba(images)
    description = {"dataset": "npz", "image_shape": [1, 8, 8], "class_names": ["0", "1", "2"]}
    Path("run/environment.json").write_text(json.dumps({"data": description}))
    Path("run/pipeline.json").unlink()
    assert np.array_equal(gpucnn.load("run").predict_proba(images), expected)
    Path("x.npz").unlink()
    Image.new("L", (8, 8)).save("a.png")
    message = fails(2, "predict", "run", "a.png")
    assert "run is of version 0.1.0, which did not keep how pictures become the network's input" in message
    assert "x.npz" in message and "put them back, or train again" in message
    assert main(["summary", "run"]) == 0
