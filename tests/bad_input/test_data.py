"""Data files that are missing, damaged, mislabelled or bombs."""

import gzip

import numpy as np
import pytest

from tests.bad_input import files as bad
from tests.bad_input.commands import TRAIN, changed
from tests.data.files import idx_bytes, memory_below

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
        IDX + ", class_names: [a, b, c, d, e, f, g, h, i]",
        bad.idx(labels=idx_bytes(bad.LABELS + 1)),
        ("Label 9 of image 8 is out of range: 9 classes are labelled 0 to 8", "Mend the label, or name as many"),
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
    "csv: a picture": (
        CSV,
        {"data.csv": bad.png()},
        ("data.csv is no text: it holds bytes of zero. Give a table of images as CSV",),
    ),
    "csv: empty": (CSV, {"data.csv": ""}, ("data.csv, line 1: expected a label and pixels, separated by commas",)),
    "csv: UTF-16": (
        CSV,
        {"data.csv": bad.CSV.encode("utf-16")},
        ("x.yaml:3:1: data: data.csv is text in UTF-16; save it as UTF-8",),
    ),
    "csv: one class": (
        CSV + ", label: 0",
        {"data.csv": "class,label\n".replace("class", ",".join(f"p{k}" for k in range(784))) + bad.csv_line(1) * 9},
        ("x.yaml:3:1: data: data.csv: column 0 ('p0'), taken as the label, holds '1' only", "give label: label"),
    ),
    "csv: no labels to test on": (
        CSV.replace("0.5", "test.csv"),
        {"data.csv": bad.CSV, "test.csv": bad.csv_line(1, pixels=783) * 3},
        ("data: test.csv: all 784 columns are pixels, so there is no column of labels", "gpucnn predict RUN test.csv"),
    ),
    "csv: fewer names than classes, which the network's outputs do not hide": (
        CSV + ", class_names: [a, b, c]",
        {"data.csv": bad.CSV},
        ("x.yaml:3:1: data: data.csv: Label 3 of image 3 is out of range: 3 classes",),
    ),
    "csv: two classes of one name": (
        CSV + ", class_names: [a, b, c, d, e, f, g, h, i, a]",
        {"data.csv": bad.CSV},
        ("x.yaml:3:1: data: class_names holds 'a' more than once; every class needs its own name",),
    ),
    "npz: rows": (
        NPZ,
        {"data.npz": bad.npz(x_train=bad.PIXELS.reshape(20, 784))},
        ("data.npz: images 'x_train' have shape (20, 784): each is one row of values. Give shape: [1, 28, 28]",),
    ),
    "npz: one class": (
        NPZ,
        {"data.npz": bad.npz(y_train=np.full(20, 7))},
        ("x.yaml:3:1: data: data.npz: labels 'y_train' are all 7: there is nothing to tell apart",),
    ),
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
        ("data/b holds no pictures (PNG, JPEG, ", "it holds 1 .txt. Every class needs some: put them there"),
    ),
    "folder: an empty class, which the network's outputs do not hide": (
        FOLDER,
        {**bad.pictures(), "data/c/._0.png": "hidden"},
        ("x.yaml:3:1: data: data/c holds no pictures", "Every class needs some"),
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
        "array 'x_train' is (4000000000, 28, 28) of uint8, which takes 3,136,000,000,000 bytes, but the file holds",
    ),
    "npz: its size": (
        NPZ,
        {"data.npz": lambda: bad.npz_announcing((20, 28, 28), 2**28)},
        "which takes 15,680 bytes, but the file holds 268,435,456",
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
