"""The process's random generator, and the seeds of random numbers drawn on a GPU."""

import contextlib
import functools
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpucnn.backend import Array, load_cupy, module_of
from gpucnn.parallel import current, interlude

STREAMS = 1 << 20  # of a seed, for each process


@functools.cache  # one for the process: initial weights and dropout draw from it, and a checkpoint holds its state
def generator() -> np.random.Generator:
    """The process's random generator, which initialisers and dropout draw from.

    It runs on the host, so that a seed gives the same weights on every device. Its state is a few integers, which a
    checkpoint holds.
    """
    return np.random.Generator(np.random.PCG64())


def manual_seed(seed: int) -> None:
    """Restart the process's random generator from `seed`."""
    set_generator_state(dict(np.random.PCG64(seed).state))


def generator_state() -> dict[str, Any]:
    """The generator's state, as values that JSON can hold."""
    return dict(generator().bit_generator.state)


def set_generator_state(state: dict[str, Any]) -> None:
    """Continue from a state that `generator_state` returned. Raises KeyError, TypeError or ValueError for others."""
    generator().bit_generator.state = state


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside, the process's generator draws from `seed`; afterwards it goes on from where it was."""
    before = generator_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_generator_state(before)


# What `drawing_from` gives to the kernels called inside it; one for each thread, since each runs its own step.
_drawing = threading.local()


@contextlib.contextmanager
def drawing_from(seed: Array) -> Iterator[None]:
    """Inside, `draw_key` returns streams of one seed, (1,) int64 on the device, which a captured step changes there."""
    _drawing.seed, _drawing.streams = seed, itertools.count(STREAMS * current().rank)
    try:
        yield
    finally:
        del _drawing.seed


def draw_key() -> tuple[int | Array, int]:
    """The seed and stream number for the next random numbers on a GPU.

    The seed is drawn from the host's generator, whose state a checkpoint holds; inside `drawing_from` every call
    returns the next stream of the given seed. Processes that share a batch draw from streams of their own.
    """
    if hasattr(_drawing, "seed"):
        return _drawing.seed, next(_drawing.streams)
    return int(generator().integers(2**63)), STREAMS * current().rank


def fill_uniform(out: Array) -> Array:
    """Fill the floating array `out` with numbers uniform in [0, 1), drawn on its device, and return it.

    Of processes that share a batch each draws others, and the process's generator moves on by as much in all of them.
    """
    if module_of(out) is np:
        np.random.Generator(own_bits()).random(out=out, dtype=out.dtype)
        return out
    random = load_cupy().random
    out[...] = random.Generator(random.Philox4x3210(_own_seed(current().rank))).random(out.shape, dtype=out.dtype)
    return out


def own_bits() -> Any:
    """The bits that the next random numbers on the CPU are made of: a BitGenerator of NumPy's.

    Of processes that share a batch each has others, seeded by the process's generator in an interlude.
    """
    shared = current()
    if shared.size == 1:
        return generator().bit_generator
    bits = np.random.PCG64(0)
    interlude(functools.partial(_seed, bits, shared.rank))
    return bits


def _seed(bits: np.random.PCG64, rank: int) -> None:
    bits.state = np.random.PCG64(_own_seed(rank)).state


def _own_seed(rank: int) -> int:
    return int(generator().integers(2**63)) + rank
