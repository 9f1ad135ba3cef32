"""gpucnn's steps on a GPU: launched one by one from Python, captured, and as its trainer takes them from a loader."""

import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import gpucnn
from bench.gpu.clock import Timed, repeated
from bench.gpu.contestants import TRAINING
from bench.gpu.graph_nodes import launches
from bench.with_gpucnn import build_layers, inputs
from bench.workloads import LEARNING_RATE, MOMENTUM, Network
from gpucnn import Tensor, nn, no_grad, optim
from gpucnn import functional as F
from gpucnn.backend import load_cupy, to_device
from gpucnn.data.dataset import Dataset
from gpucnn.data.loader import Loader
from gpucnn.data.normalize import Normalizer
from gpucnn.generators import drawing_from
from gpucnn.kernels.cuda import precision
from gpucnn.kernels.cuda.capture import capture
from gpucnn.runs import describe_environment
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.step import Step

REHEARSED = "GPUCNN_BENCH_REHEARSED" in os.environ  # on an emulated GPU: all is small
EPOCH = 8 if REHEARSED else 60_000  # images in the loader's data set, about: as many as MNIST has
WARM_UPS = 2  # steps before one is captured: they compile the kernels
COPIED = 1 << (20 if REHEARSED else 30)  # bytes: beyond every cache
SIDE = 64 if REHEARSED else 8192  # of the square matrices whose product shows what arithmetic can reach
LIMIT_ROUNDS, LIMIT_GROUP = 5, 10
MIB = 1 << 20


class Library:
    """gpucnn in one form, in a process of its own."""

    def __init__(self, form: str, precision_name: str) -> None:
        gpucnn.set_device("cuda")
        precision.set(precision_name)
        self._form = form
        self._cuda = load_cupy().cuda
        self._taken = _counting_hook(self._cuda)
        self._stream = _remembering_stream(self._cuda)
        self._stream.use()

    def describe(self) -> dict[str, Any]:
        """Version, and those of what lies beneath."""
        versions = describe_environment()["versions"]
        return {"version": versions["gpucnn"], "beneath": f"CuPy {load_cupy().__version__}"}

    def prepare(self, kind: str, network: Network, batch: int) -> Timed:
        """Steps of one kind, which have run already."""
        with self._taken:
            if self._form == "gpucnn-loader":
                timed = self._from_loader(network, batch)
            else:
                step = training(network, batch)[0] if kind == TRAINING else inference(network, batch)
                timed = self._captured(step) if self._form == "gpucnn-captured" else Timed(repeated(step), self.seconds)
            timed.run(WARM_UPS)
        self.wait()
        return timed

    def _captured(self, step: Callable[[], object]) -> Timed:
        for _ in range(WARM_UPS):
            step()
        self.wait()
        replay = capture(step, self._stream)
        graph = self._stream.graph

        def launch(_kept: object = step) -> None:  # the graph works in the step's arrays
            replay()

        return Timed(repeated(launch), self.seconds, lambda: launches(graph.graph))

    def _from_loader(self, network: Network, batch: int) -> Timed:
        """Whole epochs: the images lie on the GPU as bytes; what comes out of steps is read as the trainer reads it."""
        normalizer = Normalizer(np.zeros((1, 1, 1)), np.full((1, 1, 1), 1 / 255))
        loader = Loader(_images(network, batch), batch, normalizer, shuffle=True)
        net = nn.Sequential(*build_layers(network))
        optimizer = optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
        warnings.filterwarnings(
            "error", "a training step on the GPU is launched"
        )  # piece by piece: another form's time
        steps = CapturedSteps(Step(net, optimizer, F.cross_entropy), loader)
        stream = _remembering_stream(self._cuda)
        vars(steps._device)["_stream"] = stream  # nothing has run on its own yet
        epochs = itertools.count()

        def run(least: int) -> int:
            done = 0
            while done < least:
                for results in steps.results(next(epochs), 0, lambda number: LEARNING_RATE):
                    done += len(results)
            return done

        return Timed(run, self.seconds, lambda: launches(stream.graph.graph))

    def give_back(self) -> None:
        """Give the memory of steps that are gone back to the device, and count anew what is taken."""
        load_cupy().get_default_memory_pool().free_all_blocks()
        self._taken.bytes = 0

    def wait(self) -> None:
        """Until the device is idle."""
        self._cuda.Device().synchronize()

    def seconds(self, work: Callable[[], object]) -> float:
        """Between two events on the device."""
        begin, end = self._cuda.Event(), self._cuda.Event()
        self.wait()
        begin.record()
        work()
        end.record()
        end.synchronize()
        return self._cuda.get_elapsed_time(begin, end) / 1e3

    def memory_mib(self) -> float:
        """What CuPy's pools took from the device."""
        return self._taken.bytes / MIB

    def limits(self) -> dict[str, float]:
        """GB/s of a large copy, bytes read and bytes written counted, and TFLOP/s of a large product; the best of some.

        The product is cuBLAS's, float32, rounded to TF32 where CUPY_TF32 is 1.
        """
        xp = load_cupy()
        source, target = xp.ones(COPIED, xp.uint8), xp.empty(COPIED, xp.uint8)
        copied = self._best(lambda: xp.copyto(target, source))
        rng = np.random.default_rng(0)  # the host's: CuPy's would ask for one more library
        a, b = (xp.asarray(rng.standard_normal((SIDE, SIDE), np.float32)) for _ in range(2))
        product = xp.empty_like(a)
        multiplied = self._best(lambda: xp.matmul(a, b, out=product))
        return {"copy_gbytes": 2 * COPIED / copied / 1e9, "tflops": 2 * SIDE**3 / multiplied / 1e12}

    def _best(self, work: Callable[[], object]) -> float:
        timed = Timed(repeated(work), self.seconds)
        timed.run(LIMIT_GROUP)
        return min(self.seconds(lambda: timed.run(LIMIT_GROUP)) for _ in range(LIMIT_ROUNDS)) / LIMIT_GROUP

    def lasting(self, network: Network, batch: int, steps: int) -> dict[str, float]:
        """Device memory held before and after so many captured steps, in MiB: all of it, and that of CuPy's pool."""
        timed = self._from_loader(network, batch)
        timed.run(1)
        before = self._held()
        done = timed.run(steps)
        after = self._held()
        return {
            "steps": done,
            **{f"{name}_before_MiB": held for name, held in before.items()},
            **{f"{name}_after_MiB": held for name, held in after.items()},
        }

    def _held(self) -> dict[str, float]:
        self.wait()
        free, total = self._cuda.runtime.memGetInfo()
        return {"device": (total - free) / MIB, "pool": load_cupy().get_default_memory_pool().total_bytes() / MIB}


