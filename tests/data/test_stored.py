"""Data sets larger than memory: the same figures, weights and batches as from memory, without the memory."""

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main
from gpucnn.data import Augment, Dataset, Fingerprint, Loader, Normalizer, decoded, load_source
from gpucnn.data.ahead import ahead
from gpucnn.data.room import free_memory, image_memory
from gpucnn.data.stored import Rows, Stored, pieces
from gpucnn.errors import DataError, InputError

SHAPE = (3, 12, 10)
CONFIG = """\
name: large
device: cpu
data: {{name: folder, path: {path}, validation: 0.2, normalize: mean_image, augment: {{shift: 1}}, cache: {cache}}}
model: [{{conv2d: {{out_channels: 4, kernel_size: 3}}}}, relu, flatten, {{linear: {{out_features: classes}}}}]
optimizer: {{name: sgd, lr: 0.01}}
train: {{epochs: 2, batch_size: 16}}
report: false
"""


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("GPUCNN_CACHE_DIR", str(tmp_path / "decoded"))
    return tmp_path / "decoded"


@pytest.fixture
def folder(tmp_path, rng) -> Path:
    """150 pictures of two classes."""
    for number in range(150):
        path = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.fixture
def both(tmp_path, rng) -> tuple[Dataset, Dataset]:
    """The same images in memory, and in a file in another order behind a few bytes."""
    images, labels = rng.integers(0, 256, (1300, *SHAPE), dtype=np.uint8), np.arange(1300) % 3
    order = rng.permutation(1300)
    (tmp_path / "images").write_bytes(b"first" + images[np.argsort(order)].tobytes())
    stored = Stored(Rows(tmp_path / "images", SHAPE, np.dtype(np.uint8), 5), SHAPE, np.dtype(np.uint8), order)
    names = ("a", "b", "c")
    return Dataset(images, labels, names), Dataset(stored, labels, names)  # type: ignore[arg-type]


def test_images_are_read_by_slices_and_numbers(both) -> None:
    whole, stored = (each.images for each in both)
    assert stored.shape == whole.shape and stored.size == whole.size and stored.nbytes == whole.nbytes
    for index in (slice(3, 9), slice(0, 1300, 7), np.array([5, 6, 7, 1, 1299, 0]), np.array([], np.int64)):
        np.testing.assert_array_equal(stored[index], whole[index])
    np.testing.assert_array_equal(np.concatenate(list(pieces(stored))), whole)


def test_figures_of_the_whole_set_are_the_same(both) -> None:
    whole, stored = both
    assert Fingerprint.of("x", {"train": whole}) == Fingerprint.of("x", {"train": stored})
    for kind in ("none", "unit", "standard", "mean_image"):
        for name, array in Normalizer.fit(kind, whole).arrays().items():
            np.testing.assert_array_equal(array, Normalizer.fit(kind, stored).arrays()[name])


@pytest.mark.parametrize("augment", [None, Augment(shift=2), lambda images, rng: images[:, :, ::-1]])
def test_batches_are_the_same(both, augment) -> None:
    loaders = [Loader(each.take(np.arange(7, 900)), 64, augment=augment, shuffle=True, seed=3) for each in both]
    for ours, theirs in zip(*(loader.batches(1, first=4) for loader in loaders), strict=True):
        np.testing.assert_array_equal(ours.images, theirs.images)
        np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_what_needs_all_images_at_once_says_so(both) -> None:
    with pytest.raises(DataError, match=r"more than the memory for images.*GPUCNN_MEMORY"):
        np.ascontiguousarray(both[1].images)


