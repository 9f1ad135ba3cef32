"""A step that fails leaves no trace: dropout's generator and batch norm's statistics are as before."""

import contextlib
from collections.abc import Iterator, Sequence

from gpucnn import generators
from gpucnn.tensor import Tensor


@contextlib.contextmanager
def undone_if_it_fails(buffers: Sequence[Tensor]) -> Iterator[None]:
    """Inside, an error (Ctrl-C too) puts the generator and the buffers back as they were at the beginning."""
    drawn, values = generators.generator_state(), [buffer.memory.copy() for buffer in buffers]
    try:
        yield
    except BaseException:
        generators.set_generator_state(drawn)
        for buffer, value in zip(buffers, values, strict=True):
            buffer.memory[...] = value
        raise
