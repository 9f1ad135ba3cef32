"""NumPy's archives, healthy and hostile."""

import io
import struct
import zipfile

import numpy as np
import pytest

from gpucnn.data import npz
from gpucnn.errors import DataError
from tests.data.files import memory_below

RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (6, 4, 4), dtype=np.uint8), np.array([0, 1, 2, 0, 1, 2])
KERAS = {"x_train": X, "y_train": Y, "x_test": X[:3], "y_test": Y[:3]}


@pytest.fixture
def save(tmp_path):
    def save(save_by=np.savez, **arrays):
        save_by(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return save


@pytest.mark.parametrize("save_by", [np.savez, np.savez_compressed])
def test_keras_names(save, save_by):
    path = save(save_by, **KERAS)
    source = npz.load(path)
    assert np.array_equal(source.train.images, X[:, None])
    assert np.array_equal(source.test.labels, Y[:3])
    assert npz.peek(path) == ((1, 4, 4), 3)


def test_colour_images_last_or_first_and_labels_in_a_column(save):
    colour = RNG.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    path = save(x_train=colour, y_train=Y[:, None], x_test=colour, y_test=Y[:, None])
    source = npz.load(path)
    assert source.train.image_shape == (3, 5, 4)
    assert np.array_equal(source.train.images[2, 1], colour[2, :, :, 1])
    assert source.train.images.flags.c_contiguous
    assert npz.peek(path) == ((3, 5, 4), 3)
    unclear = save(**{**KERAS, "x_train": np.zeros((6, 3, 4, 3), np.uint8)})
    with pytest.raises(DataError, match="the channels cannot be told. Give layout: channels_first or channels_last"):
        npz.load(unclear)


@pytest.mark.parametrize(
    ("given", "axes", "layout", "expected"),
    [
        ((6, 9), 1, None, (1, 9)),
        ((6, 3, 9), 1, None, (3, 9)),
        ((6, 9, 3), 1, None, (3, 9)),
        ((6, 9, 2), 1, "channels_last", (2, 9)),
        ((6, 4, 5, 7), 3, None, (1, 4, 5, 7)),
        ((6, 2, 4, 5, 7), 3, "channels_first", (2, 4, 5, 7)),
        ((6, 4, 5, 7, 3), 3, None, (3, 4, 5, 7)),
    ],
)
def test_signals_and_volumes(save, given, axes, layout, expected):
    x = RNG.integers(0, 256, given, dtype=np.uint8)
    path = save(x_train=x, y_train=Y, x_test=x, y_test=Y)
    source = npz.load(path, axes=axes, layout=layout)
    assert source.train.image_shape == source.test.image_shape == expected
    assert npz.peek(path, axes=axes, layout=layout) == (expected, 3)
    channels_last = layout == "channels_last" or given[-1] == 3
    first = x[4, ..., 0] if channels_last else x[4, 0] if len(given) == axes + 2 else x[4]
    assert np.array_equal(source.train.images[4, 0], first) and source.train.images.flags.c_contiguous


@pytest.mark.parametrize(
    ("axes", "words"),
    [(1, r"expected \(N, W\), \(N, C, W\) or \(N, W, C\). Give axes: 1 for signals"), (3, r"or \(N, D, H, W, C\)")],
)
def test_other_axes_than_said_are_told(save, axes, words):
    shape = {1: (6, 2, 2, 2), 3: (6, 2, 2)}[axes]
    with pytest.raises(DataError, match=words):
        npz.load(save(**{**KERAS, "x_train": np.zeros(shape, np.uint8)}), axes=axes)


@pytest.mark.parametrize("dtype", ["float64", ">f4", "float16", "int32", "bool"])
def test_other_number_types(save, dtype):
    images = (X / 255).astype(dtype)
    source = npz.load(save(**{**KERAS, "x_train": images, "x_test": images[:3]}))
    assert np.array_equal(source.train.images[:, 0], images.astype(np.float32))


def test_other_names_and_a_held_out_part(save):
    path = save(images=np.repeat(X, 5, axis=0), labels=np.repeat(Y, 5))
    source = npz.load(path, train_images="images", train_labels="labels", test_images=None, test=0.2)
    assert (len(source.train), source.test.class_counts.tolist()) == (24, [2, 2, 2])
    with pytest.raises(DataError, match="it holds no array 'y'; it holds images, labels"):
        npz.load(path, train_labels="y")


class Trap:
    def __reduce__(self):
        return pytest.fail, ("a pickle was loaded",)


def test_pickles_are_never_loaded(save):
    path = save(**{**KERAS, "y_train": np.array([Trap()], dtype=object)})
    with pytest.raises(DataError, match="'y_train' holds pickled Python objects, which are never loaded"):
        npz.load(path)


def header(shape, dtype="|u1") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": dtype, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def archive(path, member: bytes, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("y_train.npy", member)
    return path


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (b"", "'y_train' is damaged"),
        (b"\x93NUMPY\x01\x00\xff\xff", "'y_train' is damaged"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "npy version"),
        (header((4,)).replace(b"'|u1'", b"'|zz'") + bytes(4), "'y_train' is damaged"),
        (header((5,)) + bytes(4), r"'y_train' is \(5,\) of uint8, which takes 5 bytes, but the file holds 4"),
        (header((3,)) + bytes(4), "takes 3 bytes, but the file holds 4"),
        (header((2**40,)) + bytes(4), "takes 1,099,511,627,776 bytes, but the file holds 4"),
        (header((-4,)) + bytes(4), "takes -4 bytes"),
        (header((4,), "<M8[s]") + bytes(32), r"holds datetime64\[s\]; expected numbers"),
        (header((2, 2)) + bytes(4), "labels 'y_train' are rows of 2 numbers, and row 0 is not one-hot"),
        (header((2, 2, 1)) + bytes(4), r"labels 'y_train' are uint8 of shape \(2, 2, 1\); expected whole numbers"),
        (header((0,)), "expected whole numbers"),
        (header((1,), "<f4") + b"\0\0\0\x3f", "labels 'y_train' are float32"),
    ],
)
def test_hostile_members(tmp_path, member, words):
    path = archive(tmp_path / "data.npz", member)
    with pytest.raises(DataError, match=words) as caught:
        npz.load(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "data.npz", header((4,)) + bytes(2**28))
    words = "takes 4 bytes, but the file holds 268,435,456"
    with memory_below(2**20), pytest.raises(DataError, match=words):
        npz.load(path)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    struct.pack_into("<I", content, entry + 24, 2**32 - 2)  # the directory announces 4 GB
    path.write_bytes(content)
    with memory_below(2**20), pytest.raises(DataError, match="at most 2,147,483,648 are read"):
        npz.load(path)


