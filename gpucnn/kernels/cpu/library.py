"""The compiled modules, one for each instruction set, and the one of them that computes."""

import functools
import importlib
from typing import Any

from gpucnn import threads

SETS = ("avx512", "avx2", "plain")  # the widest first

c: Any = None  # the module that computes, once `load` has chosen it


@functools.cache
def usable() -> dict[str, Any]:
    """The modules that were built and that this processor runs, by the name of their instruction set."""
    try:
        plain = _module("plain")
    except ImportError:  # built where there is a compiler; `supports` must be asked of code that every processor runs
        return {}
    return {name: module for name in SETS if plain.supports(name) and (module := _built(name))}


def load(name: str) -> None:
    """Let the module of that name compute, on GPUCNN_THREADS threads."""
    global c
    c = usable()[name]
    c.set_threads(threads.thread_count())


def _built(name: str) -> Any:
    try:
        return _module(name)
    except ImportError:
        return None


def _module(name: str) -> Any:
    return importlib.import_module(f"gpucnn.kernels.cpu._{name}")
