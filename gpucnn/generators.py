"""The process's random generator, and what random numbers are drawn with on a device."""

import contextlib
import functools
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn.backend import Array, load_cupy, module_of


@functools.cache  # one for the process: initial weights and dropout draw from it, and a checkpoint holds its state
def generator() -> np.random.Generator:
    """The process's random generator, which initialisers and dropout draw from.

    It lives on the host, so that a seed gives the same weights on every device, and its state is a few integers that a
    checkpoint can hold.
    """
    return np.random.Generator(np.random.PCG64())


def manual_seed(seed: int) -> None:
    """Start the process's random generator anew from `seed`."""
    set_generator_state(dict(np.random.PCG64(seed).state))


def generator_state() -> dict[str, Any]:
    """The generator's state, fit for JSON."""
    return dict(generator().bit_generator.state)


def set_generator_state(state: dict[str, Any]) -> None:
    """Continue from a state that `generator_state` returned. Raises KeyError, TypeError or ValueError for another."""
    generator().bit_generator.state = state


# What `drawing_from` gives to the kernels called inside it; one for each thread, since each runs its own step.
_drawing = threading.local()


@contextlib.contextmanager
def drawing_from(seed: Array) -> Iterator[None]:
    """Let `draw_key` give streams of one seed, (1,) int64 on the device: a captured step has it changed there."""
    _drawing.seed, _drawing.streams = seed, itertools.count()
    try:
        yield
    finally:
        del _drawing.seed


def draw_key() -> tuple[int | Array, int]:
    """What the next random numbers on a GPU are drawn with: a seed, and the number of one of its streams.

    The seed comes from the host's generator, whose state a checkpoint holds; within `drawing_from` every call has the
    next stream of that seed.
    """
    if hasattr(_drawing, "seed"):
        return _drawing.seed, next(_drawing.streams)
    return int(generator().integers(2**63)), 0


def fill_uniform(out: Array) -> Array:
    """Fill the floating array `out` with numbers uniform in [0, 1), drawn on its device, and return it."""
    if module_of(out) is np:
        generator().random(out=out, dtype=out.dtype)
        return out
    seed = int(generator().integers(2**63))
    random = load_cupy().random
    out[...] = random.Generator(random.Philox4x3210(seed)).random(out.shape, dtype=out.dtype)
    return out