def training(network: Network, batch: int) -> tuple[Callable[[], object], nn.Module]:
    """Forward, loss, backward and update of a network, on a batch that lies on the device; and the network."""
    net = nn.Sequential(*build_layers(network))
    optimizer = optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    images, labels = map(to_device, inputs(network, batch))
    draw = _drawing(network)

    def step() -> None:
        with draw():
            optimizer.zero_grad()
            loss = F.cross_entropy(net(Tensor.from_batch_last(images)), labels)
            loss.backward()
            optimizer.step()

    return step, net


def _drawing(network: Network) -> Callable[[], Any]:
    """What lets dropout draw anew at every step, captured or not: a seed on the device that each step moves on."""
    seed = load_cupy().zeros(1, np.int64)
    drops = any(name == "dropout" for name, _ in network.layers)

    @contextmanager
    def draw() -> Iterator[None]:
        nonlocal seed
        if drops:
            seed += 1
        with drawing_from(seed):
            yield

    return draw


def inference(network: Network, batch: int) -> Callable[[], object]:
    """The logits of a batch that lies on the device."""
    net = nn.Sequential(*build_layers(network)).eval()
    images = to_device(inputs(network, batch)[0])

    def step() -> None:
        with no_grad():
            net(Tensor.from_batch_last(images))

    return step


def _images(network: Network, batch: int) -> Dataset:
    """Random images and labels: whole batches, about as many images as MNIST has."""
    rng = np.random.default_rng(0)
    count = batch * max(1, round(EPOCH / batch))
    images = rng.integers(0, 256, (count, *network.shape), np.uint8)
    names = tuple(map(str, range(network.classes)))
    return Dataset(images, rng.integers(0, network.classes, count), names)


def _remembering_stream(cuda: Any) -> Any:
    """A stream that keeps the graph which was last captured on it, so that its nodes can be counted."""

    class RememberingStream(cuda.Stream):
        graph: Any = None

        def end_capture(self) -> Any:
            self.graph = super().end_capture()
            return self.graph

    return RememberingStream(non_blocking=True)


def _counting_hook(cuda: Any) -> Any:
    """A memory hook that adds up, while it is entered, what all of CuPy's pools take from the device."""

    class Taken(cuda.MemoryHook):
        name = "Taken"
        bytes = 0

        def alloc_postprocess(self, device_id: int, mem_size: int, mem_ptr: int) -> None:
            self.bytes += mem_size

    return Taken()
