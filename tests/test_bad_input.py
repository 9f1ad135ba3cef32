"""Whatever is wrong with the input: one message that says what and how to mend it, the exit code, and nothing left.

Every row is one kind of bad input, given through the command line. After it the folder is as it was before.
"""

import errno
import gzip
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import gpucnn
from gpucnn.cli import main
from tests import bad_files as bad
from tests.data.files import idx_bytes, memory_below

CONFIG = """\
name: small
device: cpu
data: {name: digits, limit: 200, validation: 40}
model:
  - conv2d: {out_channels: 4, kernel_size: 5, stride: 2}
  - relu
  - flatten
  - linear: {out_features: 10}
optimizer: {name: adam, lr: 0.01}
train: {epochs: 2, batch_size: 32}
report: false
"""
TRAIN = "train x.yaml --run-dir run --quiet"
GO_ON = "train x.yaml --resume run --quiet train.epochs=3"
Judge = Callable[..., None]


def changed(*pairs: tuple[str, str]) -> str:
    """`CONFIG` with some of its text exchanged."""
    text = CONFIG
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file below `folder` with its bytes, and every folder."""
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Every command runs where nothing is but x.yaml, out of reach of the network and of the environment's wishes."""
    monkeypatch.chdir(tmp_path)
    for name in ("GPUCNN_DEVICE", "GPUCNN_KERNELS", "GPUCNN_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GPUCNN_DATA_DIR", "sets")
    monkeypatch.setattr("gpucnn.data.mnist.MIRRORS", {"mnist": ("http://127.0.0.1:9/",)})
    (tmp_path / "x.yaml").write_text(CONFIG)
    gpucnn.set_device("cpu")
    return tmp_path


@pytest.fixture
def refused(folder, capsys) -> Judge:
    """Runs a command that must end in `code` with one message, holding all of `words`, and leave nothing behind."""

    def run(command: str, *words: str, code: int = 2, lines: int = 1) -> None:
        before = contents(folder)
        capsys.readouterr()
        assert main(shlex.split(command)) == code
        printed = capsys.readouterr()
        for word in words:
            assert word in printed.err
        assert printed.out == "" and len(printed.err.splitlines()) == lines and "Traceback" not in printed.err
        assert contents(folder) == before

    return run


