"""The data sets by the names that configurations use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from gpucnn.data import csv, folder, idx, masks, mnist, npz, scenes, synthetic, uci
from gpucnn.data.dataset import Source
from gpucnn.data.download import DownloadError
from gpucnn.errors import ConfigError

SOURCES: dict[str, Callable[..., Source]] = {
    "mnist": mnist.load_mnist,
    "fashion_mnist": mnist.load_fashion_mnist,
    "digits": uci.load,
    "synthetic": synthetic.load,
    "idx": idx.load,
    "csv": csv.load,
    "npz": npz.load,
    "folder": folder.load,
    "masks": masks.load,
    "noisy_digits": scenes.load_noisy,
    "cluttered_digits": scenes.load_cluttered,
}
_PEEKS: dict[str, Callable[..., tuple[tuple[int, ...], int]]] = {
    "mnist": mnist.peek,
    "fashion_mnist": mnist.peek,
    "digits": uci.peek,
    "synthetic": synthetic.peek,
    "idx": idx.peek,
    "csv": csv.peek,
    "npz": npz.peek,
    "folder": folder.peek,
    "masks": masks.peek,
    "noisy_digits": scenes.peek_noisy,
    "cluttered_digits": scenes.peek_cluttered,
}
PER_PIXEL = ("masks", "cluttered_digits")  # their labels are a class per pixel
MAY_VALIDATE = ("npz", "folder", "masks")  # may hold validation images of their own
FALLBACKS = ("digits", "synthetic")  # need neither a file, nor the network, nor options
# Training and test images of the data sets that a fallback can stand in for.
_SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000)}


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A data set and the name it was requested by; `why` is the reason if another was used, else None."""

    source: Source
    requested: str
    used: str
    why: str | None = None

    def scaled(self, size: int | float, of: Literal["train", "all"] = "train") -> int | float:
        """A number of images of the requested set, for the set used: after a fallback, the same fraction."""
        if self.requested == self.used or isinstance(size, float):
            return size
        train, test = _SIZES[self.requested]
        return size / (train if of == "train" else train + test)


def load_source(name: str, options: Mapping[str, Any] | None = None, fallback: str | None = None) -> Loaded:
    """Load the data set `name` with its options, or `fallback` without options if `name` is unavailable.

    Unavailable means that no file is on disk and no download succeeds; a damaged file is an error and never leads to
    the fallback. A leading ~ in paths is expanded. Raises ConfigError for an unknown name, DataError and OSError as
    the loaders do.
    """
    load = _known(SOURCES, name)
    if fallback is not None and fallback not in FALLBACKS:
        raise ConfigError(f"fallback is {fallback!r}; what is always at hand is {' or '.join(FALLBACKS)}.")
    try:
        return Loaded(load(**_expanded(options)), name, name)
    except DownloadError as error:
        if fallback is None:
            raise
        return Loaded(SOURCES[fallback](), name, fallback, str(error))


def load_fallback(requested: str, used: str) -> Loaded:
    """Load the data set `used` in place of `requested`, as an earlier run did, without trying `requested`."""
    return Loaded(_known(SOURCES, used)(), requested, used)


def peek(name: str, options: Mapping[str, Any] | None = None) -> tuple[tuple[int, ...], int]:
    """Image shape (C, H, W) and number of classes of a data set, found without reading its images.

    Errors in the labels are found too, so that they are reported before those of a network. Raises as `load_source`.
    """
    return _known(_PEEKS, name)(**_expanded(options))


def _expanded(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options, with a leading ~ in paths expanded."""
    return {
        name: value.expanduser() if isinstance(value, Path) and value.parts[:1] == ("~",) else value
        for name, value in (options or {}).items()
    }


def _known(registry: dict[str, T], name: str) -> T:
    if name not in registry:
        raise ConfigError(f"There is no data set {name!r}; there are {', '.join(registry)}.")
    return registry[name]
