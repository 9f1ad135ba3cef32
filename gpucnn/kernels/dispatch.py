"""Which set of kernels computes: C or CUDA; NumPy and CuPy by themselves where C was not built, or on request."""

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from gpucnn.errors import InputError
from gpucnn.kernels import c, cuda, numpy
from gpucnn.kernels.c import library

_asked: str | None = None
_chosen: str | None = None  # "numpy", or the instruction set that the C kernels use


@functools.cache  # every operation asks; `choose` clears it
def _kernels_of(kind: type) -> Any:
    if issubclass(kind, np.ndarray):
        return numpy if chosen() == "numpy" else c
    return numpy if asked() == "numpy" else cuda


# The kernels for arrays of a type, as in kernels_of(type(x)): modules activation, conv, ... of one name in each set.
kernels_of: Callable[[type], Any] = _kernels_of


def asked() -> str:
    """What was asked for last: of `choose`, else of GPUCNN_KERNELS. On a GPU all but `numpy` means CUDA."""
    return _asked or requested()


def chosen() -> str:
    """The set that computes on the CPU; at first the one that GPUCNN_KERNELS asks for, or `auto`."""
    return _chosen or choose(requested())


def requested() -> str:
    """What GPUCNN_KERNELS asks for."""
    return os.environ.get("GPUCNN_KERNELS") or "auto"


def choose(name: str) -> str:
    """Let `numpy`, `auto` (the fastest there is) or one instruction set's C kernels compute; returns which.

    Raises InputError for another name, and for a set that was not built or that this processor does not run.
    """
    global _asked, _chosen
    found = [*library.usable(), "numpy"]
    wanted = found[0] if name == "auto" else name
    if wanted not in found:
        raise InputError(
            f"GPUCNN_KERNELS is {name!r}; expected auto or numpy, or leave it unset; C kernels that run here: "
            f"{', '.join(library.usable()) or 'none'}"
        )
    if wanted != "numpy":
        library.load(wanted)
    _asked, _chosen = name, wanted
    _kernels_of.cache_clear()
    return wanted


def describe() -> str:
    """The set that computes, and why it is that one, in a line."""
    if chosen() != "numpy":
        return f"C, for {chosen()}"
    return f"NumPy: {library.why_none() or 'GPUCNN_KERNELS asks for it'}"
