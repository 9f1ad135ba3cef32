"""What work launches on a GPU, and the microseconds of each launch: a graph of a hundred of it, between two events."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from gpucnn.backend import load_cupy
from gpucnn.kernels.cuda import cublas, program
from gpucnn.kernels.cuda.capture import capture, new_stream

REPEATS, GROUPS = 100, 3  # launches in a graph, and launches of the graph, of which the best counts


class Launch(NamedTuple):
    """One launch: what it is called, and what does it again."""

    source: str
    kernel: str
    size: str
    again: Callable[[], None]


@contextlib.contextmanager
def listening(note: Callable[[Launch], object]) -> Iterator[None]:
    """Within the block `note` is given every launch of gpucnn's kernels, and of cuBLAS's products."""
    launch, multiply = program.launch, cublas.multiply

    def launched(source: str, name: str, dtype: Any, blocks: Any, threads: Any, *arguments: Any) -> None:
        launch(source, name, dtype, blocks, threads, *arguments)
        size = f"{dtype} {blocks[0]} x {threads[0]}"
        note(Launch(source, name, size, lambda: launch(source, name, dtype, blocks, threads, *arguments)))

    def multiplied(a: Any, b: Any, out: Any, add: bool = False) -> None:
        multiply(a, b, out, add)
        batch, m, n = out.shape
        size = f"{out.dtype} batch {batch}, m {m}, n {n}, k {a.shape[-1]}"
        note(Launch("cublas", "multiply", size, lambda: multiply(a, b, out, add)))

    program.launch, cublas.multiply = launched, multiplied
    try:
        yield
    finally:
        program.launch, cublas.multiply = launch, multiply


def kernels() -> set[tuple[str, str]]:
    """(source, kernel) of every kernel there is."""
    return {(source, name) for source in program.sources() for name in program.KERNEL.findall(program.text(source))}


def microseconds(work: Callable[[], None], repeats: int) -> float:
    """What `work` takes on the GPU, the best of some launches of a graph of so many."""
    cuda, stream = load_cupy().cuda, new_stream()

    def many() -> None:
        for _ in range(repeats):
            work()

    best = float("inf")
    with stream:
        work()
        replay = capture(many, stream)
        for _ in range(GROUPS):
            begin, end = cuda.Event(), cuda.Event()
            stream.synchronize()
            begin.record()
            replay()
            end.record()
            end.synchronize()
            best = min(best, cuda.get_elapsed_time(begin, end))
    return 1e3 * best / repeats
