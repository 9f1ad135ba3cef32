"""Tables as people save them: separators, quotes, headers, indices, the label's place, words for labels."""

import gzip

import numpy as np
import pytest

from gpucnn.data import csv
from gpucnn.data.table import open_table
from gpucnn.errors import DataError

RNG = np.random.default_rng(4)
PIXELS = RNG.integers(1, 256, (24, 16))
LABELS = np.arange(24) % 2
NAMES = [f"p{k}" for k in range(16)]


def table(header=("label", *NAMES), columns=None, separator=",", end="\n", quote="", index=None, after="") -> bytes:
    """The lines of a table whose first column is the label, but for `columns`, a function of label and pixels."""
    columns = columns or (lambda label, pixels: [label, *pixels])
    rows = [columns(int(label), pixels.tolist()) for label, pixels in zip(LABELS, PIXELS, strict=True)]
    rows = [row if index is None else [index(k), *row] for k, row in enumerate(rows)]
    lines = [*([list(header)] if header else []), *rows]
    return "".join(separator.join(f"{quote}{x}{quote}" for x in line) + after + end for line in lines).encode()


def last(label, pixels):
    return [*pixels, label]


READ = {  # kind: the file, options, a word of the note or None
    "plain": (table(), {}, None),
    "tabs": (table(separator="\t"), {}, "tabs"),
    "semicolons": (table(separator=";"), {}, "semicolons"),
    "blanks": (table(separator=" "), {}, "blanks"),
    "several blanks and no header": (table(None, separator="   "), {}, "blanks"),
    "bars": (table(separator="|"), {}, "bars"),
    "blanks after commas": (table(separator=", "), {}, None),
    "decimal commas": (table(separator=";").replace(b";7;", b";7,0;"), {}, "semicolons"),
    "quoted": (table(quote='"'), {}, None),
    "quoted and tabs": (table(quote='"', separator="\t"), {}, "tabs"),
    "a quoted name that holds a comma": (table(('"the, label"', *NAMES)), {}, None),
    "lines ended as on old Macs": (table(end="\r"), {}, None),
    "lines ended as on Windows": (table(end="\r\n"), {}, None),
    "an empty column": (table(after=","), {}, "empty"),
    "an empty column that the header lacks": (table(None, after=","), {}, "empty"),
    "the same under a header": (table().split(b"\n", 1)[0] + b"\n" + table(None, after=","), {}, "empty"),
    "tabs and an empty column": (table(after="\t", separator="\t"), {}, "empty"),
    "an index as pandas writes it": (table(("", "label", *NAMES), index=int), {}, "numbers the lines"),
    "an index called id": (table(("Id", "label", *NAMES), index=lambda k: f"img_{k}"), {}, "numbers the lines"),
    "an index as R writes it": (table(index=lambda k: k + 1), {}, "numbers the lines"),
    "an index without a header": (table(None, index=lambda k: k), {}, "numbers the lines"),
    "an index, tabs": (table(("", "label", *NAMES), index=int, separator="\t"), {}, "numbers the lines"),
    "label last, by its name": (table((*NAMES, "Class"), last), {}, "column 16 ('Class') is taken as the label"),
    "label last, told": (table(None, last), {"label": -1}, None),
    "label last and an empty column, told": (table(None, last, after=","), {"label": -1}, "empty"),
    "label in the middle": (table((*NAMES[:8], "y", *NAMES[8:]), lambda y, x: [*x[:8], y, *x[8:]]), {}, "column 8"),
    "a header of numbers": (table(range(17)), {}, "line 1, which counts up, is taken as a header"),
    "a header of numbers from 1": (table(range(1, 18)), {}, "counts up"),
    "pixels numbered from 0": (table(("label", *range(16))), {}, None),
    "lines of commas at the end, as Excel leaves them": (table() + b",,,,,,,,,,,,,,,,\n" * 3, {}, None),
    "gzip": (gzip.compress(table(separator="\t")), {}, "tabs"),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + table(), {"label": "label"}, None),
}


