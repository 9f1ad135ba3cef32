"""What a data set is known by again."""

import tracemalloc

import numpy as np
import pytest

from gpucnn.data import Dataset, Fingerprint, load_source
from gpucnn.errors import DataError
from tests.data.files import needs_real_data

RNG = np.random.default_rng(2)
IMAGES = RNG.integers(0, 256, (700, 3, 5, 5), dtype=np.uint8)  # 75 bytes an image: not a multiple of eight
LABELS = np.arange(700) % 3
NAMES = ("ant", "bee", "cow")


def fingerprint(images=IMAGES, labels=LABELS, names=NAMES, dataset="folder", n=500, **parts):
    whole = Dataset(images, labels, names)
    given = {"train": whole.take(np.arange(n)), "test": whole.take(np.arange(n, len(whole))), **parts}
    return Fingerprint.of(dataset, {name: part for name, part in given.items() if part is not None})


def changed(array, *places, by=1):
    copy = array.copy()
    copy[places] += np.array(by, array.dtype)
    return copy


def test_the_same_data_have_the_same_fingerprint_and_none_differ_from_themselves():
    print_ = fingerprint()
    assert print_ == fingerprint(IMAGES.copy(), LABELS.astype(np.uint8))
    assert print_.differences(fingerprint()) == []
    strided = np.ascontiguousarray(IMAGES.transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    assert fingerprint(strided) == print_


@pytest.mark.parametrize("seed", range(20))
def test_any_pixel_that_changes_is_seen(seed):
    rng = np.random.default_rng(seed)
    place = tuple(int(rng.integers(0, side)) for side in IMAGES.shape)
    part = "train" if place[0] < 500 else "test"
    (said,) = fingerprint().differences(fingerprint(changed(IMAGES, *place)))
    assert said == f"{part}: as many images as before, but other pixels, labels or another order"


def exchanged(a: int, b: int) -> np.ndarray:
    order = np.arange(700)
    order[[a, b]] = b, a
    return order


OTHER = {
    "negatives": ({"images": 255 - IMAGES}, ["train: as many images", "test: as many images"]),
    "order": ({"images": IMAGES[exchanged(0, 499)], "labels": LABELS[exchanged(0, 499)]}, ["train: as many images"]),
    "two labels exchanged": (
        {"labels": LABELS[exchanged(0, 1)]},
        ["train: as many images as before, but other pixels"],
    ),
    "a label": ({"labels": changed(LABELS, 0)}, ["train: as many images as before, but other numbers of each class"]),
    "one more to train on": (
        {"n": 501},
        ["train: there were 500 images, and now there are 501", "test: there were 200 images, and now there are 199"],
    ),
    "a class renamed": ({"names": ("ant", "bee", "aardvark")}, ["of the classes 'cow' gone and 'aardvark' new"]),
    "classes in another order": ({"names": ("bee", "ant", "cow")}, ["the classes were in the order 'ant', 'bee'"]),
    "a class more": ({"names": (*NAMES, "dog")}, ["of the classes 'dog' new", "train: as many", "test: as many"]),
    "another data set": ({"dataset": "mnist"}, ["the data set was folder and is mnist"]),
    "no test": ({"test": None}, ["test: there were images, and none are left"]),
    "validation": ({"validation": Dataset(IMAGES, LABELS, NAMES)}, ["validation: there were no such images, and now"]),
    "another shape": (
        {"images": IMAGES.reshape(700, 3, 25, 1)},
        ["images were (3, 5, 5) and are (3, 25, 1)", "train: as many images", "test: as many images"],
    ),
    "another type": ({"images": IMAGES.astype(np.float32)}, ["train: as many images", "test: as many images"]),
}


@pytest.mark.parametrize("kind", OTHER)
def test_what_differs_is_told(kind):
    change, expected = OTHER[kind]
    said = fingerprint().differences(fingerprint(**change))
    assert len(said) == len(expected)
    assert all(words.startswith(begin) for words, begin in zip(said, expected, strict=True))


def test_kept_as_json_it_is_the_same():
    print_ = fingerprint(names=("ä", '"', "c"))
    assert Fingerprint.from_json(print_.to_json()) == print_
    with pytest.raises(DataError, match=r"parts.train.digest: .* Restore it, or train again"):
        Fingerprint.from_json(print_.to_json().replace('"digest": "', '"digest": "x', 1))


@needs_real_data
def test_it_copies_little_of_mnist():
    """How long it takes depends on the machine; that no copy of the 55 MB of pixels is made does not."""
    parts = load_source("mnist").source.parts
    tracemalloc.start()
    try:
        Fingerprint.of("mnist", parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