def trained(folder: Path, *overrides: str) -> Path:
    """The folder of a run of `CONFIG`."""
    (folder / "x.yaml").write_text(CONFIG)
    assert main(["train", str(folder / "x.yaml"), *overrides, "--run-dir", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def a_run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("a_run"))


@pytest.fixture(scope="module")
def a_wider_run(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("a_wider_run"), "model.0.conv2d.out_channels=5")


@pytest.fixture(scope="module")
def a_run_of_colours(tmp_path_factory) -> Path:
    colours = "data={name: synthetic, train: 64, test: 32, shape: [3, 16, 16]}"
    return trained(tmp_path_factory.mktemp("a_run_of_colours"), colours, "train.epochs=1")


@pytest.fixture
def run(a_run, folder) -> Path:
    """A copy of that run, for a test to spoil."""
    return Path(shutil.copytree(a_run, folder / "run"))


# --- the configuration ------------------------------------------------------------------------------------------------

MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{k}: &a{k} {{<<: [*a{k - 1}, *a{k - 1}]}}\n" for k in range(1, 20))

CONFIGS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "syntax": (
        changed(("{epochs: 2", "[{epochs: 2")),
        ("x.yaml:11:1: not YAML: while parsing a flow sequence", "look at the brackets, colons and indentation"),
    ),
    "a tab": (changed(("  - relu", "\t- relu")), ("x.yaml:6:1: not YAML", "indent with spaces, not with tabs")),
    "an unknown key": (changed(("report", "reprot")), ("x.yaml:11:1: reprot: unknown key", "did you mean report?")),
    "an unknown option": (
        changed(("stride", "strid")),
        ("x.yaml:5:47: model layer 0 (conv2d): strid: unknown key 'strid'; did you mean stride?",),
    ),
    "a wrong type": (
        changed(("epochs: 2", "epochs: soon")),
        ('x.yaml:10:9: train.epochs: given "soon", expected a whole number at least 1',),
    ),
    "out of range": (
        changed(("batch_size: 32", "batch_size: 0")),
        ("x.yaml:10:20: train.batch_size: given 0, expected a whole number at least 1",),
    ),
    "too large to count": (
        changed(("stride: 2", f"stride: {10**20}")),
        ("x.yaml:5:47: model layer 0 (conv2d): stride: given 1000", "expected a whole number at least 1 and at most"),
    ),
    "not a number": (changed(("lr: 0.01", "lr: .nan")), ("x.yaml:9:25: optimizer.lr: given NaN, expected a number",)),
    "a key twice": (
        CONFIG + "name: again\n",
        ("x.yaml:12:1: the key 'name' stands here a second time (first at line 1); keep one of the two",),
    ),
    "an anchor": (changed(("small", "&a small")), ("x.yaml:1:7: the anchor '&a' is not read; remove it",)),
    "an alias": (changed(("small", "*a")), ("x.yaml:1:7: the alias '*a' repeats another part; write that part out",)),
    "a tag": (changed(("small", "!!python/name:os.system x")), ("x.yaml:1:7: the tag", "is not read; remove it")),
    "half a document more": (CONFIG + "---\na: 1\n", ("x.yaml:12:1: a second document begins here", "remove the line")),
    "too deep": ("name: " + "[" * 100_000, ("x.yaml:1:31: nested more than 24 deep; write it flatter",)),
    "too long": (CONFIG + "#" * 10**7, ("x.yaml:1:1: ", "are more than the 131072 that a configuration may have")),
    "not UTF-8": (b"device: cpu\nname: caf\xe9\n", ("x.yaml:2:1: not text in UTF-8 (byte 0xe9); save the file as",)),
    "UTF-16": (CONFIG.encode("utf-16"), ("x.yaml:1:1: not text in UTF-8 (byte 0xff); save the file as UTF-8",)),
    "a control character": (changed(("small", "\0")), ("x.yaml:1:1: the character U+0000 may not stand in YAML",)),
    "a path no system has": (
        changed(("name: digits", 'name: csv, train: "a\\0b"')),
        ("x.yaml:3:26: an escape \\0 stands for no character", "remove it"),
    ),
    "empty": ("", ("x.yaml:1:1: found nothing, expected a mapping", "`gpucnn config show lenet` prints a whole one")),
    "no mapping": ("- a\n- b\n", ("x.yaml:1:1: found a single value or a list, expected a mapping",)),
    "an unknown layer": (changed(("conv2d", "conv2")), ("x.yaml:5:5: model layer 0 (conv2)", "did you mean conv2d")),
    "an unknown optimizer": (changed(("adam", "adma")), ('x.yaml:9:1: optimizer: unknown name "adma"; did you mean',)),
    "an unknown data set": (changed(("digits", "digit")), ('x.yaml:3:1: data: unknown name "digit"; did you mean',)),
    "a softmax before cross-entropy": (
        changed(("10}\n", "10}\n  - softmax\n")),
        ("x.yaml:9:5: model layer 4 (softmax): cross_entropy takes logits", "remove this layer"),
    ),
    "no layers": (
        CONFIG.partition("model:")[0] + "model: []\noptimizer: {name: sgd, lr: 1}\n",
        ("x.yaml:4:1: model: given [], expected a list",),
    ),
    "a kernel larger than the image": (
        changed(("kernel_size: 5", "kernel_size: 29")),
        ("x.yaml:5:5: model layer 0 (conv2d): the window does not fit", "Give a smaller kernel_size or more padding"),
    ),
    "a linear layer without flatten": (
        changed(("  - flatten\n", "")),
        ("x.yaml:7:5: model layer 2 (linear): expected an input of one axis", "Put a flatten layer before it"),
    ),
    "a wrong number of outputs": (
        changed(("out_features: 10", "out_features: 9")),
        ("x.yaml:8:5: model layer 3 (linear): the network has 9 outputs, expected 10", "have out_features: 10"),
    ),
    "groups that do not divide": (
        changed(("stride: 2", "groups: 3")),
        ("x.yaml:5:5: model layer 0 (conv2d): groups is 3, which does not divide the 1 channels",),
    ),
    "a residual block that changes the shape": (
        changed(("- relu", "- residual: [{conv2d: {out_channels: 4, kernel_size: 3}}]")),
        ("x.yaml:6:5: model layer 1 (residual): its layers turn", "Keep channels and sizes, as with padding"),
    ),
    "no images left to train on": (
        changed(("validation: 40", "validation: 200")),
        ("validation is 200, which is 200 of 200 images: at least one must be taken and one be left",),
    ),
    "a class that is not there": (
        changed(("limit: 200", "classes: [1, 12]"), ("out_features: 10", "out_features: 2")),
        ("There is no class 12; the classes are 0, 1, 2",),
    ),
    "a run to begin with that is not there": (
        changed(("epochs: 2", "init_from: nowhere")),
        ("train.init_from: no run at nowhere: it does not exist; expected a folder that `gpucnn train` made",),
    ),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration(kind: str, folder, refused) -> None:
    text, words = CONFIGS[kind]
    (folder / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(TRAIN, *words)


def test_a_chain_of_merge_keys(folder, refused) -> None:
    """Read as YAML 1.1 says, its 700 bytes are two to the nineteenth mappings."""
    (folder / "x.yaml").write_text(MERGE_BOMB + CONFIG)
    begin = time.process_time()
    refused(TRAIN, "x.yaml:2:10: the merge key '<<' is not read; write the options out here", lines=51)
    assert time.process_time() - begin < 5


def test_several_faults_at_once_each_with_its_place(folder, refused) -> None:
    faults = [("device", "devcie"), ("kernel_size: 5", "kernel_size: 55"), ("lr: 0.01", "lr: -1"), ("2, b", "x, b")]
    (folder / "x.yaml").write_text(changed(*faults))
    refused(
        TRAIN + " seed=x",
        "override 'seed=x': seed: given \"x\", expected a whole number",
        "x.yaml:2:1: devcie: unknown key 'devcie'; did you mean device?",
        "x.yaml:5:5: model layer 0 (conv2d): the window does not fit",
        "x.yaml:9:25: optimizer.lr: given -1, expected a number above 0",
        'x.yaml:10:9: train.epochs: given "x", expected a whole number',
        lines=5,
    )


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train nothing.yaml", "CONFIG 'nothing.yaml' is neither a file nor a shipped configuration; known are"),
        ("train lenett", "CONFIG 'lenett' is neither a file nor a shipped configuration; did you mean lenet?"),
        ("train .", "CONFIG '.' is a folder; known are lenet"),
        ("train /dev/zero", "/dev/zero:1:1: 524289 characters are more than the 131072"),
        (f"{TRAIN} optimizer.rate=1", "override 'optimizer.rate=1': optimizer.rate: unknown key 'rate' for optimizer"),
        (f"{TRAIN} optimizer.lr=fast", "override 'optimizer.lr=fast': optimizer.lr: given \"fast\", expected a number"),
        (f"{TRAIN} optimizer.lr", "override 'optimizer.lr': expected key.path=value, for example optimizer.lr=0.01"),
        (f"{TRAIN} 'optimizer.lr=['", "override 'optimizer.lr=[': the value: not YAML"),
        (f"{TRAIN} model.9.relu=null", "override 'model.9.relu=null': model has the entries 0 to 3; given '9'"),
        (f"{TRAIN} name.first=a", "override 'name.first=a': name is 'small'; it has no options below it"),
    ],
)
def test_what_to_train_and_overrides(command: str, words: str, refused) -> None:
    refused(command, words)