@pytest.fixture
def write(tmp_path):
    def write(content: bytes, name="data.csv"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("kind", READ)
def test_forms_of_one_table_give_the_same_images(write, kind):
    content, options, note = READ[kind]
    path = write(content)
    images, labels, names = csv.read_csv(path, **options)
    assert (images.dtype, images.shape, names) == (np.uint8, (24, 1, 4, 4), ("0", "1"))
    assert np.array_equal(images.reshape(24, 16), PIXELS)
    assert np.array_equal(labels, LABELS)
    assert csv.peek(path, **options) == ((1, 4, 4), 2)
    notes = csv.load(path, **options).notes
    assert len(notes) == (note is not None) + (kind in ("tabs and an empty column", "an index, tabs"))
    assert note is None or any(note in told and told.startswith(f"{path}: ") for told in notes)


def test_the_header_of_numbers_is_read_where_the_user_says_so(write):
    images, labels, _ = csv.read_csv(write(table(range(17))), header=False)
    assert len(images) == 25 and labels[0] == 0 and images[0].reshape(-1).tolist() == list(range(1, 17))


def test_a_picture_that_counts_up_among_few_columns_is_no_header(write):
    assert len(csv.read_csv(write(b"0,1,2,3,4\n1,9,9,9,9\n"))[0]) == 2


WORDS = {0: "dog", 1: "cat, small"}


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("header", [True, False])
def test_words_name_the_classes_wherever_they_stand(write, place, header):
    def columns(label, pixels):
        word = f'"{WORDS[label]}"'
        return [word, *pixels] if place == "first" else [*pixels, word]

    names = (["kind", *NAMES] if place == "first" else [*NAMES, "kind"]) if header else None
    path = write(table(names, columns))
    images, labels, classes = csv.read_csv(path)
    assert classes == ("cat, small", "dog")
    assert np.array_equal(labels, 1 - LABELS) and np.array_equal(images.reshape(24, 16), PIXELS)
    source = csv.load(path, class_names=("dog", "cat, small"))
    assert source.train.class_names == ("dog", "cat, small")
    assert csv.peek(path) == ((1, 4, 4), 2)
    with pytest.raises(DataError, match=r"line \d: the label is 'cat, small', but the 2 classes are dog, cow"):
        csv.load(path, class_names=("dog", "cow"))


def test_words_of_the_test_are_those_of_the_training(write):
    train = write(table(None, lambda label, pixels: [f"n{label}", *pixels]))
    test = write(table(None, lambda label, pixels: [f"n{label + 1}", *pixels]), "test.csv")
    with pytest.raises(DataError, match="test.csv, line 2: the label is 'n2', but the 2 classes are n0, n1. Mend"):
        csv.load(train, test)
    assert csv.load(train, train).test.labels.tolist() == LABELS.tolist()


def test_numbers_as_labels_may_begin_at_1_or_be_fractions_of_none(write):
    from_one = table(None, lambda label, pixels: [f"{label + 1}.0", *pixels])
    assert csv.read_csv(write(from_one))[2] == ("1", "2")
    assert np.array_equal(csv.read_csv(write(from_one))[1], LABELS)


REFUSED = {
    "UTF-16": (table().decode().encode("utf-16"), {}, "is text in UTF-16; save it as UTF-8"),
    "UTF-16 without a mark": (table().decode().encode("utf-16-be"), {}, "is text in UTF-16; save it as UTF-8"),
    "Excel": (b"PK\x03\x04" + bytes(50), {}, "is a zip archive, as .xlsx files are; save the table as CSV"),
    "Latin-1": (table(None, lambda y, x: ["caf\xe9" if y else "tea", *x]).decode().encode("latin-1"), {},
                "line 2: the label holds the byte 0xe9, which is not UTF-8; save the table as UTF-8"),
    "one class, the label last by name": (
        table((*NAMES, "class"), lambda y, x: [0, *x[1:], y]), {"label": 0},
        r"column 0 \('p0'\), taken as the label, holds '0' only: .* Column 16 \('class'\) .* give label: class"),
    "one class, the label last": (
        table(None, lambda y, x: [0, *x[1:], y]), {}, "column 0, taken as .* holds '0' only: .* give label: 16"),
    "pixels for a label, the label last": (
        table(None, lambda y, x: [*x, y]), {},
        r"column 0, taken as .* holds 2\d different values \(label: 0 keeps it\). .* give label: 16"),
    "one class and no other column": (table(None, lambda y, x: [5, *x]), {}, "holds '5' only: .* Give label: the num"),
    "an index for a label": (
        table(None, lambda y, x: [*x, y], index=lambda k: 10 * k), {"shape": (1, 1, 17)},
        "column 0, taken as .* holds another value in each of 24 lines, so it names no classes. Column 17 looks like"),
    "no label": (table(NAMES, lambda y, x: x), {},
                 "all 16 columns are pixels, so there is no column of labels.* gpucnn predict RUN .*data.csv"),
    "no label, a shape": (table(None, lambda y, x: x), {"shape": (1, 2, 8)}, "all 16 columns are pixels"),
    "a word among numbers": (table(None).replace(b"\n1,", b"\none,", 1), {},
                             r"line 2: the label \(column 0\) is 'one', where other lines have a number"),
    "a label missing": (table(None, lambda y, x: ["ab"[y], *x]).replace(b"\nb,", b"\n,", 1), {},
                        r"line 2: the label \(column 0\) is '', where other lines have a word"),
    "colours": (table(None, lambda y, x: [y, *x, *x, *x]), {}, r"48 pixels .* as \[3, 4, 4\] for colours"),
    "a column too many": (table(None, lambda y, x: [y, *x, 7]), {}, "17 pixels .* neither label nor pixel"),
    "a header of another width": (b"a,b,c\n" + table(None), {}, "header has 3 fields, but the line below it has 17"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_the_cause_is_told(write, kind):
    content, options, words = REFUSED[kind]
    path = write(content)
    for read in (csv.load, csv.peek):
        with pytest.raises(DataError, match=words) as caught:
            read(path, **options)
        assert str(caught.value).startswith(str(path))


def test_many_classes_are_read_and_a_label_that_is_named_is_kept(write):
    letters = write(table(None, lambda y, x: [x[3] % 12 + 1, *x]), "letters.csv")  # 12 classes, first
    assert len(csv.read_csv(letters)[2]) == 12
    last = write(table(None, lambda y, x: [*x, y]))
    images, labels, _ = csv.read_csv(last, label=-1)
    assert np.array_equal(images.reshape(24, 16), PIXELS) and np.array_equal(labels, LABELS)
    assert csv.read_csv(last, label=0)[0].shape == (24, 1, 4, 4)


def test_a_column_of_file_names_beside_pixels_is_left_out(write):
    path = write(table(("file", "label", *NAMES), lambda y, x: [y, *x], index=lambda k: f"{k}.png"))
    images, labels, _ = csv.read_csv(path)
    assert np.array_equal(images.reshape(24, 16), PIXELS) and np.array_equal(labels, LABELS)


def test_a_test_table_without_labels_is_told_with_its_name(write):
    test = write(table(NAMES, lambda y, x: x), "test.csv")
    with pytest.raises(DataError, match="test.csv: all 16 columns are pixels, so there is no column of labels"):
        csv.load(write(table()), test)


@pytest.mark.parametrize("kind", ["no label", "labels", "an index"])
def test_a_table_to_predict_needs_no_labels(write, kind):
    content = {
        "no label": table(NAMES, lambda y, x: x),
        "labels": table(),
        "an index": table(("id", *NAMES), lambda y, x: x, index=int),
    }[kind]
    images = csv.read_unlabelled(write(content), (1, 4, 4))
    assert images.dtype == np.uint8 and np.array_equal(images.reshape(24, 16), PIXELS)
    with pytest.raises(DataError, match="images of shape .1, 5, 5. need 25, with a label or without"):
        csv.read_unlabelled(write(content), (1, 5, 5))


def test_line_ends_may_fall_between_what_is_read_at_a_time(write, monkeypatch):
    for size in (7, 64, 65):
        monkeypatch.setattr("gpucnn.data.table._BLOCK", size)
        for end in ("\r\n", "\r", "\n"):
            lines = list(open_table(write(table(end=end))).lines())
            assert [line.number for line in lines] == list(range(2, 26))
            assert lines[-1].text == table().splitlines()[-1]


@pytest.mark.parametrize("kind", ["plain", "quoted", "several blanks and no header", "an index as pandas writes it"])
def test_noise_in_a_table_never_gives_another_error(write, kind):
    whole = np.frombuffer(READ[kind][0], np.uint8)
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(150):
        hurt = whole.copy()
        hurt[rng.integers(0, len(hurt), 3)] = rng.choice(np.frombuffer(b'0,;\t|" \r\n\0\xff.ae', np.uint8), 3)
        path = write(hurt.tobytes()[: rng.integers(1, 2 * len(hurt))])
        for read in (csv.peek, csv.load):
            try:
                read(path)
            except DataError:
                refused += 1
    assert refused > 50
