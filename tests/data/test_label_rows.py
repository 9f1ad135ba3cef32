"""Labels that are no classes, from archives and tables; how such data are split, and folds."""

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import Dataset, Fingerprint, csv, draw_per_class, fold_of, hold_out, npz, resplit, select_classes
from gpucnn.data.dataset import Source
from gpucnn.errors import DataError

PIXELS = np.arange(6 * 4, dtype=np.uint8).reshape(6, 2, 2)


def archive(tmp_path, labels, **more):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=PIXELS, y_train=labels, x_test=PIXELS, y_test=labels, **more)
    return path


def table(tmp_path, lines, name="data.csv"):
    path = tmp_path / name
    path.write_text("\n".join(lines) + "\n")
    return path


SEVERAL = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0], [1, 0, 1]])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
def test_rows_of_any_type_are_several_labels(tmp_path, dtype):
    path = archive(tmp_path, SEVERAL.astype(dtype))
    part = npz.load(path, labels="several", class_names=("a", "b", "c")).train
    assert part.kind == "several" and part.labels.dtype == np.uint8 and part.class_names == ("a", "b", "c")
    assert part.labels.tolist() == SEVERAL.tolist() and part.class_counts.tolist() == [6]
    assert npz.peek(path, labels="several")[1] == 3


@pytest.mark.parametrize(
    ("labels", "columns"),
    [(np.linspace(0, 1, 6), 1), (np.linspace(0, 1, 6)[:, None], 1), (SEVERAL * 0.5, 3), (np.arange(6), 1)],
)
def test_numbers_are_rows(tmp_path, labels, columns):
    part = npz.load(archive(tmp_path, labels), labels="numbers").train
    assert part.kind == "numbers" and part.labels.shape == (6, columns) and part.labels.dtype == np.float64
    assert part.labels.tolist() == labels.reshape(6, -1).tolist()
    assert part.class_names == tuple(map(str, range(columns)))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (np.arange(6) % 3, "classes"),
        (np.eye(3)[[0, 1, 2, 2, 1, 0]], "classes"),
        (np.linspace(0, 1, 6), "numbers"),
        (SEVERAL, "numbers"),
        (np.array(list("abcabc")), "classes"),
    ],
)
def test_auto_takes_for_numbers_what_can_be_no_classes(tmp_path, labels, kind):
    assert npz.load(archive(tmp_path, labels), labels="auto").train.kind == kind


@pytest.mark.parametrize(
    ("labels", "kind", "words"),
    [
        (SEVERAL * 2, "several", "labels 'y_train', row 0: a label is 2; expected 0 or 1 for each label"),
        (np.array([0, np.nan, 1, 2, 3, 4]), "numbers", "row 1: a label is nan; expected finite numbers"),
        (np.zeros((6, 2, 2)), "numbers", r"shape \(6, 2, 2\); expected numbers"),
        (np.arange(6.0), "auto", "may be classes or numbers. Say what they are: data.labels: classes"),
        (np.array(list("abcabc")), "numbers", "expected numbers"),
    ],
)
def test_what_are_no_such_labels_is_refused(tmp_path, labels, kind, words):
    with pytest.raises(DataError, match=words):
        npz.load(archive(tmp_path, labels), labels=kind)


HEADER = "cat,p0,p1,dog,p2,p3"
LINES = [HEADER, "1,10,20,0,30,40", "0,11,21,1,31,41", "1,12,22,1,32,42", "0,13,23,0,33,43"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_of_labels_may_stand_anywhere_in_a_table(tmp_path, separator):
    path = table(tmp_path, [line.replace(",", separator) for line in LINES])
    part = csv.load(path, test=path, label=("dog", "cat"), labels="several").train
    assert part.class_names == ("dog", "cat") and part.labels.tolist() == [[0, 1], [1, 0], [1, 1], [0, 0]]
    assert part.images.reshape(4, 4)[0].tolist() == [10, 20, 30, 40]
    assert csv.peek(path, test=path, label=("dog", "cat"), labels="several") == ((1, 2, 2), 2)


def test_a_table_without_a_header_has_columns_by_their_numbers(tmp_path):
    path = table(tmp_path, [f"{n / 4},{n},{n},{n},{n},{-n / 2}" for n in range(4)])
    part = csv.load(path, test=path, label=(0, -1), labels="auto").train
    assert part.kind == "numbers" and part.labels.tolist() == [[n / 4, -n / 2] for n in range(4)]
    assert csv.load(path, test=path, label=0, labels="numbers", shape=(1, 1, 5)).train.class_names == ("0",)


def test_decimal_commas_are_read(tmp_path):
    path = table(tmp_path, ["age;a;b;c;d", *(f"{n},5;{n};1;2;3" for n in range(4))])
    assert csv.load(path, test=path, label="age", labels="numbers").train.labels.ravel().tolist() == [
        0.5,
        1.5,
        2.5,
        3.5,
    ]


def test_tables_that_name_pictures_have_several_labels_too(tmp_path):
    for number in range(4):
        Image.new("L", (3, 3), 10 * number).save(tmp_path / f"{number}.png")
    lines = ["file,cat,dog", *(f"{number}.png,{number % 2},{number // 2}" for number in range(4))]
    path = table(tmp_path, lines)
    part = csv.load(path, test=path, label=("cat", "dog"), labels="several", channels=1).train
    assert part.labels.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]] and part.class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        (LINES, {"label": ("cat", "cow")}, "no column is called 'cow'"),
        (LINES, {"label": ("cat", "cat"), "labels": "several"}, "names a column twice"),
        (LINES, {"label": ("cat", "dog")}, "label names 2 columns, and an image has one class"),
        ([*LINES, "2,1,2,0,3,4"], {"label": ("cat", "dog"), "labels": "several"}, "line 6: a label is 2"),
        ([*LINES, "x,1,2,0,3,4"], {"label": ("cat", "dog"), "labels": "numbers"}, "line 6: the labels are 'x,0'"),
        (LINES, {"label": ("cat", "dog"), "labels": "several", "class_names": ("a",)}, "labels have 2 columns"),
    ],
)
def test_columns_that_are_no_labels_are_refused(tmp_path, lines, options, words):
    path = table(tmp_path, lines)
    with pytest.raises(DataError, match=words):
        csv.load(path, test=path, **options)