# --- data -------------------------------------------------------------------------------------------------------------

IDX, CSV = "name: idx, path: data", "name: csv, train: data.csv, test: 0.5"
NPZ, FOLDER = "name: npz, path: data.npz", "name: folder, path: data, size: 28, channels: 1"
Files = dict[str, bad.Content | None]

DATA: dict[str, tuple[str, Files, tuple[str, ...]]] = {
    # kind: options of the data set, files, words
    "idx: no folder": (IDX, {}, ("x.yaml:3:1: data: data holds neither", "Give the folder and the names of the four")),
    "idx: a file missing": (IDX, bad.idx(labels=None), ("holds neither train-labels-idx1-ubyte nor",)),
    "idx: truncated": (
        IDX,
        bad.idx(images=idx_bytes(bad.PIXELS)[:-5]),
        (bad.IDX_IMAGES, "announces 20 x 28 x 28 = 15,680 bytes", "holds only 15,675", "give another copy"),
    ),
    "idx: more than announced": (IDX, bad.idx(images=idx_bytes(bad.PIXELS) + b"\0"), ("but it holds more",)),
    "idx: labels where images belong": (
        IDX,
        bad.idx(images=idx_bytes(bad.LABELS), labels=idx_bytes(bad.PIXELS)),
        (bad.IDX_IMAGES, "it has 1 dimensions, but images have 3", "files of images and labels exchanged?"),
    ),
    "idx: text": (
        IDX,
        bad.idx(images="hello"),
        ("is not an IDX file: it starts with the bytes 68 65 6c 6c", "Give another file"),
    ),
    "idx: floats": (IDX, bad.idx(images=idx_bytes(bad.PIXELS, kind=0x0D)), ("32-bit floats", "expected unsigned")),
    "idx: an oversized header": (
        IDX,
        bad.idx(images=idx_bytes(bad.PIXELS, dimensions=(20, 2**32 - 1, 2**32 - 1))),
        ("unpacked it would take 368,", "at most 2,147,483,648 are read"),
    ),
    "idx: unequal counts": (
        IDX,
        bad.idx(labels=idx_bytes(bad.LABELS[1:])),
        ("holds 20 images", "19 labels: every image needs one label", "Give the files that belong together"),
    ),
    "idx: a label out of range": (
        IDX + ", class_names: [a, b, c, d, e, f, g, h, i, j]",
        bad.idx(labels=idx_bytes(bad.LABELS + 1)),
        ("Label 10 of image 9 is out of range: 10 classes are labelled 0 to 9", "Mend the label, or name as many"),
    ),
    "gzip: truncated": (
        IDX,
        bad.idx(images=gzip.compress(idx_bytes(bad.PIXELS))[:-100]),
        (bad.IDX_IMAGES, "the gzip stream ends early, so the file is truncated. Fetch it again"),
    ),
    "gzip: damaged": (
        IDX,
        bad.idx(images=b"\x1f\x8b" + bytes(100)),
        (bad.IDX_IMAGES, "the gzip stream is damaged", "Fetch it again"),
    ),
    "mnist: broken, which is no reason to fall back": (
        "name: mnist, fallback: digits",
        {name.replace("data", "sets/mnist"): "broken" for name in bad.idx()},
        ("sets/mnist/train-images-idx3-ubyte is not an IDX file",),
    ),
    "csv: no file": (CSV, {}, ("x.yaml:3:1: data: data.csv: No such file or directory; give another path",)),
    "csv: a word for a pixel": (
        CSV,
        {"data.csv": bad.CSV + bad.csv_line(3, "cat")},
        ("data.csv, line 21: column 1 holds 'cat', not a finite number",),
    ),
    "csv: a line cut short": (
        CSV,
        {"data.csv": bad.CSV[:-100]},
        ("data.csv, line 20: it has 736 fields, but line 1 has 785",),
    ),
    "csv: a label below zero": (
        CSV,
        {"data.csv": bad.CSV + bad.csv_line(-1)},
        ("data.csv, line 21: the label is -1; expected a whole number from 0", "Give label: its number or name"),
    ),
    "csv: more classes than outputs": (
        CSV,
        {"data.csv": bad.CSV + bad.csv_line(11) * 2},
        ("x.yaml:8:5: model layer 3 (linear): the network has 10 outputs, expected 12",),
    ),
    "csv: no such column": (CSV + ", label: 900", {"data.csv": bad.CSV}, ("label is column 900, but a line has 785",)),
    "csv: other pixels than the shape": (
        CSV + ", shape: [3, 16, 16]",
        {"data.csv": bad.CSV},
        ("data.csv: 784 pixels a line do not make images of shape [3, 16, 16], which need 768",),
    ),
    "csv: a picture": (CSV, {"data.csv": bad.png()}, ("data.csv, line 1: expected a label and pixels, separated by",)),
    "csv: empty": (CSV, {"data.csv": ""}, ("data.csv, line 1: expected a label and pixels, separated by commas",)),
    "npz: no file": (NPZ, {}, ("x.yaml:3:1: data: data.npz: No such file or directory; give another path",)),
    "npz: pickled": (
        NPZ,
        {"data.npz": bad.npz(x_train=np.array([{}, 1], dtype=object))},
        ("data.npz: array 'x_train' holds pickled Python objects, which are never loaded. Save it as numbers",),
    ),
    "npz: truncated": (
        NPZ,
        {"data.npz": bad.npz()[:-100]},
        ("data.npz: this is no npz archive, or it is damaged", "Make it with np.savez"),
    ),
    "npz: one byte changed": (
        NPZ,
        {"data.npz": (whole := bad.npz())[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]},
        ("data.npz: this is no npz archive, or it is damaged (Bad CRC-32 for file 'x_train.npy')",),
    ),
    "npz: other names": (
        NPZ + ", train_images: images",
        {"data.npz": bad.npz()},
        ("data.npz: it holds no array 'images'; it holds x_test, x_train, y_test, y_train. Name the one you mean",),
    ),
    "npz: unequal counts": (
        NPZ,
        {"data.npz": bad.npz(y_train=np.arange(19) % 10)},
        ("data.npz: 20 images but 19 labels: every image needs one label",),
    ),
    "npz: labels that are no numbers of classes": (
        NPZ,
        {"data.npz": bad.npz(y_train=np.linspace(0, 1, 20))},
        ("data.npz: labels 'y_train' are float64 of shape (20,); expected whole numbers, (N,)",),
    ),
    "npz: NaN": (
        NPZ,
        {"data.npz": bad.npz(x_train=np.full((20, 28, 28), np.nan))},
        ("data.npz: Image 0 holds pixels that are not finite numbers",),
    ),
    "folder: none": (FOLDER, {}, ("x.yaml:3:1: data: data is not a folder", "one subfolder of pictures per class")),
    "folder: one class": (
        FOLDER,
        {"data/a/1.png": bad.png()},
        ("x.yaml:3:1: data: data holds 1 subfolders; expected one per class, at least two",),
    ),
    "folder: a class without pictures": (
        FOLDER,
        {"data/a/1.png": bad.png(), "data/b/1.txt": "hello"},
        ("data/b holds no pictures (.png, .jpg, .jpeg); every class needs some",),
    ),
    "folder: a truncated picture": (
        FOLDER,
        bad.pictures(b_3=bad.png()[:200]),
        ("data/b/3.png: the picture is damaged or truncated", "Give another copy"),
    ),
    "folder: a text called .png": (
        FOLDER,
        bad.pictures(b_3="hello"),
        ("data/b/3.png is not a picture; expected one of PNG, JPEG",),
    ),
    "folder: pictures of several sizes": (
        FOLDER.replace("size: 28, ", ""),
        {"data/a/1.png": bad.png(28, 28), "data/b/1.png": bad.png(30, 28)},
        ("data/b/1.png is 28 x 30 (H x W), but the first picture is 28 x 28", "Give size:"),
    ),
}