def test_what_is_no_archive_or_is_damaged(save, tmp_path):
    path = tmp_path / "other.npz"
    for content in (b"", b"not a zip", b"PK\x05\x06" + bytes(10)):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no npz archive, or it is damaged"):
            npz.load(path)
    whole = save(np.savez_compressed, **KERAS).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="no npz archive, or it is damaged"):
        npz.load(path)
    with pytest.raises(DataError, match="packed in a way that NumPy does not write"):
        npz.load(archive(path, header((1,)) + bytes(1), zipfile.ZIP_LZMA))
    with pytest.raises(FileNotFoundError):
        npz.load(tmp_path / "none.npz")


def test_parts_of_other_scales_are_refused(save):
    path = save(**KERAS | {"x_test": X[:3].astype(np.uint16) * 257})
    with pytest.raises(DataError, match=r"data.npz: Training pixels reach \d+, but test pixels \d+: they are of two"):
        npz.load(path)


def test_a_single_array_holds_images_to_ask_for(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3))
    for dtype in ("uint8", ">i4", "float64", "float16"):
        np.save(tmp_path / "some.npy", pixels.astype(dtype))
        back = npz.read_images(tmp_path / "some.npy")
        assert np.array_equal(back, pixels.astype(dtype)) and back.dtype.isnative
    with pytest.raises(DataError, match=r"some.npy: this is a .npy file, which holds one array. Save .* np.savez\("):
        npz.load(tmp_path / "some.npy")


def test_hostile_single_arrays(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(6, dtype=np.uint8))
    whole = path.read_bytes()
    with_objects = io.BytesIO()
    np.save(with_objects, np.array([{}]), allow_pickle=True)
    for content, words in (
        (whole[:-1], "takes 6 bytes, but the file holds 5"),
        (whole + b"?", "takes 6 bytes, but the file holds 7"),
        (whole[:20], "is damaged"),
        (header((2**40,)) + bytes(4), "takes 1,099,511,627,776 bytes, but the file holds 4"),
        (with_objects.getvalue(), "pickled Python objects, which are never loaded"),
    ):
        path.write_bytes(content)
        with memory_below(2**20), pytest.raises(DataError, match=words):
            npz.read_images(path)


