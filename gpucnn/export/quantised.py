"""Weights and inputs of convolutions and linear layers in 8 bits, with ranges found on training images.

Weights: int8, one scale for each output, symmetric about 0. Inputs: int8, one scale and one zero for each layer. Sums
are exact, in 32 bits; all else stays float32. B. Jacob et al., Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference, 2018, arXiv:1712.05877.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gpucnn import nn
from gpucnn.nn.layers import Convolution
from gpucnn.tensor import Tensor
from gpucnn.training.evaluation import outputs

LEAST, MOST = -128, 127


@dataclass(frozen=True, eq=False)
class Quantised:
    """weight · scale[output] are the weights, (x - zero) · step the input."""

    weight: np.ndarray
    scale: np.ndarray
    step: float
    zero: int

    @classmethod
    def of(cls, weight: np.ndarray, low: float, high: float) -> "Quantised":
        """A layer's weights (O, ...), whose input lies from `low` to `high`."""
        low, high = min(low, 0.0), max(high, 0.0)  # 0, which padding is, is exact
        step = float(np.float32((high - low) / (MOST - LEAST))) or 1.0
        peaks = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scale = np.where(peaks > 0, peaks / MOST, 1).astype(np.float32)
        levels = np.rint(weight / scale.reshape(-1, *(1,) * (weight.ndim - 1))).astype(np.int8)
        return cls(levels, scale, step, round(LEAST - low / step))

    @property
    def rounded(self) -> np.ndarray:
        """The weights as floats again."""
        return self.weight * self.scale.reshape(-1, *(1,) * (self.weight.ndim - 1))

    def input(self, x: np.ndarray) -> np.ndarray:
        """What the layer sees of its input x, as floats."""
        levels = np.rint(x / np.float32(self.step) + np.float32(self.zero)).clip(LEAST, MOST)
        return (levels - np.float32(self.zero)) * np.float32(self.step)


def quantise(net: nn.Sequential, images: np.ndarray) -> dict[str, Quantised]:
    """Each convolution and linear layer by its name in 8 bits, given normalised images (N, C, H, W) as its inputs."""
    ranges: dict[str, tuple[float, float]] = {}
    handles = []
    for name, layer in _weighted(net):

        def watch(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
            x = inputs[0].memory
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(low, float(x.min())), max(high, float(x.max()))

        handles.append(layer.register_forward_pre_hook(watch))
    outputs(net, images)
    for handle in handles:
        handle.remove()
    return {
        name: Quantised.of(layer.weight.numpy().astype(np.float32), *ranges[name]) for name, layer in _weighted(net)
    }


def emulated(net: nn.Sequential, layers: dict[str, Quantised]) -> nn.Sequential:
    """A copy of the network that computes in float32 what it would with `layers` in 8 bits."""
    net = copy.deepcopy(net)
    for name, layer in _weighted(net):
        state = layer.state_dict()
        layer.load_state_dict({**state, "weight": layers[name].rounded.astype(np.float32)})

        def see(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> Tensor:
            x = inputs[0]
            return Tensor(layers[name].input(x.numpy()))

        layer.register_forward_pre_hook(see)
    return net


def _weighted(net: nn.Sequential, prefix: str = "") -> Iterator[tuple[str, Convolution | nn.Linear]]:
    for number, layer in enumerate(net.layers):
        if isinstance(layer, nn.Sequential):
            yield from _weighted(layer, f"{prefix}{number}.")
        elif isinstance(layer, Convolution | nn.Linear):
            yield f"{prefix}{number}", layer
