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
        self._state: Any = object()  # of the network, when the programs were recorded
        self._view: Callable[[], Any] = lambda: None  # what that state is now
        self._possible = True
        self._programs: dict[Any, _Program] = {}

    def __call__(self, x: Any) -> Tensor:
        """The network's output for x, a Tensor or an array with images along the first axis."""
        tensor = x if isinstance(x, Tensor) else _as_tensor(x)
        with self._lock, no_grad():
            if not self._is_as_before():
                self._begin_anew()
            if not self._possible:
                return self._net(tensor)
            array = tensor.memory
            if not tensor.batch_last and array.ndim > 1:
                array = module_of(array).moveaxis(array, 0, -1)  # (N, C, H, W) -> (C, H, W, N)
            key = array.shape, array.dtype, type(array)
            program = self._programs.get(key)
            return self._first(tensor, array, key) if program is None else program(array)

    @property
    def programs(self) -> int:
        """How many shapes of input it is captured for."""
        return sum(program.replay is not None for program in self._programs.values())

    def _first(self, x: Tensor, array: Array, key: Any) -> Tensor:
        """Capture the network for inputs like x, whose values are `array`, and run it; else only run it."""
        if len(self._programs) >= MOST_SHAPES:
            self._programs.clear()
        try:
            self._programs[key] = program = _Program(self._net, array)
            return program(array)
        except CaptureError:
            self._programs.clear()
            self._possible = False
            return self._net(x)

    def _is_as_before(self) -> bool:
        try:
            return bool(self._state == self._view())
        except Exception:  # arrays that are not the same are compared, which has no truth
            return False

    def _begin_anew(self) -> None:
        self._programs.clear()
        kind = device().kind
        by_numpy = dispatch.chosen() == "numpy" if kind == "cpu" else dispatch.asked() == "numpy"
        self._possible = not by_numpy and why_not_network(self._net) is None
        self._view = _view_of(self._net)
        self._state = self._view()


class _Program:
    """The kernels of a network for inputs (C, H, W, N) of one shape."""

    def __init__(self, net: Module, x: Array) -> None:
        self._net, self._xp, self._runs = net, module_of(x), 0
        self._input = empty(x.shape, x)
        self._output: Any = None
        self.replay: Callable[..., Any] | None = None
        if self._xp is np:
            np.copyto(self._input, x)
            self.replay = c_capture.capture(self._work, self._arrays())

    def __call__(self, x: Array) -> Tensor:
        self._xp.copyto(self._input, x)
        if self._xp is not np and self.replay is None:
            self._runs += 1
            if self._runs <= WARM_UP:
                self._work()
                return self._output
            stream = cuda_capture.new_stream()
            with stream:
                self.replay = cuda_capture.capture(self._work, stream)
        if self._xp is np:
            self.replay()  # type: ignore[misc]
        else:
            self._launch()
        return wrap(self._output.memory.copy(), self._output.batch_last)

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


def _view_of(net: Module) -> Callable[[], Any]:
    """A function that returns all that a captured network took from Python objects, quickly, and equal if unchanged.

    Tuples compare their elements by identity first, so nothing large is compared where nothing has changed.
    """
    modules = [vars(module) for module in net.modules()]
    held = [value for attributes in modules for value in attributes.values()]
    lists = [value for value in held if isinstance(value, list)]
    dicts = [value for value in held if isinstance(value, dict)]
    tensors = [*net.parameters(), *net.buffers()]

    def view() -> Any:
        return (
            [tuple(attributes.values()) for attributes in modules],
            [tuple(items) for items in lists],
            [tuple(items.values()) for items in dicts],
            [tensor.memory for tensor in tensors],
            dispatch.chosen(),
        )

    return view