def several(images=20, keys=None):
    rng = np.random.default_rng(0)
    pixels = np.arange(images, dtype=np.uint8).reshape(images, 1, 1, 1)
    return Dataset(pixels, rng.integers(0, 2, (images, 2)).astype(np.uint8), ("a", "b"), keys)


def test_several_labels_are_split_and_reordered():
    whole = several()
    rest, held = hold_out(whole, 5)
    assert (len(rest), len(held)) == (15, 5) and len(whole.limit(7)) == 7
    assert sorted([*rest.images.ravel(), *held.images.ravel()]) == list(range(20))
    turned = whole.renumbered(("b", "a"))
    assert turned.labels.tolist() == whole.labels[:, ::-1].tolist()
    with pytest.raises(DataError, match="its labels are 'a', 'b', the run's 'a', 'c'"):
        whole.renumbered(("a", "c"))
    before = Fingerprint.of("npz", {"train": whole})
    changed = Dataset(whole.images, 1 - whole.labels, whole.class_names)
    assert before.differences(Fingerprint.of("npz", {"train": changed}))


def test_what_goes_by_classes_refuses_several_labels():
    source = Source(several(), several())
    for cut in (
        lambda: select_classes(source, ["a", "b"]),
        lambda: draw_per_class(source.train, 1),
        lambda: resplit(source, 10, order="label"),
    ):
        with pytest.raises(DataError, match="goes by classes, and the labels are several labels an image"):
            cut()


@pytest.mark.parametrize("labels", [SEVERAL * 2, SEVERAL[:, :2], SEVERAL[:5]])
def test_rows_that_do_not_fit_are_refused(labels):
    with pytest.raises(DataError, match="neither 0 nor 1|expected"):
        Dataset(PIXELS[:, None], labels.astype(np.uint8), ("a", "b", "c"))


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
@pytest.mark.parametrize("keyed", [False, True])
def test_folds_are_disjoint_whole_and_stratified(rng, folds, keyed):
    labels = rng.permutation(np.repeat([0, 1, 2], [41, 17, 6]))
    keys = rng.integers(0, 2**63, (64, 2)).astype(np.uint64) if keyed else None
    pixels = np.arange(64, dtype=np.uint8).reshape(64, 1, 1, 1)
    whole = Dataset(pixels, labels, ("a", "b", "c"), keys)
    parts = [fold_of(whole, folds, fold, seed=3) for fold in range(1, folds + 1)]
    held = np.concatenate([part.images.ravel() for _, part in parts])
    assert sorted(held) == list(range(64))
    for rest, part in parts:
        assert sorted([*rest.images.ravel(), *part.images.ravel()]) == list(range(64))
        assert (np.diff(part.images.ravel().astype(int)) > 0).all()  # in the original order
    counts = np.array([part.class_counts for _, part in parts])
    assert (np.ptp(counts, axis=0) <= 1).all() and np.ptp(counts.sum(axis=1)) <= 1
    again = fold_of(whole, folds, 1, seed=3)[1].images
    assert np.array_equal(again, parts[0][1].images) and not np.array_equal(
        again, fold_of(whole, folds, 1, 4)[1].images
    )


@pytest.mark.parametrize(("folds", "fold"), [(21, 1), (3, 4), (3, 0)])
def test_folds_that_cannot_be_are_refused(folds, fold):
    with pytest.raises(DataError, match=f"fold {fold} of {folds}, of 20 images"):
        fold_of(several(), folds, fold)
