"""How a step is captured on each kind of device: as a CUDA graph on a GPU, on a CPU as a program of the C kernels."""

import contextlib
import warnings
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np

from gpucnn.backend import Array, load_cupy
from gpucnn.data.loader import Loader
from gpucnn.generators import generator
from gpucnn.kernels.c import capture as c_capture
from gpucnn.kernels.cuda import capture as cuda_capture
from gpucnn.kernels.cuda import program
from gpucnn.kernels.cuda.capture import new_stream
from gpucnn.kernels.interface import CaptureError
from gpucnn.threads import one_blas_thread
from gpucnn.training.capturable import Snapshot, why_not
from gpucnn.training.rollback import undone_if_it_fails
from gpucnn.training.step import Step

WARM_UP = 2  # steps of one shape on a GPU before it is captured: they compile the kernels
SEEDS = 2**63


class Capturing(Protocol):
    """What captures steps on one kind of device; they run inside it."""

    warm_up: int  # steps of one shape before it is captured
    runs_while_captured: int  # how often a step runs while it is captured
    launches_singly: bool  # whether the kernels of a step that is not captured are launched here, not by HostSteps

    def __enter__(self) -> None: ...

    def __exit__(self, *failure: Any) -> None: ...

    def snapshot(self, step: Step) -> Snapshot | None:
        """What a captured step took from Python objects, if it is to be captured anew when these change."""

    def why_not(self, step: Step, loader: Loader) -> str | None:
        """Why a step cannot be captured; None where it may be tried."""

    def seeds(self, steps: int) -> np.ndarray:
        """For each step the seed of its random numbers on a GPU."""

    def capture(self, work: Callable[[], None], known: Iterable[Array], step: Step) -> Callable[..., Any]:
        """The step that `work` makes, captured. Raises CaptureError."""

    def report(self, error: CaptureError) -> None:
        """Say that steps cannot be captured, where that matters."""

    def repeat(self, replay: Callable[..., Any], times: int, halt: Array) -> None:
        """Run a captured step so many times; where halted, it does nothing."""

    def has_halted(self, rates: Array) -> bool:
        """Whether a loss is known not to be finite: no step is to run after it."""


class Gpu:
    """Captures steps as CUDA graphs, after some that compile kernels; they run on a stream of their own inside it."""

    warm_up, runs_while_captured, launches_singly = WARM_UP, 0, True

    def __init__(self, dtype: str) -> None:
        self._stream = new_stream()
        program.load_all(dtype)
        load_cupy().ones((), dtype)  # as backward passes begin: CuPy compiles what fills it

    def __enter__(self) -> None:
        load_cupy().cuda.get_current_stream().synchronize()  # so that work on other streams is complete
        self._stream.__enter__()

    def __exit__(self, *failure: Any) -> None:
        self._stream.__exit__(*failure)

    def snapshot(self, step: Step) -> None:
        """None: a network's forward runs only when it is captured."""

    def why_not(self, step: Step, loader: Loader) -> str | None:
        """None: whatever is launched is captured."""

    def seeds(self, steps: int) -> np.ndarray:
        """For each step the seed of its random numbers."""
        return generator().integers(SEEDS, size=steps)

    def capture(self, work: Callable[[], None], known: Iterable[Array], step: Step) -> Callable[[], None]:
        """The step that `work` makes, captured, but not run. Raises CaptureError."""
        load_cupy().get_default_memory_pool().free_all_blocks()  # of the steps before: a graph has memory of its own
        return cuda_capture.capture(work, self._stream)

    def report(self, error: CaptureError) -> None:
        """Say once that steps cannot be captured."""
        warnings.warn(
            f"a training step on the GPU is launched piece by piece, since it cannot be captured ({error})",
            stacklevel=4,
        )

    def repeat(self, replay: Callable[[], None], times: int, halt: Array) -> None:
        """Launch a captured step so many times: where halted, updates do nothing."""
        for _ in range(times):
            replay()

    def has_halted(self, rates: Array) -> bool:
        """False: reading it would make the host wait."""
        return False


class Cpu:
    """Captures steps as programs; the first of a shape runs while it is captured.

    Inside it what Python computes between kernels runs as in a single step: with one thread of BLAS, without warnings.
    """

    warm_up, runs_while_captured, launches_singly = 0, 1, False

    def __init__(self) -> None:
        self._memory = c_capture.Memory()  # of the programs of all shapes, of which one runs at a time
        self._inside = contextlib.ExitStack()

    def __enter__(self) -> None:
        self._inside.enter_context(one_blas_thread())
        self._inside.enter_context(np.errstate(all="ignore"))

    def __exit__(self, *failure: Any) -> None:
        self._inside.close()

    def snapshot(self, step: Step) -> Snapshot:
        """What the programs took from Python objects."""
        return Snapshot(step)

    def why_not(self, step: Step, loader: Loader) -> str | None:
        """Why a step cannot be captured; None where it may be tried."""
        return why_not(step, loader)

    def seeds(self, steps: int) -> np.ndarray:
        """None: random numbers are drawn from the process's generator."""
        return np.zeros(steps, np.int64)

    def capture(self, work: Callable[[], None], known: Iterable[Array], step: Step) -> Callable[..., Any]:
        """The step that `work` makes, run and captured. Raises CaptureError; then the step is undone."""
        with undone_if_it_fails(list(step.net.buffers())):
            return c_capture.capture(work, known, self._memory)

    def report(self, error: CaptureError) -> None:
        """Nothing: steps one by one are as right."""

    def repeat(self, replay: Callable[..., Any], times: int, halt: Array) -> None:
        """Run a captured step so many times, or until halted."""
        replay(times, halt)

    def has_halted(self, rates: Array) -> bool:
        """Whether a loss was not finite: no step is to run after it."""
        return bool(rates[0, 3])
