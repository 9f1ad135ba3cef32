"""MNIST and Fashion-MNIST, local, broken, downloaded, real."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from gpucnn.data import load_source, mnist
from gpucnn.data.download import DownloadError, RemoteFile
from gpucnn.errors import DataError
from tests.data.files import idx_bytes, needs_real_data, write_mnist_like
from tests.data.server import Mirror, give


@pytest.fixture
def local(tmp_path, monkeypatch):
    """An empty data folder, and no mirror that would answer."""
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(mnist, "MIRRORS", dict.fromkeys(mnist.MIRRORS, ()))
    return tmp_path / "data"


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_a_local_copy_is_judged_by_structure_alone(local, name):
    arrays = write_mnist_like(local / name)
    plain = local / name / "t10k-images-idx3-ubyte"
    plain.write_bytes(gzip.decompress((local / name / f"{plain.name}.gz").read_bytes()))
    (local / name / f"{plain.name}.gz").unlink()
    source = load_source(name).source
    assert np.array_equal(source.train.images[:, 0], arrays["train-images-idx3-ubyte"])
    assert np.array_equal(source.test.images[:, 0], arrays[plain.name])
    assert mnist.missing(name) == []


def test_class_names():
    assert mnist.CLASS_NAMES["mnist"] == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert mnist.CLASS_NAMES["fashion_mnist"][9] == "Ankle boot"
    assert all(len(names) == 10 for names in mnist.CLASS_NAMES.values())


@pytest.mark.parametrize("absent", [(), ("t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")])
def test_a_broken_local_file_is_an_error_and_never_a_reason_to_fall_back(local, absent):
    """Neither where it stands in a whole set, nor where others are still to be downloaded."""
    write_mnist_like(local / "mnist")
    for name in absent:
        (local / "mnist" / name).unlink()
    broken = local / "mnist" / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    before = broken.read_bytes()
    with pytest.raises(DataError, match="truncated") as caught:
        load_source("mnist", fallback="digits")
    assert not isinstance(caught.value, DownloadError)
    assert broken.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("train-labels-idx1-ubyte", np.full(20, 10), "Label 10 of image 0 is out of range: 10 classes"),
        ("t10k-labels-idx1-ubyte", np.zeros(9), "t10k-labels-idx1-ubyte.gz 9 labels: every image needs one"),
        ("t10k-images-idx3-ubyte", np.zeros((10, 14, 14)), r"Training images are \(1, 28, 28\), but test images"),
    ],
)
def test_a_local_copy_of_wrong_structure_is_refused(local, name, array, words):
    write_mnist_like(local / "mnist")
    (local / "mnist" / f"{name}.gz").write_bytes(gzip.compress(idx_bytes(array)))
    with pytest.raises(DataError, match=words):
        load_source("mnist")


def test_images_of_another_size_are_not_mnist(local):
    write_mnist_like(local / "mnist", side=14)
    with pytest.raises(DataError, match=r"its images are \(1, 14, 14\); mnist has \(1, 28, 28\)"):
        load_source("mnist")


def test_what_is_absent_is_downloaded_and_what_is_there_is_not(local, tmp_path, monkeypatch):
    write_mnist_like(tmp_path / "published")
    content = {path.name: path.read_bytes() for path in (tmp_path / "published").iterdir()}
    files = tuple(RemoteFile(n, len(c), hashlib.sha256(c).hexdigest()) for n, c in content.items())
    server = Mirror({name: give(c) for name, c in content.items()})
    monkeypatch.setattr(mnist, "FILES", {"mnist": files})
    monkeypatch.setattr(mnist, "MIRRORS", {"mnist": (server.url,)})
    (local / "mnist").mkdir(parents=True)
    here = "train-labels-idx1-ubyte.gz"
    (local / "mnist" / here).write_bytes(content[here])
    assert len(load_source("mnist").source.train) == 20
    assert sorted(server.asked) == sorted(set(content) - {here})
    server.close()
    assert len(load_source("mnist").source.test) == 10  # now from disk


@needs_real_data
def test_the_real_mnist():
    source = load_source("mnist").source
    assert (source.train.images.shape, source.test.images.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert source.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert source.train.class_counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert source.test.class_counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.peek() == (source.train.image_shape, 10)


@needs_real_data
def test_the_checksums_are_those_of_the_official_files():
    folder = Path(os.environ["GPUCNN_DATA_DIR"]) / "mnist"
    for file in mnist.FILES["mnist"][1:]:  # the training images are a copy packed anew
        content = (folder / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)


@pytest.mark.parametrize("place", ["mnist", "mnist/raw", "mnist/MNIST/raw", "MNIST/raw"])
@pytest.mark.parametrize("point", [False, True])
def test_copies_of_others_are_found_and_nothing_is_downloaded(local, place, point):
    arrays = write_mnist_like(local / place)
    for name in arrays if point else ():
        (local / place / f"{name}.gz").rename(local / place / name.replace("-idx", ".idx"))
    assert np.array_equal(load_source("mnist").source.train.images[:, 0], arrays["train-images-idx3-ubyte"])
    assert mnist.missing("mnist") == []
    assert len(mnist.missing("fashion_mnist")) == 4
