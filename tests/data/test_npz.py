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
    with pytest.raises(DataError, match="it holds no array 'y_train'; it holds images, labels"):
        npz.load(path)


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
        (header((5,)) + bytes(4), r"'y_train' is \(5,\) of uint8, which takes 5 bytes, but the archive holds 4"),
        (header((3,)) + bytes(4), "takes 3 bytes, but the archive holds 4"),
        (header((2**40,)) + bytes(4), "takes 1,099,511,627,776 bytes, but the archive holds 4"),
        (header((-4,)) + bytes(4), "takes -4 bytes"),
        (header((4,), "<U1") + bytes(16), "holds <U1; expected numbers"),
        (header((2, 2)) + bytes(4), r"labels 'y_train' are uint8 of shape \(2, 2\); expected whole numbers"),
        (header((0,)), "expected whole numbers"),
        (header((1,), "<f4") + bytes(4), "labels 'y_train' are float32"),
    ],
)
def test_hostile_members(tmp_path, member, words):
    path = archive(tmp_path / "data.npz", member)
    with pytest.raises(DataError, match=words) as caught:
        npz.load(path)
    assert str(path) in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = archive(tmp_path / "data.npz", header((4,)) + bytes(2**28))
    words = "takes 4 bytes, but the archive holds 268,435,456"
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