def test_a_file_that_was_shortened_is_told(both, tmp_path) -> None:
    with (tmp_path / "images").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="ends early: it is damaged, or was shortened while in use"):
        both[1].images[:1300]


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_is_the_same_as_from_memory(kept, folder, tmp_path, cache, monkeypatch, capsys) -> None:
    (tmp_path / "large.yaml").write_text(CONFIG.format(path=folder, cache=str(kept).lower()))
    for name, memory in (("whole", "1G"), ("large", "20K"), ("again", "20K")):
        monkeypatch.setenv("GPUCNN_MEMORY", memory)
        assert main(["train", str(tmp_path / "large.yaml"), "--run-dir", str(tmp_path / name), "--quiet"]) == 0
        told = capsys.readouterr().err
        assert ("150 pictures take 0.1 MiB, more than the 0.0 MiB" in told) == (name != "whole")
        assert ("are kept in" in told) == (kept and name == "large")
    weights = {(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "large", "again")}
    pipelines = {(tmp_path / name / "pipeline.json").read_text() for name in ("whole", "large", "again")}
    assert len(weights) == len(pipelines) == 1
    assert cache.exists() == kept
    assert main(["eval", str(tmp_path / "large")]) == 0 and "have changed" not in capsys.readouterr().err


LAYOUTS = [((300, 3, 6, 5), np.uint8), ((300, 6, 5, 3), np.uint8), ((300, 6, 5), np.float32), ((300, 6, 5), "whole")]


@pytest.mark.parametrize(("shape", "dtype"), LAYOUTS)
def test_an_archive_that_is_not_compressed_is_read_in_place(shape, dtype, tmp_path, monkeypatch, rng) -> None:
    if dtype == np.float32:
        images = rng.random(shape, np.float32)
    else:
        images = rng.integers(0, 256, shape).astype(np.float32 if dtype == "whole" else dtype)
    np.savez(tmp_path / "data.npz", y=np.arange(300) % 4, x=images)
    sources = []
    for memory in ("1G", "2K"):
        monkeypatch.setenv("GPUCNN_MEMORY", memory)
        sources.append(load_source("npz", {"path": tmp_path / "data.npz"}).source)
    whole, stored = sources
    assert isinstance(stored.train.images, Stored) and isinstance(whole.train.images, np.ndarray)
    assert Fingerprint.of("x", whole.parts) == Fingerprint.of("x", stored.parts)
    np.testing.assert_array_equal(stored.test.images[:60], whole.test.images)


def test_a_compressed_archive_is_read_whole(tmp_path, monkeypatch, rng) -> None:
    monkeypatch.setenv("GPUCNN_MEMORY", "2K")
    images = rng.integers(0, 256, (300, 6, 5), np.uint8)
    np.savez_compressed(tmp_path / "data.npz", y=np.arange(300) % 4, x=images)
    assert isinstance(load_source("npz", {"path": tmp_path / "data.npz"}).source.train.images, np.ndarray)


def test_an_archive_that_is_cut_off_is_refused(tmp_path, monkeypatch, rng) -> None:
    monkeypatch.setenv("GPUCNN_MEMORY", "2K")
    np.savez(tmp_path / "data.npz", x=rng.integers(0, 256, (300, 6, 5), np.uint8), y=np.arange(300) % 4)
    content = (tmp_path / "data.npz").read_bytes()
    (tmp_path / "data.npz").write_bytes(content[:5000] + content[9000:])
    with pytest.raises(DataError, match=r"data\.npz"):
        load_source("npz", {"path": tmp_path / "data.npz"})


@pytest.fixture
def many(monkeypatch) -> None:
    """So few pictures count as many."""
    monkeypatch.setattr(decoded, "WORTH_KEEPING", 100)


def loaded(folder: Path, **options) -> tuple[np.ndarray, list[str]]:
    source = load_source("folder", {"path": folder, **options}).source
    return np.concatenate([source.train.images, source.test.images]), [n for n in source.notes if "kept" in n]


def test_decoded_pictures_are_kept_until_a_file_changes(folder, cache, many, monkeypatch) -> None:
    before, notes = loaded(folder)
    (kept,) = cache.iterdir()
    assert notes == [
        f"{folder}: 150 decoded pictures are kept in {kept} (0.1 MiB), to be read from there the next time; "
        "data.cache: false leaves that out"
    ]
    with monkeypatch.context() as unreadable:
        unreadable.setattr("gpucnn.data.folder.read_image", None)
        again, notes = loaded(folder)
    np.testing.assert_array_equal(again, before)
    assert notes == [] and [*cache.iterdir()] == [kept]
    loaded(folder, invert=True)
    assert len([*cache.iterdir()]) == 2  # another reading of the same files
    Image.new("RGB", (10, 12), "red").save(folder / "a/0.png")
    changed, notes = loaded(folder)
    assert len(notes) == 1 and not np.array_equal(changed, before)
    assert len([*cache.iterdir()]) == 2 and not kept.exists()  # the one of the files as they were is removed


