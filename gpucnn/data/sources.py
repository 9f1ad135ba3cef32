"""The data sets by name: what a configuration can ask for, and what it gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from gpucnn.data import csv, folder, idx, mnist, npz, synthetic, uci
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
}
MAY_VALIDATE = ("npz", "folder")  # may hold validation images of their own
FALLBACKS = ("digits", "synthetic")  # need neither a file, nor the network, nor options
# Training and test images of the data sets that a fallback can stand in for.
_SIZES = {"mnist": (60_000, 10_000), "fashion_mnist": (60_000, 10_000)}


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Loaded:
    """A data set, and whether it is the one asked for: `why` tells why another was used, or is None."""

    source: Source
    requested: str
    used: str
    why: str | None = None

    def scaled(self, size: int | float, of: Literal["train", "all"] = "train") -> int | float:
        """What a number of the requested set's images means in the set used: after a fallback, a fraction."""
        if self.requested == self.used or isinstance(size, float):
            return size
        train, test = _SIZES[self.requested]
        return size / (train if of == "train" else train + test)


def load_source(name: str, options: Mapping[str, Any] | None = None, fallback: str | None = None) -> Loaded:
    """Load the data set `name` with its options; `fallback` (without options) where it is neither here nor to
    be had.

    Only DownloadError leads to the fallback: a file that is here but damaged is an error, whatever stands by.
    Paths that begin with ~ lead into the user's home. Raises ConfigError for an unknown name, DataError and
    OSError as the loaders do.
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
    """The data set `used`, as it stood in for `requested` before; that one is not looked for."""
    return Loaded(_known(SOURCES, used)(), requested, used)


def peek(name: str, options: Mapping[str, Any] | None = None) -> tuple[tuple[int, ...], int]:
    """Image shape (C, H, W) and number of classes of a data set, found without reading its images.

    Faults of the labels are found too, so that they are told before those of a network. Raises as `load_source`.
    """
    return _known(_PEEKS, name)(**_expanded(options))


def _expanded(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options, with a leading ~ of their paths expanded."""
    return {
        name: value.expanduser() if isinstance(value, Path) and value.parts[:1] == ("~",) else value
        for name, value in (options or {}).items()
    }


def _known(registry: dict[str, T], name: str) -> T:
    if name not in registry:
        raise ConfigError(f"There is no data set {name!r}; there are {', '.join(registry)}.")
    return registry[name]
