"""IDX files, healthy and hostile."""

import gzip

import numpy as np
import pytest

from gpucnn.data import idx, untrusted
from gpucnn.errors import DataError
from tests.data.files import idx_bytes, memory_below, write_mnist_like

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_plain_and_gzip_whatever_the_name_says(tmp_path, pack):
    path = tmp_path / "images.bin"
    path.write_bytes(pack(idx_bytes(IMAGES)))
    assert np.array_equal(idx.read_images(path), IMAGES[:, None])
    path.write_bytes(pack(idx_bytes(np.array([3, 1, 2]))))
    labels = idx.read_labels(path)
    assert labels.tolist() == [3, 1, 2]
    assert labels.dtype == np.uint8


def test_load_and_peek_agree_on_what_was_written(tmp_path):
    arrays = write_mnist_like(tmp_path, side=5)
    source = idx.load(tmp_path)
    assert np.array_equal(source.train.images[:, 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(source.test.labels, arrays["t10k-labels-idx1-ubyte"])
    assert source.train.class_names == tuple("0123456789")
    assert idx.peek(tmp_path) == ((1, 5, 5), 10)


GOOD = idx_bytes(IMAGES)
HOSTILE = {
    "empty": (b"", r"not an IDX file: it starts with the bytes \(none\)"),
    "wrong magic": (b"\x89PNG" + GOOD, "starts with the bytes 89 50 4e 47; IDX images start with 00 00 08 03"),
    "unknown type": (idx_bytes(IMAGES, kind=7), "not an IDX file"),
    "type": (idx_bytes(IMAGES, kind=0x0D), r"values are 32-bit floats \(type 0x0d\); expected unsigned bytes"),
    "labels": (idx_bytes(np.arange(5)), "1 dimensions, but images have 3. Are the files .* exchanged"),
    "header cut": (GOOD[:9], "ends inside its header, after 9 bytes"),
    "truncated": (GOOD[:-1], "announces 2 x 3 x 4 = 24 bytes of images, but it holds only 23"),
    "junk after": (GOOD + b"!", "24 bytes of images, but it holds more"),
    "no images": (idx_bytes(IMAGES, dimensions=(0, 28, 28)), "it is empty"),
    "oversized": (idx_bytes(IMAGES, dimensions=(2**32 - 1,) * 3), "at most 2,147,483,648 are read"),
    "claims 1 GB": (idx_bytes(IMAGES, dimensions=(2**20, 32, 32)), "but it holds only 24"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_words(tmp_path, case, pack):
    content, words = HOSTILE[case]
    path = tmp_path / "train-images"
    path.write_bytes(pack(content))
    with pytest.raises(DataError, match=words) as caught:
        idx.read_images(path)
    assert str(path) in str(caught.value)


def test_damaged_gzip_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    packed = gzip.compress(GOOD)
    path.write_bytes(packed[:-9])
    with pytest.raises(DataError, match="gzip stream ends early, so the file is truncated"):
        idx.read_images(path)
    path.write_bytes(packed + b"junk")
    with pytest.raises(DataError, match="gzip stream is damaged"):
        idx.read_images(path)
    path.write_bytes(packed[:-5] + bytes([packed[-5] ^ 1]) + packed[-4:])
    with pytest.raises(DataError, match="gzip stream is damaged .*CRC"):
        idx.read_images(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(GOOD + bytes(2**28)))  # 0.26 MB that unpack to 268
    with memory_below(2**20), pytest.raises(DataError, match="it holds more"):
        idx.read_images(path)


def test_what_is_announced_takes_no_memory_before_it_is_there(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx_bytes(IMAGES, dimensions=(2**20, 32, 32)))
    with memory_below(2**22), pytest.raises(DataError, match="1,073,741,824 bytes of images, but it holds only 24"):
        idx.read_images(path)


def test_unequal_counts_and_labels_out_of_range_name_the_file(tmp_path):
    write_mnist_like(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(idx_bytes(np.zeros(19)))
    with pytest.raises(DataError, match="holds 20 images, but .*train-labels-idx1-ubyte.gz 19 labels"):
        idx.load(tmp_path)
    labels.write_bytes(idx_bytes(np.arange(20)))
    with pytest.raises(DataError, match="Label 2 of image 2 is out of range: 2 classes"):
        idx.load(tmp_path, class_names=("a", "b"))


def test_labels_without_images_are_not_unpacked(tmp_path):
    write_mnist_like(tmp_path)
    bomb = idx_bytes(np.zeros(2**26), dimensions=(2**31 - 1,))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bomb))
    for read in (idx.load, idx.peek):
        with memory_below(2**20), pytest.raises(DataError, match="2,147,483,647 labels: every image needs one label"):
            read(tmp_path)


def test_missing_files_and_folders_are_told(tmp_path):
    with pytest.raises(DataError, match="holds neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"):
        idx.load(tmp_path)
    with pytest.raises(DataError, match="is not a file but a folder or a device"):
        idx.read_images(tmp_path)
    with pytest.raises(FileNotFoundError):
        idx.read_images(tmp_path / "nothing")


def test_the_bound_is_two_gibibytes():
    untrusted.check_size("x", 2**31)
    with pytest.raises(DataError, match="x: unpacked it would take 2,147,483,649 bytes"):
        untrusted.check_size("x", 2**31 + 1)


@pytest.mark.parametrize(
    "place",
    ["{name}", "{point}", "{name}.gz", "raw/{name}", "MNIST/raw/{name}", "{name}/{name}", "{point}/{point}"],
)
def test_files_are_found_where_others_put_them(tmp_path, place):
    written = write_mnist_like(tmp_path / "packed")
    for name in written:
        path = tmp_path / "data" / place.format(name=name, point=name.replace("-idx", ".idx"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / "packed" / f"{name}.gz").read_bytes())
    source = idx.load(tmp_path / "data")
    assert np.array_equal(source.train.images[:, 0], written["train-images-idx3-ubyte"])
    assert idx.peek(tmp_path / "data") == ((1, 28, 28), 10)


def test_of_two_sets_in_one_folder_none_is_guessed(tmp_path):
    for name in ("MNIST", "FashionMNIST"):
        write_mnist_like(tmp_path / name / "raw")
    with pytest.raises(DataError, match="holds neither train-images-idx3-ubyte"):
        idx.load(tmp_path)
    assert len(idx.load(tmp_path / "MNIST").train) == 20


def test_labels_from_1_make_no_class_without_images(tmp_path):
    write_mnist_like(tmp_path)
    for name, n in (("train", 20), ("t10k", 10)):
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.arange(n) % 10 + 1))
    source = idx.load(tmp_path)
    assert source.train.class_names == tuple(map(str, range(1, 11)))
    assert source.train.labels.tolist() == [*range(10)] * 2
    assert idx.load(tmp_path, class_names=tuple("abcdefghij")).test.class_counts.tolist() == [1] * 10
    assert idx.peek(tmp_path) == ((1, 28, 28), 10)
    for read in (idx.load, idx.peek):
        with pytest.raises(
            DataError, match="train-labels-idx1-ubyte.gz: Label 9 of image 8 is out of range: 9 classes"
        ):
            read(tmp_path, class_names=tuple("abcdefghi"))