def test_noise_in_an_archive_never_gives_another_error(save):
    path = save(np.savez_compressed, **KERAS)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(400):
        hurt = whole.copy()
        hurt[rng.integers(0, len(hurt), 2)] = rng.integers(0, 256, 2)
        path.write_bytes(hurt.tobytes())
        try:
            npz.load(path)
        except DataError:
            refused += 1
    assert refused > 100


def test_fortran_order_and_unfit_images(save):
    with pytest.raises(DataError, match="'x_train' is saved in Fortran order. Save np.ascontiguousarray"):
        npz.load(save(**{**KERAS, "x_train": np.asfortranarray(X)}))
    with pytest.raises(DataError, match=r"images 'x_train' have shape \(6, 16\)"):
        npz.load(save(**{**KERAS, "x_train": X.reshape(6, 16)}))
    with pytest.raises(DataError, match="6 images but 5 labels"):
        npz.load(save(**{**KERAS, "y_train": Y[:5]}))
    with pytest.raises(DataError, match="Label 2 of image 2 is out of range"):
        npz.load(save(**KERAS), class_names=("a", "b"))


@pytest.mark.parametrize(
    "names",
    [
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),  # MedMNIST
        ("X_train", "Y_train", "X_val", "Y_val", "X_test", "Y_test"),
        ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
        ("train_data", "train_targets", "validation_data", "validation_targets", "test_data", "test_targets"),
    ],
)
@pytest.mark.parametrize("column", [False, True])
def test_arrays_are_known_by_their_names(save, names, column):
    labels = [part[:, None] if column else part for part in (Y, Y[:5], Y[:4])]
    arrays = [array for x, y in zip((X, X[:5], X[:4]), labels, strict=True) for array in (x, y)]
    path = save(**dict(zip(names, arrays, strict=True)))
    source = npz.load(path)
    assert {name: len(part) for name, part in source.parts.items()} == {"train": 6, "test": 4, "validation": 5}
    assert np.array_equal(source.validation.images[:, 0], X[:5])
    assert source.validation.labels.tolist() == Y[:5].tolist()
    assert npz.peek(path) == ((1, 4, 4), 3)
    assert (names[0] == "x_train") == (not source.notes)
    assert npz.load(path, validation_images=None).validation is None
    assert len(npz.load(path, test_images=None, test=0.5).test) == 3


@pytest.mark.parametrize("names", [("images", "labels"), ("X", "y"), ("data", "target")])
def test_one_pair_of_arrays_is_known_and_parted(save, names):
    path = save(**dict(zip(names, (np.repeat(X, 5, axis=0), np.repeat(Y, 5)), strict=True)))
    source = npz.load(path)
    assert (len(source.train), len(source.test)) == (24, 6)
    assert npz.peek(path) == ((1, 4, 4), 3)


def test_test_images_without_labels_are_left_out_and_it_is_said(save):
    source = npz.load(save(x_train=np.repeat(X, 5, axis=0), y_train=np.repeat(Y, 5), x_test=X))
    assert len(source.test) == 6
    assert source.notes[0].endswith("'x_test' has no labels and is left out")


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_one_hot_labels(save, dtype):
    rows = np.eye(3)[Y].astype(dtype)
    path = save(**{**KERAS, "y_train": rows, "y_test": rows[:3]})
    assert npz.load(path).train.labels.tolist() == Y.tolist()
    assert npz.peek(path) == ((1, 4, 4), 3)
    rows = np.full((6, 3), 1 / 3)
    with pytest.raises(DataError, match="'y_train' are rows of 3 numbers, and row 0 is not one-hot"):
        npz.load(save(**{**KERAS, "y_train": rows}))


@pytest.mark.parametrize("dtype", ["uint8", "float64", ">i4", "int8"])
def test_labels_of_any_type_mean_the_same(save, dtype):
    for shift, names in ((0, ("0", "1", "2")), (1, ("1", "2", "3"))):
        path = save(**{**KERAS, "y_train": (Y + shift).astype(dtype), "y_test": (Y[:3] + shift).astype("int16")})
        source = npz.load(path)
        assert (source.train.labels.tolist(), source.train.class_names) == (Y.tolist(), names)


