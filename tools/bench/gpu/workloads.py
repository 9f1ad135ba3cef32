"""What is run on a GPU: three of the CPU benchmark's networks at three batch sizes, and the work that a step is."""

import functools
import math
from dataclasses import dataclass

from bench.with_gpucnn import build_layers
from bench.workloads import Network, Workload, network_of
from gpucnn import nn

FIRST = ("lenet-64", "renom-64")  # those that something is required of are measured first
WORKLOADS = {
    f"{config}-{batch}": Workload(f"{config}-{batch}", config, batch)
    for config in ("lenet", "renom", "scala_cnn")
    for batch in (64, 256, 1024)
}
ONE = 4  # bytes of a float32 number


@dataclass(frozen=True)
class Work:
    """Arithmetic of a step (a multiply-add counts as two operations), and the bytes it reads and writes."""

    flops: float
    bytes: float


def training(network: Network, batch: int) -> Work:
    """A training step: each layer forward, by its weights and by its input, and the update with momentum.

    Of the bytes, those that layers one by one have to move: a layer reads its input and writes its output, and the same
    of their gradients on the way back, for which it reads its input again; of weights there are two reads, a gradient
    written, and an update that reads three arrays and writes two. What is done in one pass moves less.
    """
    flops = moved = 0.0
    learned = False
    for layer, inputs, outputs in _passes(network):
        products = 2.0 * layer.multiply_adds(inputs) * batch
        flops += products * (3 if learned else 2)  # nothing before the first layer asks for the gradient by its input
        learned = learned or products > 0
        numbers = math.prod(inputs), math.prod(outputs)
        moved += ONE * (batch * (2 * sum(numbers) + numbers[0]) + 8 * _weights(layer))
    return Work(flops, moved)


@functools.cache
def training_work(workload: str) -> Work:
    """That of a workload's training step."""
    return training(network_of(WORKLOADS[workload].config), WORKLOADS[workload].batch)


def _passes(network: Network) -> list[tuple[nn.Layer, tuple[int, ...], tuple[int, ...]]]:
    """The layers that move anything, with the shapes of an image before and behind them."""
    found, shape = [], network.shape
    for layer in build_layers(network):
        after = layer.output_shape(shape)
        if not isinstance(layer, nn.Flatten):
            found.append((layer, shape, after))
        shape = after
    return found


def _weights(layer: nn.Layer) -> int:
    return sum(parameter.size for parameter in layer.parameters())