def test_a_damaged_picture_leaves_nothing_behind(folder, cache, many) -> None:
    (folder / "b/77.png").write_bytes((folder / "b/77.png").read_bytes()[:100])
    with pytest.raises(DataError, match=r"77\.png"):
        loaded(folder)
    assert [*cache.iterdir()] == []


def test_where_nothing_can_be_kept_that_is_told(folder, cache, many) -> None:
    cache.write_text("a file, where a folder should be")
    images, _ = loaded(folder)
    notes = load_source("folder", {"path": folder}).source.notes
    assert len(images) == 150 and any("decoded pictures are not kept for the next time: " in note for note in notes)


def test_a_kept_file_of_another_length_is_made_again(folder, cache, many) -> None:
    before, _ = loaded(folder)
    (kept,) = cache.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    np.testing.assert_array_equal(loaded(folder)[0], before)


@pytest.mark.parametrize(("text", "size"), [("500M", 500 * 2**20), ("1.5 GiB", 3 * 2**29), ("100", 100), ("2k", 2048)])
def test_the_memory_for_images_is_read(text, size, monkeypatch) -> None:
    monkeypatch.setenv("GPUCNN_MEMORY", text)
    assert image_memory() == size


def test_the_memory_for_images_is_half_of_what_is_free(monkeypatch) -> None:
    monkeypatch.delenv("GPUCNN_MEMORY", raising=False)
    assert 2**20 < image_memory() <= 0.75 * free_memory()
    monkeypatch.setenv("GPUCNN_MEMORY", "much")
    with pytest.raises(InputError, match="'much'; expected a size such as 500M or 2G"):
        image_memory()


def test_items_are_made_ahead_and_no_more_of_them() -> None:
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    reading = ahead(items(), depth=2)
    assert list(itertools.islice(reading, 5)) == [0, 1, 2, 3, 4]
    threads = threading.active_count()
    reading.close()
    assert threading.active_count() == threads - 1 and len(made) <= 5 + 2 + 1
    assert list(ahead(iter(range(50)))) == list(range(50))


def test_an_error_while_reading_ahead_is_raised() -> None:
    def items():
        yield 1
        raise DataError("a damaged picture")

    reading = ahead(items())
    assert next(reading) == 1
    with pytest.raises(DataError, match="a damaged picture"):
        next(reading)


PEAK = "import resource, sys; from gpucnn.cli import main; assert main(sys.argv[1:]) == 0; " + (
    "print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)"
)


def test_two_hundred_megabytes_train_within_fifty_above_a_smaller_set(tmp_path, cache) -> None:
    """The smaller set, a third, has whole batches too; both are read from the disk."""
    shades = np.random.default_rng(0).integers(0, 30, (96, 96, 3))
    for number in range(7300):
        for name in ["large", "small"] if number < 2400 else ["large"]:
            path = tmp_path / name / str(number % 2) / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((shades + number % 100 + 100 * (number % 2)).astype(np.uint8)).save(path)
    peaks = {}
    for name in ("small", "large"):
        text = CONFIG.format(path=tmp_path / name, cache="true").replace("kernel_size: 3", "kernel_size: 8, stride: 8")
        (tmp_path / f"{name}.yaml").write_text(text)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "GPUCNN_MEMORY": "1M"}
        command = [sys.executable, "-c", PEAK, "train", str(tmp_path / f"{name}.yaml"), "train.epochs=1", "--quiet"]
        done = subprocess.run(
            [*command, "--run-dir", str(tmp_path / f"run-{name}")],
            env=environment, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "more than the 1.0 MiB of memory for images" in done.stderr
        peaks[name] = int(done.stdout.split()[-1])
    assert peaks["large"] - peaks["small"] < 50e6, peaks
