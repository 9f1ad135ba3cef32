"""A network captured for inference: its kernels recorded once for each shape of input, and run again without Python."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gpucnn.backend import Array, device, empty, module_of
from gpucnn.kernels import dispatch
from gpucnn.kernels.c import capture as c_capture
from gpucnn.kernels.cuda import capture as cuda_capture
from gpucnn.kernels.interface import CaptureError
from gpucnn.nn import Module
from gpucnn.tensor import Tensor, no_grad
from gpucnn.tensor.function import wrap
from gpucnn.training.capturable import why_not_network
from gpucnn.training.rollback import undone_if_it_fails

MOST_SHAPES = 4  # of inputs, of which a network keeps programs: the last smaller batch is one
WARM_UP = 2  # runs on a GPU before one is captured: they compile the kernels


def capture(net: Module, example: Any) -> "CapturedNetwork":
    """`net` as a function of Tensors or arrays like `example` (N, C, H, W), which runs faster: without Python's part.

    It returns what net(x) returns inside `no_grad()`, to the bit, in the mode (`train` or `eval`) that the network is
    in. Weights may change in place, as in training or loading; if an array, a layer, an option or the mode is replaced,
    or an input has another shape, the network is captured anew. On a GPU a CUDA graph is captured, on a CPU a program
    of the C kernels. A network with code of the user's own, or whose kernels are NumPy's, runs as if it were called.

    Raises what net(example) raises.
    """
    captured = CapturedNetwork(net)
    for _ in range(1 if device().kind == "cpu" else WARM_UP + 1):
        captured(example)
    return captured


class CapturedNetwork:
    """See `capture`. One thread at a time runs it; others wait."""

    def __init__(self, net: Module) -> None:
        self._net, self._lock = net, threading.Lock()
        self._state: _State | None = None  # of the network, when the programs were recorded
        self._possible = False
        self._programs: dict[Any, _Program] = {}

    def __call__(self, x: Any) -> Tensor:
        """The network's output for x, a Tensor or an array with images along the first axis."""
        tensor = x if isinstance(x, Tensor) else _as_tensor(x)
        array = tensor.memory
        if not tensor.batch_last and array.ndim > 1:
            array = array.transpose(*range(1, array.ndim), 0)  # (N, C, H, W) -> (C, H, W, N)
        key = array.shape, array.dtype, type(array)
        with self._lock:
            if self._state is None or not self._state.is_as_before():
                self._begin_anew()
            program = self._programs.get(key)
            return self._first(tensor, array, key) if program is None else program(array)

    @property
    def programs(self) -> int:
        """How many shapes of input it is captured for."""
        return sum(program.replay is not None for program in self._programs.values())

    @no_grad()
    def _first(self, x: Tensor, array: Array, key: Any) -> Tensor:
        """Capture the network for inputs like x, whose values are `array`, and run it; else only run it."""
        if not self._possible:
            return self._net(x)
        if len(self._programs) >= MOST_SHAPES:
            self._programs.clear()
        try:
            self._programs[key] = program = _Program(self._net, array)
            return program.result() if program.replay else program(array)
        except CaptureError:
            result = self._net(x)  # or what is raised for an input that does not fit
            self._programs.clear()
            self._possible = False
            return result

    def _begin_anew(self) -> None:
        self._programs.clear()
        by_numpy = dispatch.chosen() == "numpy" if device().kind == "cpu" else dispatch.asked() == "numpy"
        self._possible = not by_numpy and why_not_network(self._net) is None
        self._state = _State(self._net)


class _Program:
    """The kernels of a network for inputs (C, H, W, N) of one shape."""

    def __init__(self, net: Module, x: Array) -> None:
        self._net, self._xp, self._runs = net, module_of(x), 0
        self._input = empty(x.shape, x)
        self._output: Any = None
        self.replay: Callable[..., Any] | None = None
        if self._xp is np:
            np.copyto(self._input, x)
            with undone_if_it_fails(list(net.buffers())):
                self.replay = c_capture.capture(self._work, self._arrays())

    def __call__(self, x: Array) -> Tensor:
        self._xp.copyto(self._input, x)
        if self._xp is not np and self.replay is None:
            self._runs += 1
            if self._runs <= WARM_UP:
                return self._run_once()
            stream = cuda_capture.new_stream()
            with stream, no_grad():
                self.replay = cuda_capture.capture(self._work, stream)
        if self._xp is np:
            self.replay()  # type: ignore[misc]
        else:
            self._launch()
        return self.result()

    def result(self) -> Tensor:
        """A copy of what the last run returned."""
        return wrap(self._output.memory.copy(), self._output.batch_last)

    @no_grad()
    def _run_once(self) -> Tensor:
        self._work()
        return self._output

    def _launch(self) -> None:
        """Run the graph, which has a stream of its own, after what was queued before and before what comes after."""
        current = self._xp.cuda.get_current_stream()
        current.synchronize()
        self.replay()  # type: ignore[misc]
        self._xp.cuda.Device().synchronize()

    def _work(self) -> None:
        self._output = self._net(wrap(self._input, batch_last=True))

    def _arrays(self) -> Iterator[Array]:
        yield self._input
        for tensor in (*self._net.parameters(), *self._net.buffers()):
            yield tensor.memory


def _as_tensor(x: Any) -> Tensor:
    """x as a Tensor: one that shares an array's memory, which is copied soon."""
    return wrap(x, False) if type(x) is np.ndarray and device().kind == "cpu" else Tensor(x)


class _State:
    """All that a captured network takes from Python objects: what is kept of it is compared with what it is now.

    Equality looks at identity first, so an unchanged network takes microseconds.
    """

    def __init__(self, net: Module) -> None:
        modules: list[Any] = [vars(module) for module in net.modules()]
        held = [value for attributes in modules for value in attributes.values()]
        self._tensors = [*net.parameters(), *net.buffers()]
        self._live = [*modules, *(value for value in held if isinstance(value, list | dict))]
        self._kept = [value.copy() for value in self._live]
        self._arrays = [tensor.memory for tensor in self._tensors]
        self._set = dispatch.chosen()

    def is_as_before(self) -> bool:
        """Whether nothing was replaced since."""
        try:
            same = self._live == self._kept and self._arrays == [tensor.memory for tensor in self._tensors]
        except Exception:  # arrays that are not the same object are compared, which gives no truth
            return False
        return same and self._set == dispatch.chosen()