@pytest.mark.parametrize("kind", DATA)
def test_data(kind: str, folder, refused) -> None:
    options, files, words = DATA[kind]
    outputs = 2 if "folder" in options else 10
    text = changed(("name: digits, limit: 200, validation: 40", options), ("features: 10", f"features: {outputs}"))
    bad.write_files(folder, {"x.yaml": text, **files})
    refused(TRAIN, *words)


BOMBS: dict[str, tuple[str, Files, str]] = {
    "idx: labels": (IDX, bad.idx(labels=bad.gzip_bomb(idx_bytes(bad.LABELS, dimensions=(2**31 - 1,)))), "one label"),
    "idx: images": (IDX, bad.idx(images=bad.gzip_bomb(idx_bytes(bad.PIXELS))), "but it holds more"),
    "csv: a line without end": (
        CSV,
        {"data.csv": bad.gzip_bomb(b"", b"1,")},
        "line 1: it is longer than 4,194,304 bytes; this is no table of images",
    ),
    "csv: empty lines without end": (
        CSV,
        {"data.csv": bad.gzip_bomb(bad.CSV.encode(), b"\n")},
        "more than 1,000 lines are empty; this is no table of images",
    ),
    "npz: a header": (
        NPZ,
        {"data.npz": lambda: bad.npz_announcing((4 * 10**9, 28, 28), 1000)},
        "array 'x_train' is (4000000000, 28, 28) of uint8, which takes 3,136,000,000,000 bytes, but the archive holds",
    ),
    "npz: its size": (
        NPZ,
        {"data.npz": lambda: bad.npz_announcing((20, 28, 28), 2**28)},
        "which takes 15,680 bytes, but the archive holds 268,435,456",
    ),
    "png: its header": (FOLDER, bad.pictures(b_3=bad.png_announcing(60_000, 60_000)), "the picture is too large to"),
    "png: its text": (
        FOLDER,
        bad.pictures(b_3=lambda: bad.png_announcing(20, 20, text=bytes(2**28))),
        "the picture is damaged (Decompressed data too large",
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_not_unpacked(kind: str, folder, refused) -> None:
    options, files, words = BOMBS[kind]
    outputs = 2 if "folder" in options else 10
    text = changed(("name: digits, limit: 200, validation: 40", options), ("features: 10", f"features: {outputs}"))
    bad.write_files(folder, {"x.yaml": text, **files})
    with memory_below(2**26):
        refused(TRAIN, words)


# --- folders of runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("train x.yaml --run-dir x.yaml", "the run folder x.yaml is a file; give another --run-dir"),
        ("train x.yaml --run-dir x.yaml/run", "x.yaml/run: Not a directory; give another path"),
        ("train x.yaml --run-dir /proc/run", "/proc/run: No such file or directory; give another path"),
        (f"train x.yaml --run-dir {'r' * 300}", "rrr: File name too long; give another path"),
        ("train x.yaml --resume nowhere", "no run at nowhere: it does not exist; expected a folder that"),
        ("train x.yaml --resume latest", "RUN 'latest': there is no run below"),
        ("eval nowhere", "no run at nowhere: it does not exist; expected a folder that `gpucnn train` made"),
        ("eval .", "no run at .: it holds no config.yaml; expected a folder that `gpucnn train` made"),
        ("eval x.yaml", "no run at x.yaml: it is no folder; expected a folder that `gpucnn train` made"),
        ("eval latest", "train one first (gpucnn train CONFIG), or give a run's folder"),
        ("predict latest x.png", "RUN 'latest': there is no run below"),
        ("summary nowhere", "'nowhere' is neither a file nor a shipped configuration; known are lenet"),
        ("summary latest", "RUN 'latest': there is no run below"),
    ],
)
def test_a_run_that_is_not_there_or_cannot_be_made(command: str, words: str, refused) -> None:
    refused(command, words)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(folder, refused) -> None:
    (folder / "locked").mkdir(mode=0o500)
    refused("train x.yaml --run-dir locked/run", "Permission denied; give another path, or yourself the right to it")


