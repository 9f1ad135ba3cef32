"""Which set of kernels computes: `c` or `cuda`, and `numpy` where C was not built or where it was asked for."""

import functools
import os
from collections.abc import Callable

import numpy as np

from gpucnn.errors import InputError
from gpucnn.kernels import c, cuda, numpy
from gpucnn.kernels.c import library

# The choice holds for the process, like the device; among the chosen sets an array's type decides.
_asked: str | None = None  # the argument of the last `choose`
_chosen: str | None = None  # what that came to: "numpy", or the instruction set that the C kernels use


@functools.cache  # every operation asks; `choose` clears it
def _kernels_of(kind: type) -> numpy.Kernels:
    if issubclass(kind, np.ndarray):
        return (numpy if chosen() == "numpy" else c).kernels
    return (numpy if asked() == "numpy" else cuda).kernels


# The kernels for arrays of a type, as in kernels_of(type(x)).conv.forward.
kernels_of: Callable[[type], numpy.Kernels] = _kernels_of


def asked() -> str:
    """The last argument of `choose`, at first the value of GPUCNN_KERNELS. On a GPU all but `numpy` means CUDA."""
    return _asked or requested()


def chosen() -> str:
    """The set that computes on the CPU: `numpy` or an instruction set; at first by GPUCNN_KERNELS."""
    return _chosen or choose(requested())


def requested() -> str:
    """The value of the environment variable GPUCNN_KERNELS; `auto` where it is not set."""
    return os.environ.get("GPUCNN_KERNELS") or "auto"


def choose(name: str) -> str:
    """Let `numpy`, `auto` (the fastest available) or the C kernels of one instruction set compute; returns which.

    Raises InputError for another name, and for a set that was not built or that this processor does not run.
    """
    global _asked, _chosen
    found = [*library.usable(), "numpy"]
    wanted = found[0] if name == "auto" else name
    if wanted not in found:
        cause = library.why_unusable(name) if name in library.SETS else None
        raise InputError(
            f"GPUCNN_KERNELS is {name!r}; expected auto or numpy, or leave it unset; C kernels that run here: "
            f"{', '.join(library.usable()) or 'none'}{f' ({name}: {cause})' if cause else ''}"
        )
    if wanted != "numpy":
        library.load(wanted)
    _asked, _chosen = name, wanted
    _kernels_of.cache_clear()
    return wanted


def describe() -> str:
    """The set that computes on the CPU, and why, in one line."""
    if chosen() != "numpy":
        return f"C, for {chosen()}"
    return f"NumPy: {library.why_none() or 'GPUCNN_KERNELS asks for it'}"