@pytest.mark.parametrize("kind", ["U", "S"])
def test_words_are_labels_too(save, kind):
    words = np.array(["b", "a", "ä"])[Y]
    stored = words if kind == "U" else np.char.encode(words, "utf-8")
    path = save(**{**KERAS, "y_train": stored, "y_test": stored[:3]})
    source = npz.load(path)
    assert source.train.class_names == ("a", "b", "ä")
    assert source.train.labels.tolist() == np.array([1, 0, 2])[Y].tolist()
    assert npz.load(path, class_names=("ä", "b", "a")).train.class_names == ("ä", "b", "a")
    with pytest.raises(DataError, match="labels are b, which are none of the classes a, ä"):
        npz.load(path, class_names=("a", "ä"))
    with pytest.raises(DataError, match="images 'x_train' hold <U1; expected numbers"):
        npz.load(save(**{**KERAS, "x_train": words}))


@pytest.mark.parametrize(("values", "told"), [(784, r"\[1, 28, 28\]"), (3072, r"\[3, 32, 32\]"), (10, r"\[C, H, W\]")])
def test_rows_are_told_what_they_may_be_and_read_by_a_shape(save, values, told):
    rows = RNG.integers(0, 256, (6, values), dtype=np.uint8)
    path = save(x_train=rows, y_train=Y, x_test=rows[:3], y_test=Y[:3])
    for read in (npz.load, npz.peek):
        with pytest.raises(DataError, match=rf"each is one row of values. Give shape: {told}, .* or give axes: 1"):
            read(path)
    shape = {784: (1, 28, 28), 3072: (3, 32, 32), 10: (1, 2, 5)}[values]
    source = npz.load(path, shape=shape)
    assert source.train.image_shape == shape == npz.peek(path, shape=shape)[0]
    assert np.array_equal(source.train.images.reshape(6, -1), rows)
    with pytest.raises(DataError, match=r"which are no images of shape: \[1, 3, 3\]"):
        npz.load(path, shape=(1, 3, 3))
    assert npz.peek(path, axes=1) == ((1, values), 3)


def test_one_class_is_refused_naming_the_array_and_what_else_there_is(save):
    path = save(**{**KERAS, "y_train": np.full(6, 4), "fine_labels": Y})
    for read in (npz.load, npz.peek):
        with pytest.raises(DataError, match="labels 'y_train' are all 4: .* also holds fine_labels: give train_labels"):
            read(path)


def test_a_class_per_pixel_and_pictures(tmp_path):
    rng = np.random.default_rng(0)
    images, masks = rng.integers(0, 256, (8, 5, 6), np.uint8), rng.integers(0, 3, (8, 5, 6))
    masks[0, 0] = 255
    path = tmp_path / "data.npz"
    np.savez(path, x_train=images, y_train=masks, x_test=images[:2], y_test=masks[:2, ..., None])
    source = npz.load(path, labels="pixels")
    assert source.train.kind == "pixels" and source.train.class_names == ("0", "1", "2")
    assert np.array_equal(source.train.labels, masks) and np.array_equal(source.test.labels, masks[:2])
    assert npz.peek(path, labels="pixels", class_names=["a", "b", "c", "d"]) == ((1, 5, 6), 4)
    with pytest.raises(DataError, match=r"shape \(8, 5, 6\); expected whole numbers, .* data.labels: pixels"):
        npz.load(path)
    np.savez(path, x_train=images, y_train=images / 255)
    source = npz.load(path, labels="pictures", test=0.25)
    assert source.train.kind == "pictures" and source.train.labels.dtype == np.float32
    assert npz.peek(path, labels="pictures") == ((1, 5, 6), 1) and source.train.white == 1
    np.savez(path, x_train=images / 255, y_train=images)
    assert npz.load(path, labels="pictures", test=0.25).test.white == 255
    for wrong, told in ((masks - 1, "hold -1; expected classes from 0 to 254"), (masks / 2, "are float64 of shape")):
        np.savez(path, x_train=images, y_train=wrong)
        with pytest.raises(DataError, match=told):
            npz.load(path, labels="pixels")