def test_a_folder_that_holds_a_run(run, refused) -> None:
    refused(TRAIN, "run already holds a run (config.yaml); give another --run-dir, or go on with it: --resume run")


def spoil(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes(content)


def cut(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[:-8])


def remove(name: str) -> Callable[[Path], object]:
    return lambda run: (run / name).unlink()


def not_finite(run: Path) -> None:
    weights = safetensors.numpy.load_file(run / "model.safetensors")
    weights["0.weight"][0] = np.nan
    safetensors.numpy.save_file(weights, run / "model.safetensors")


def another_normalization(run: Path) -> None:
    arrays = {"shift": np.zeros((3, 1, 1)), "scale": np.ones((3, 1, 1))}
    safetensors.numpy.save_file(arrays, run / "normalization.safetensors")


LAST, MODEL = "checkpoints/last.safetensors", "model.safetensors"
PREDICT = "predict run picture.png"

RUNS: dict[str, tuple[Callable[[Path], object], str, tuple[str, ...]]] = {
    # kind: what is done to the run, the command, words
    "fewer epochs than are done": (
        lambda run: None,
        "train x.yaml --resume run --quiet train.epochs=1",
        ("epochs is 1, but 2 are done or under way", "give at least 2"),
    ),
    "a truncated checkpoint": (cut(LAST), GO_ON, (f"run/{LAST} is damaged, cut short or no safetensors file", "give")),
    "a checkpoint that is garbage": (
        spoil(LAST, b"garbage" * 99),
        GO_ON,
        (f"run/{LAST} is no safetensors file", "give another copy"),
    ),
    "an empty checkpoint": (spoil(LAST, b""), GO_ON, (f"run/{LAST} is damaged, cut short", "give another copy")),
    "weights in place of a checkpoint": (
        lambda run: shutil.copy(run / MODEL, run / LAST),
        GO_ON,
        (f"run/{LAST} is no checkpoint of gpucnn: it holds no state beside its tensors",),
    ),
    "no checkpoint": (remove(LAST), GO_ON, ("run was stopped before its first checkpoint; remove the folder and",)),
    "a log cut short": (
        spoil("batches.csv", b"split"),
        GO_ON,
        ("run/batches.csv was changed after the checkpoint", "Restore it, or train again in another folder"),
    ),
    "a log missing": (remove("batches.csv"), GO_ON, ("run/batches.csv: No such file or directory",)),
    "weights that are garbage": (
        spoil(MODEL, b"garbage" * 99),
        "eval run",
        (f"run/{MODEL} is no safetensors file: its header would take", "give another copy"),
    ),
    "pickled weights": (spoil(MODEL, b"\x80\x04\x95."), "eval run", (f"run/{MODEL} is no safetensors file",)),
    "truncated weights": (cut(MODEL), "eval run", (f"run/{MODEL} is damaged, cut short or no safetensors file",)),
    "weights that are not finite, measured": (
        not_finite,
        "eval run",
        ("run: the network's outputs are not finite", "train again, with a lower learning rate (optimizer.lr)"),
    ),
    "weights that are not finite, asked": (not_finite, PREDICT, ("run: the network's outputs are not finite",)),
    "a normalization of other images": (
        another_normalization,
        PREDICT,
        ("run/normalization.safetensors: 'shift' has shape (3, 1, 1), which does not fit images of (1, 28, 28)",),
    ),
    "no description": (
        remove("environment.json"),
        "eval run",
        ("run/environment.json is missing or damaged", "restore it, or train again"),
    ),
    "a description that is no JSON": (spoil("environment.json", b"{"), PREDICT, ("run/environment.json is missing",)),
    "a configuration that is no YAML": (spoil("config.yaml", b"name: ["), "eval run", ("run/config.yaml:1:8: not",)),
    "a picture that is not there": (
        lambda run: None,
        "predict run picture.png nothing.png",
        ("nothing.png: No such file or directory; give another path",),
    ),
    "a folder for a picture": (lambda run: None, "predict run run", ("run is not a file but a folder or a device",)),
    "a text called .png": (
        spoil("../picture.png", b"hello"),
        PREDICT,
        ("picture.png is not a picture; expected one of PNG, JPEG, BMP, GIF, WEBP",),
    ),
    "a truncated picture": (
        spoil("../picture.png", bad.png()[:200]),
        PREDICT,
        ("picture.png: the picture is damaged or truncated", "Give another copy"),
    ),
    "a picture too large to unpack": (
        spoil("../picture.png", bad.png_announcing(60_000, 60_000)),
        PREDICT,
        ("picture.png: the picture is too large to unpack", "Give a smaller one"),
    ),
    "an unknown data set": (
        lambda run: None,
        "eval run --data minst",
        ("There is no data set 'minst'; there are mnist, fashion_mnist, digits",),
    ),
    "a data set that needs options": (
        lambda run: None,
        "eval run --data folder",
        ("--data folder: it needs options, which only a configuration can give; train on it instead",),
    ),
}


@pytest.mark.parametrize("kind", RUNS)
def test_a_run(kind: str, folder, run, refused) -> None:
    damage, command, words = RUNS[kind]
    bad.write_files(folder, {"picture.png": bad.png()})
    damage(run)
    refused(command, *words)


def test_another_configuration_than_the_runs(run, refused) -> None:
    refused(
        f"{GO_ON} optimizer.lr=0.5 train.batch_size=16",
        "--resume run: the configuration is not the run's own; they differ in",
        "\n  optimizer.lr: 0.01 -> 0.5\n  train.batch_size: 32 -> 16\n",
        "Give run/config.yaml, or begin a new run",
        lines=4,
    )


def test_a_checkpoint_of_another_network(run, a_wider_run, refused) -> None:
    shutil.copy(a_wider_run / LAST, run / LAST)
    shutil.copy(a_wider_run / MODEL, run / MODEL)
    refused(GO_ON, f"run/{LAST} does not fit this network: model.0.weight has shape (5, 1, 5, 5), expected (4, 1, 5,")
    refused("eval run", f"run/{MODEL} does not fit this network: 0.weight has shape (5, 1, 5, 5)", "another file")
    other = f"train x.yaml --run-dir new --quiet train.init_from={a_wider_run}"
    refused(other, "train.init_from:", "does not fit this network", "another file")


def test_a_checkpoint_of_another_version(run, refused) -> None:
    """A state beside the tensors that does not say where the training stood."""
    data = (run / LAST).read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"]["gpucnn"] = header["__metadata__"]["gpucnn"].replace('"epoch":2', '"epoch":-2')
    new = json.dumps(header).encode()
    (run / LAST).write_bytes(len(new).to_bytes(8, "little") + new + data[8 + length :])
    refused(GO_ON, f"run/{LAST}: the checkpoint's position.", "epoch is damaged: -2; restore it, or train again")


def test_test_images_of_another_shape(folder, a_run_of_colours, refused) -> None:
    refused(
        f"eval {a_run_of_colours} --data digits",
        "the images of digits are 1 x 28 x 28, and the network was trained on 3 x 16 x 16; give a data set of that",
    )


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_result_that_is_none(text: str, run, capsys) -> None:
    (run / "result.json").write_text(text)
    assert main(["train", "x.yaml", "--resume", "run"]) == 2
    assert "run/result.json is damaged" in capsys.readouterr().err


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "variables"),
    [
        (f"{TRAIN} --device cuda", {}),
        (f"{TRAIN} --device cuda:1", {}),
        (f"{TRAIN} device=cuda", {}),
        (TRAIN, {"GPUCNN_DEVICE": "cuda"}),
    ],
)
def test_a_gpu_that_is_not_there(command: str, variables: dict[str, str], refused, monkeypatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("gpucnn.backend.why_no_gpu", lambda index=0: "there is no driver")
    refused(command, "device 'cuda", "cannot be used: there is no driver. Use device cpu or auto to train without")


@pytest.mark.skipif(gpucnn.backend.why_no_gpu() is None, reason="this machine has a GPU")
def test_a_gpu_that_this_machine_has_not(refused) -> None:
    refused(f"{TRAIN} --device cuda", f"device 'cuda' cannot be used: {gpucnn.backend.why_no_gpu()}. Use device cpu")


@pytest.mark.parametrize(
    ("command", "variables", "words"),
    [
        (f"{TRAIN} --device tpu", {}, "device 'tpu' is not known; expected auto, cpu, cuda or cuda:N"),
        (f"{TRAIN} device=gpu", {}, "override 'device=gpu': device: given 'gpu', expected auto, cpu, cuda or cuda:N"),
        (TRAIN, {"GPUCNN_DEVICE": "gpu"}, "device 'gpu' is not known; expected auto, cpu, cuda or cuda:N"),
        (TRAIN, {"GPUCNN_KERNELS": "foo"}, "GPUCNN_KERNELS is 'foo'; expected auto or numpy, or leave it unset"),
        ("data fetch minst", {}, "data fetch minst: did you mean mnist"),
        (f"{TRAIN} data.name=mnist", {"GPUCNN_DATA_DIR": "x.yaml"}, "Set GPUCNN_DATA_DIR to a folder to write to"),
    ],
)
def test_the_environment(command: str, variables: dict[str, str], words: str, refused, monkeypatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    refused(command, words)


# --- processes: what only a whole one shows ---------------------------------------------------------------------------


def process(command: str, limit: int | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`gpucnn COMMAND` in a process of its own, none of whose files may grow beyond `limit` bytes."""
    bounds = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run(
        [sys.executable, "-m", "gpucnn.cli", *shlex.split(command)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **variables},
        preexec_fn=bounds,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("threads", ["zero", "0", "1.5"])
def test_a_number_of_threads_that_is_none(threads: str, folder) -> None:
    done = process(TRAIN, GPUCNN_THREADS=threads)
    message = f"GPUCNN_THREADS is '{threads}'; expected a whole number of at least 1, or leave it unset\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_no_room_for_the_first_checkpoint(folder) -> None:
    done = process(TRAIN, limit=20_000)  # with Adam's averages it has 70,000 bytes
    message = f"the system refused: [Errno {errno.EFBIG}] File too large: 'run/{LAST}'\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_a_full_disk_while_training_leaves_the_checkpoint_before(folder, run) -> None:
    """The third epoch's has no room; later there is room again, and training ends as if nothing had been."""
    whole = Path(shutil.copytree(run, folder / "whole"))
    before = (run / LAST).read_bytes()
    done = process(GO_ON, limit=20_000)
    assert done.returncode == 1 and done.stderr.startswith(f"the system refused: [Errno {errno.EFBIG}] File too large")
    assert (run / LAST).read_bytes() == before and not list(run.rglob(".*"))
    for path in (run, whole):
        assert process(GO_ON.replace("--resume run", f"--resume {path}")).returncode == 0
    assert (run / MODEL).read_bytes() == (whole / MODEL).read_bytes()


@pytest.mark.parametrize("number", [1, 3, 5, 6])
def test_a_full_disk_from_some_write_on_before_anything_was_trained(number: int, refused, monkeypatch) -> None:
    sync, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    refused(TRAIN, "the disk is full", "No space left on device; free some space, then try again", code=1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_standard_output(folder) -> None:
    command = f"{sys.executable} -m gpucnn.cli train x.yaml --run-dir run > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("the disk is full: No space left on device; free some space")
    assert list(folder.iterdir()) == [folder / "x.yaml"]


def test_a_loss_that_is_no_number_says_where(folder) -> None:
    done = process(f"{TRAIN} 'optimizer={{name: sgd, lr: 1e30}}'")
    assert done.returncode == 1 and done.stdout == "" and len(done.stderr.splitlines()) == 1
    assert "training stopped: the training loss of epoch 1, step 2 is nan (learning rate 1e+30)" in done.stderr
    assert "the output of layer 3 (Linear) is the first that is not" in done.stderr
    assert "Lower the learning rate (optimizer.lr), or clip the gradients" in done.stderr
    assert not (folder / "run/result.json").exists() and not list((folder / "run").rglob(".*"))


def test_a_name_that_the_terminal_cannot_show(folder, run) -> None:
    """Not UTF-8, as an old archive may hold it."""
    name = os.fsdecode(b"caf\xe9.png")
    bad.write_files(folder, {name: bad.png()})
    done = process(f"predict run {name}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("caf\\udce9.png: ")
