"""The compiled modules, one for each instruction set, and the one of them that computes."""

import functools
import importlib
import importlib.util
from typing import Any

from gpucnn import threads
from gpucnn.kernels.c.fingerprint import fingerprint

SETS = ("avx512", "avx2", "plain")  # the widest first

c: Any = None  # the module that computes, set by `load`; looked up at each call, so that a choice takes effect at once


@functools.cache  # what was built and what the processor runs stay the same
def usable() -> dict[str, Any]:
    """The modules that were built and that this processor runs, by the name of their instruction set."""
    if why_none():
        return {}
    supports = _module("plain").supports  # only code that every processor runs may ask which sets this one runs
    return {name: _module(name) for name in SETS if supports(name) and not why_unusable(name)}


def why_none() -> str | None:
    """Why no module is usable; None where one is."""
    return why_unusable("plain")


@functools.cache  # as above
def why_unusable(name: str) -> str | None:
    """Why the module of that name cannot be used, on a processor that runs it; None where it can."""
    if not _was_built(name):
        return "the C kernels were not built (a C compiler, such as gcc, must be there when gpucnn is installed)"
    try:
        built_from = getattr(_module(name), "fingerprint", "unknown")
    except ImportError as error:
        return f"the C kernels cannot be loaded: {error}".splitlines()[0]
    if fingerprint() not in (None, built_from):
        return (
            "the C kernels were built from other sources than those here, and could give wrong results; "
            "build them again: python setup.py build_ext --inplace --force"
        )
    return None


def load(name: str) -> None:
    """Let the module of that name compute, on GPUCNN_THREADS threads."""
    global c
    c = usable()[name]
    c.set_threads(threads.thread_count())


def _was_built(name: str) -> bool:
    return importlib.util.find_spec(f"gpucnn.kernels.c._{name}") is not None


def _module(name: str) -> Any:
    return importlib.import_module(f"gpucnn.kernels.c._{name}")
