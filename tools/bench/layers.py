"""The layers one by one, in the process of one form of gpucnn: what each computes, moves, and takes.

    python -m bench.layers --batch 64 --seconds 0.1 < network.json

Prints one line of JSON: a list of {layer, part, work, unit, seconds}. Convolutions and linear layers are measured
by their arithmetic (a multiply-add counts as two), without a bias; others by the bytes they must read and write.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from bench.clock import median_seconds
from bench.with_gpucnn import build_layers
from bench.workloads import Network
from gpucnn import Tensor, nn
from gpucnn.threads import one_blas_thread

FLOP, BYTES = "FLOP", "bytes"
MOVING = (nn.MaxPool2d, nn.AvgPool2d, nn.ReLU)


class Part(NamedTuple):
    """One part of a layer's work in a step, and the median time of it."""

    layer: str
    part: str
    work: float
    unit: str
    seconds: float


def main() -> None:
    """Measure the network on standard input."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    options = parser.parse_args()
    network = without_biases(Network.from_json(sys.stdin.read()))
    with one_blas_thread():
        print(json.dumps([part._asdict() for part in measure(network, options.batch, options.seconds)]))


def without_biases(network: Network) -> Network:
    """The network with weights alone: a bias is added, and its gradient summed, by other loops than those measured."""
    layers = [(name, options | {"bias": False} if "bias" in options else options) for name, options in network.layers]
    return Network(layers, network.shape, network.classes, network.optimizer)


def measure(network: Network, batch: int, seconds: float) -> Iterator[Part]:
    """The parts of every layer that computes or moves enough to be looked at; each is timed for `seconds`."""
    shape, learned = network.shape, False
    for position, layer in enumerate(build_layers(network)):
        name = f"{position} {layer.kind} {'×'.join(map(str, shape))}"
        if isinstance(layer, nn.Conv2d | nn.Linear):
            yield from _arithmetic(layer, name, shape, batch, seconds, by_input=learned)
            learned = True
        elif isinstance(layer, MOVING):
            yield from _movement(layer, name, shape, batch, seconds)
        shape = layer.output_shape(shape)


def _arithmetic(
    layer: nn.Layer, name: str, shape: tuple[int, ...], batch: int, seconds: float, by_input: bool
) -> Iterator[Part]:
    """Forward and the gradients; that by the input is asked for where a layer before has something to learn."""
    work = 2.0 * layer.multiply_adds(shape) * batch
    timed = _Timed(layer, shape, batch, seconds)
    yield Part(name, "forward", work, FLOP, timed.forward())
    yield Part(name, "by weight", work, FLOP, timed.backward(needs=(False, True)))
    if by_input:
        yield Part(name, "by input", work, FLOP, timed.backward(needs=(True, False)))


def _movement(layer: nn.Layer, name: str, shape: tuple[int, ...], batch: int, seconds: float) -> Iterator[Part]:
    """Input and output, or the gradients by them, go through memory once."""
    numbers = np.prod(shape) + np.prod(layer.output_shape(shape))
    work = float(numbers * batch * np.float32().itemsize)
    timed = _Timed(layer, shape, batch, seconds)
    yield Part(name, "forward", work, BYTES, timed.forward())
    yield Part(name, "backward", work, BYTES, timed.backward(needs=(True,)))


class _Timed:
    """A layer on a batch of random images, run by itself."""

    def __init__(self, layer: nn.Layer, shape: tuple[int, ...], batch: int, seconds: float) -> None:
        self.layer, self.seconds = layer, seconds
        self.rng = np.random.default_rng(0)
        images = self.rng.standard_normal((*shape, batch), dtype=np.float32)  # (C, H, W, N)
        self.x = Tensor.from_batch_last(images).requires_grad_()

    def forward(self) -> float:
        """Seconds of a forward pass that a backward pass could follow."""

        def step() -> Any:
            return self.layer(self.x)

        return median_seconds(step, self.seconds)

    def backward(self, needs: tuple[bool, ...]) -> float:
        """Seconds of the backward pass to the inputs that `needs` tells: the layer's input, its weight."""
        output = self.layer(self.x)
        function: Any = output._creator  # run by itself: the tape would add up and copy what it returns
        function.needs = needs
        gradient = self.rng.standard_normal(output.memory.shape, dtype=np.float32)

        def step() -> Any:
            return function.backward(gradient)

        return median_seconds(step, self.seconds)


if __name__ == "__main__":
    main()
