"""gpucnn's steps: captured, as its trainer and its evaluation take them, or one by one, as a loop by hand does."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from bench.workloads import LEARNING_RATE, MOMENTUM, Entry, Network
from gpucnn import Tensor, Trainer, capture, nn, no_grad, optim
from gpucnn import functional as F
from gpucnn.data import Loader
from gpucnn.data.normalize import Normalizer
from gpucnn.threads import one_blas_thread

Step = Callable[[], Any]


def describe(form: str) -> dict[str, Any]:
    """Version, kernels and threads."""
    from gpucnn.runs import describe_environment

    found = describe_environment()
    return {"version": found["versions"]["gpucnn"], "kernels": found["kernels"], "threads": found["threads"]}


BY_HAND = "by-hand"  # the form in which each step is a line of Python after the other
FEWEST_STEPS, IMAGES = 4, 512  # of an epoch


class Epoch:
    """The Trainer's steps over a data set that is ready in memory; a call is an epoch of `steps`."""

    def __init__(self, trainer: Trainer, loader: Loader) -> None:
        self._steps, self._count, self.steps = trainer.steps_over(loader), itertools.count(), len(loader)

    def __call__(self) -> float:
        """Train an epoch, and return the last loss."""
        results = list(self._steps.results(next(self._count), 0, lambda number: LEARNING_RATE))
        return results[-1][-1].loss


@contextlib.contextmanager
def training(network: Network, batch: int, form: str) -> Iterator[Step]:
    """Training steps on data that lies ready in memory: an epoch of them, or one by hand."""
    net = nn.Sequential(*build_layers(network))
    optimizer = (
        optim.Adam(net.parameters(), lr=LEARNING_RATE)
        if network.optimizer == "adam"
        else optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    )
    if form == BY_HAND:
        yield _by_hand(net, optimizer, *inputs(network, batch))
    else:
        count, rng = max(FEWEST_STEPS * batch, IMAGES), np.random.default_rng(0)
        images = rng.integers(0, 256, (count, *network.shape), np.uint8)  # as data sets have them
        labels = rng.integers(0, network.classes, count)
        normalizer = Normalizer.of("standard", images)
        yield Epoch(Trainer(net, optimizer), Loader((images, labels), batch, normalizer))


def _by_hand(net: nn.Layer, optimizer: optim.Optimizer, images: np.ndarray, labels: np.ndarray) -> Step:
    def step() -> float:
        with one_blas_thread():
            optimizer.zero_grad()
            loss = F.cross_entropy(net(Tensor.from_batch_last(images)), labels)
            loss.backward()
            optimizer.step()
            return float(loss.item())

    return step


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch: by `gpucnn.capture`, or by a call of the network."""
    net = nn.Sequential(*build_layers(network)).eval()
    images, _ = inputs(network, batch)
    with no_grad(), one_blas_thread():
        example = Tensor.from_batch_last(images)
        run = net if form == BY_HAND else capture(net, example)
        yield lambda: run(Tensor.from_batch_last(images))


def build_layers(network: Network) -> list[nn.Layer]:
    """The network's layers, with gpucnn's initial weights."""
    return _layers(network.layers, network.shape)


def _layers(entries: Sequence[Entry], shape: tuple[int, ...]) -> list[nn.Layer]:
    layers: list[nn.Layer] = []
    for name, options in entries:
        layers.append(_branches(options, shape) if name == "branches" else _layer(name, options, shape))
        shape = layers[-1].output_shape(shape)
    return layers


def _layer(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> nn.Layer:
    kind = nn.LAYERS[name]
    return kind(**({kind.inferred: shape[0]} if kind.inferred else {}), **options)


def _branches(options: dict[str, Any], shape: tuple[int, ...]) -> nn.Layer:
    return nn.Branches(*(nn.Sequential(*_layers(path, shape)) for path in options["paths"]), merge=options["merge"])


def inputs(network: Network, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (C, H, W, N), as the loader makes them, and labels (N,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((*network.shape, batch), dtype=np.float32), rng.integers(0, network.classes, batch)
