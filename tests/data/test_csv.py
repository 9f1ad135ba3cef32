"""Tables of numbers, healthy and hostile, and Fashion-MNIST's CSV form beside its IDX form."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from gpucnn.data import csv, idx
from gpucnn.errors import DataError
from tests.data.files import memory_below, needs_real_data


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes, name: str = "data.csv") -> Path:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / name

    return write


PIXELS = [[[[1, 2], [3, 4]]], [[[5, 6], [7, 255]]]]


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("0,1,2,3,4\n1,5,6,7,255\n", {}),
        ("0,1,2,3,4\n1,5,6,7,255", {"header": False}),
        ("label,a,b,c,d\n0,1,2,3,4\n1,5,6,7,255\n", {}),
        ("\ufefflabel,a,b,c,d\r\n0,1,2,3,4\r\n\r\n1,5,6,7,255\r\n\r\n", {"label": "label"}),
        ("9,9,9,9,9\n0,1,2,3,4\n1,5,6,7,255\n", {"header": True}),
        ("1,2,3,4,0\n5,6,7,255,1\n", {"label": -1}),
        ('"a","b","y","c","d"\n1,2,0,3,4\n5,6,1,7,255\n', {"label": "y"}),
        ("0, 1, 2,3.0 ,4\n1,5,6,7,2.55e2\n", {}),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_forms_of_one_table(write, text, options, pack):
    images, labels, _ = csv.read_csv(write(pack(text.encode())), **options)
    assert images.dtype == np.uint8
    assert images.tolist() == PIXELS
    assert labels.tolist() == [0, 1]


def test_fractions_stay_and_shapes_are_taken(write):
    images, _, _ = csv.read_csv(write("0,0.5,1\n1,-2,3e-1\n"), shape=(2, 1, 1))
    assert images.dtype == np.float32
    assert np.array_equal(images, np.array([[[[0.5]], [[1]]], [[[-2]], [[0.3]]]], dtype=np.float32))


def test_parts_read_apart_give_one_table(write, monkeypatch):
    monkeypatch.setattr(csv, "_CHUNK", 10)
    images, labels, _ = csv.read_csv(write("0,1,2,3,4\n1,5,6,7,255\n0,0.5,0,0,0\n"))
    assert images.dtype == np.float32
    assert images[:2].tolist() == PIXELS
    assert labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "line 1: expected a label and pixels"),
        ("5\n", {}, "it has one field only"),
        ("label,a,b,c,d\n", {}, "holds no line of numbers"),
        ("0,1,2,3,4\n1,5,6,7\n", {}, "line 2: it has 4 fields, but line 1 has 5"),
        ("0,1,2,3,4\n\n1,5,6,7,8,9\n", {}, "line 3: it has 6 fields, but line 1 has 5"),
        ("h,a,b,c,d\n0,1,2,3,4\n1,5,six,7,8\n", {}, "line 3: column 2 holds 'six', not a finite number"),
        ("0,1,2,3,4\n1,5,,7,8\n", {}, "line 2: column 2 holds '', not a finite number"),
        ("0,1,2,3,4\n1,5,nan,7,8\n", {}, "line 2: column 2 holds 'nan'"),
        ("0,1,2,3,4\n1,5,6,7,\n", {}, "line 2: column 4 holds ''"),
        ("h,a,b,c,d\n0,1,2,3,4\n", {"header": False}, "line 1: column 1 holds 'a'"),
        ("0,1,2,3,4\n-1,5,6,7,8\n", {}, "line 2: the label is -1; expected a whole number from 0"),
        ("0,1,2,3,4\n0.5,5,6,7,8\n", {}, "line 2: the label is 0.5"),
        ("0,1,2,3,4\n", {"label": 5}, "label is column 5, but a line has 5 columns"),
        ("0,1,2,3,4\n", {"label": "y"}, "label is 'y', but the file has no header line"),
        ("h,a,b,c,d\n0,1,2,3,4\n", {"label": "y"}, "no column is called 'y'; the header begins h, a, b"),
        ("0,1,2,3,4,5,6\n", {}, r"6 pixels a line are no square. Give shape: \[C, H, W\]"),
        ("0,1,2,3,4\n", {"shape": (1, 2, 3)}, r"4 pixels a line do not make images of shape \[1, 2, 3\], which need 6"),
        (b"\x00\xff\xfe\n\x00,\x01", {}, "is no text: it holds bytes of zero"),
    ],
)
def test_faults_name_the_line(write, text, options, words):
    path = write(text)
    with pytest.raises(DataError, match=words) as caught:
        csv.read_csv(path, **options)
    assert str(path) in str(caught.value)


def test_tables_of_other_scales_are_refused(tmp_path):
    for name, white in (("train", 255), ("test", 1)):
        (tmp_path / f"{name}.csv").write_text(f"0,0,{white},0,0\n1,{white},0,0,0\n" * 3)
    with pytest.raises(DataError, match="Training pixels reach 255, but test pixels 1: they are of two scales"):
        csv.load(tmp_path / "train.csv", tmp_path / "test.csv")


def test_a_line_without_end_is_not_read_whole(write):
    bomb = write(gzip.compress(b"0,1,2,3,4\n" + b"1," * 2**26))  # 0.13 MB that unpack to 134
    with memory_below(2**25), pytest.raises(DataError, match="line 2: it is longer than 4,194,304 bytes"):
        csv.read_csv(bomb)


def test_empty_lines_without_end_are_not_waited_for(write):
    bomb = write(gzip.compress(b"0,1,2,3,4\n" + b"\n" * 2**26))
    with memory_below(2**25), pytest.raises(DataError, match="line 1002: more than 1,000 lines are empty"):
        csv.read_csv(bomb)


def test_test_images_from_a_file_or_held_out(write):
    train = write("".join(f"{k % 2},{k},0,0,0\n" for k in range(10)), "train.csv")
    test = write("2,9,9,9,9\n", "test.csv")
    source = csv.load(train, test)
    assert (len(source.train), len(source.test), source.train.class_names) == (10, 1, ("0", "1", "2"))
    held = csv.load(train, 0.2, seed=3)
    assert (len(held.train), held.test.class_counts.tolist()) == (8, [1, 1])
    assert csv.peek(train) == ((1, 2, 2), 2)
    assert csv.peek(train, test=test) == ((1, 2, 2), 3)
    for read in (csv.load, csv.peek):
        with pytest.raises(DataError, match="test.csv: Label 2 of image 0 is out of range: 2 classes"):
            read(train, test, class_names=("a", "b"))


@needs_real_data
def test_the_csv_form_of_fashion_mnist_gives_the_arrays_of_the_idx_form(tmp_path):
    folder = Path(os.environ["GPUCNN_DATA_DIR"]) / "fashion_mnist"
    source = idx.load(folder)
    for name, part in (("train", source.train), ("test", source.test)):
        header = ",".join(["label", *(f"pixel{k + 1}" for k in range(784))])
        rows = np.column_stack([part.labels, part.images.reshape(len(part), -1)])
        lines = (",".join(map(str, row)) for row in rows.tolist())
        (tmp_path / f"{name}.csv.gz").write_bytes(gzip.compress("\n".join([header, *lines]).encode(), 1))
    same = csv.load(tmp_path / "train.csv.gz", tmp_path / "test.csv.gz")
    for ours, theirs in ((same.train, source.train), (same.test, source.test)):
        assert np.array_equal(ours.images, theirs.images)
        assert np.array_equal(ours.labels, theirs.labels)
