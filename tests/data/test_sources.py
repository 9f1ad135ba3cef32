"""The data sets by name, their options, and the fallback."""

import inspect
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from gpucnn.data import SOURCES, load_source, mnist, peek
from gpucnn.data.download import DownloadError
from gpucnn.data.sources import _PEEKS
from gpucnn.errors import ConfigError, DataError
from tests.data.files import write_mnist_like


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUCNN_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(mnist, "MIRRORS", dict.fromkeys(mnist.MIRRORS, ("http://127.0.0.1:9/",)))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_the_names():
    assert list(SOURCES) == ["mnist", "fashion_mnist", "digits", "synthetic", "idx", "csv", "npz", "folder", "masks",
                             "noisy_digits", "cluttered_digits"]  # fmt: skip
    assert list(_PEEKS) == list(SOURCES)


@pytest.mark.parametrize("name", SOURCES)
def test_every_option_can_be_checked_by_its_annotation(name):
    options = inspect.signature(SOURCES[name]).parameters
    for option in options.values():
        adapter = TypeAdapter(option.annotation)
        if option.default is not option.empty:
            adapter.validate_python(option.default)
    own = [p.name for p in inspect.signature(_PEEKS[name]).parameters.values() if p.kind != p.VAR_KEYWORD]
    assert set(own) <= set(options)


def test_peek_tells_what_loading_gives(tmp_path):
    write_mnist_like(tmp_path)
    for name, options in (
        ("digits", {}),
        ("noisy_digits", {"train": 9, "test": 4}),
        ("cluttered_digits", {"train": 9, "test": 4}),
        ("synthetic", {"train": 9, "test": 4, "shape": (2, 5, 5), "classes": 3}),
        ("idx", {"path": tmp_path}),
    ):
        train = load_source(name, options).source.train
        assert peek(name, options) == (train.image_shape, len(train.class_names))


def test_a_fallback_is_used_where_the_set_cannot_be_had_and_says_so(unreachable):
    loaded = load_source("mnist", fallback="digits")
    assert (loaded.requested, loaded.used, len(loaded.source.train)) == ("mnist", "digits", 1437)
    assert "no mirror gave it" in loaded.why
    assert loaded.scaled(10_000) == 1 / 6
    assert loaded.scaled(56_000, of="all") == 0.8
    assert loaded.scaled(0.1) == 0.1


def test_without_a_fallback_it_is_an_error(unreachable):
    with pytest.raises(DownloadError, match="http://127.0.0.1:9/train-images-idx3-ubyte.gz: "):
        load_source("fashion_mnist")


def test_what_is_there_needs_no_fallback(unreachable, tmp_path):
    write_mnist_like(tmp_path / "mnist")
    loaded = load_source("mnist", fallback="digits")
    assert (loaded.used, loaded.why, len(loaded.source.train)) == ("mnist", None, 20)
    assert loaded.scaled(10_000) == 10_000
    assert np.array_equal(loaded.source.train.labels, np.arange(20) % 10)


def test_unknown_names_are_told():
    with pytest.raises(ConfigError, match="There is no data set 'cifar'; there are mnist, fashion_mnist, digits"):
        load_source("cifar")
    with pytest.raises(ConfigError, match="There is no data set 'cifar'"):
        peek("cifar")
    with pytest.raises(ConfigError, match="fallback is 'csv'; what is always at hand is digits or synthetic"):
        load_source("mnist", fallback="csv")


def test_a_path_may_begin_in_the_users_home(tmp_path, monkeypatch):
    write_mnist_like(tmp_path / "digits")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_source("idx", {"path": Path("~/digits")}).source.train) == 20
    assert peek("idx", {"path": Path("~/digits")}) == ((1, 28, 28), 10)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~").mkdir()
    with pytest.raises(DataError, match="holds neither"):
        load_source("idx", {"path": Path("./~/digits").absolute()})
