"""gpucnn's steps, as its trainer and its evaluation take them."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.workloads import LEARNING_RATE, MOMENTUM, Network
from gpucnn import Tensor, nn, no_grad, optim
from gpucnn import functional as F
from gpucnn.threads import one_blas_thread

Step = Callable[[], Any]


def describe(form: str) -> dict[str, Any]:
    """Version, kernels and threads."""
    from gpucnn.runs import describe_environment

    found = describe_environment()
    return {"version": found["versions"]["gpucnn"], "kernels": found["kernels"], "threads": found["threads"]}


@contextlib.contextmanager
def training(network: Network, batch: int, form: str) -> Iterator[Step]:
    """A training step on a batch that lies ready in memory."""
    net = nn.Sequential(*build_layers(network))
    optimizer = (
        optim.Adam(net.parameters(), lr=LEARNING_RATE)
        if network.optimizer == "adam"
        else optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    )
    images, labels = inputs(network, batch)

    def step() -> float:
        with one_blas_thread():
            optimizer.zero_grad()
            loss = F.cross_entropy(net(Tensor.from_batch_last(images)), labels)
            loss.backward()
            optimizer.step()
            return float(loss.item())

    yield step


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch."""
    net = nn.Sequential(*build_layers(network)).eval()
    images, _ = inputs(network, batch)

    def step() -> Tensor:
        return net(Tensor.from_batch_last(images))

    with no_grad(), one_blas_thread():
        yield step


def build_layers(network: Network) -> list[nn.Layer]:
    """The network's layers, with gpucnn's initial weights."""
    layers: list[nn.Layer] = []
    shape = network.shape
    for name, options in network.layers:
        kind = nn.LAYERS[name]
        inferred = {kind.inferred: shape[0]} if kind.inferred else {}
        layers.append(kind(**inferred, **options))
        shape = layers[-1].output_shape(shape)
    return layers


def inputs(network: Network, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (C, H, W, N), as the loader makes them, and labels (N,)."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((*network.shape, batch), dtype=np.float32), rng.integers(0, network.classes, batch)
