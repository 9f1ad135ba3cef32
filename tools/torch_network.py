"""A network as a configuration lists it, in PyTorch. It imports nothing of gpucnn, which it is compared with."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import nn

OWN = ("init", "lr_scale", "sync")  # options that PyTorch's layers do not have


class ScaledTanh(nn.Module):
    """1.7159 · tanh(2x / 3), the activation of LeNet-5."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input's shape."""
        return 1.7159 * torch.tanh(2 * x / 3)


class Subsample2d(nn.Module):
    """coefficient · mean + bias of each window of (N, C, H, W), windows side by side, as in LeNet-5."""

    def __init__(self, num_features: int, kernel_size: int | tuple[int, int] = 2) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.mean = nn.AvgPool2d(kernel_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, OH, OW)"""
        return self.coefficient[:, None, None] * self.mean(x) + self.bias[:, None, None]


class Residual(nn.Sequential):
    """The input plus what the layers make of it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The input's shape."""
        return x + super().forward(x)


class Branches(nn.Sequential):
    """Paths from one input, whose outputs are added, or joined along the axis of channels."""

    def __init__(self, merge: str, *paths: nn.Module) -> None:
        super().__init__(*paths)
        self.merge = merge

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of (N, C, H, W), or (N, sum of C, H, W)."""
        results = [path(x) for path in self]
        return torch.cat(results, dim=1) if self.merge == "concat" else sum(results[1:], results[0])


WITHOUT_INPUT_SIZE: dict[str, Callable[..., nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "scaled_tanh": ScaledTanh,
    "sigmoid": nn.Sigmoid,
    "silu": nn.SiLU,
    "max_pool2d": nn.MaxPool2d,
    "avg_pool2d": nn.AvgPool2d,
    "global_avg_pool2d": partial(nn.AdaptiveAvgPool2d, 1),
    "dropout": nn.Dropout,
    "flatten": nn.Flatten,
    "upsample": nn.Upsample,
}
WITH_INPUT_SIZE: dict[str, Callable[..., nn.Module]] = {
    "subsample2d": Subsample2d,
    "conv2d": nn.Conv2d,
    "conv_transpose2d": nn.ConvTranspose2d,
    "linear": nn.Linear,
    "batch_norm1d": nn.BatchNorm1d,
    "batch_norm2d": nn.BatchNorm2d,
}


# A layer's name and its options; of `residual` the entries inside, of `branches` those of each path under `paths`.
Entry = tuple[str, Any]


@torch.no_grad()
def build_network(entries: Iterable[Entry], shape: tuple[int, ...]) -> nn.Sequential:
    """The layers of `entries` for images of `shape` (C, H, W), in training mode, with PyTorch's initial weights.

    Raises ValueError for a layer that has no twin here.
    """
    layers: list[nn.Module] = []
    probe = torch.zeros(1, *shape)
    for name, options in entries:
        layers.append(_built(name, options, probe.shape[1:]).eval())  # batch normalisation cannot train on one image
        probe = layers[-1](probe)
    return nn.Sequential(*layers).train()


def _built(name: str, options: Any, shape: tuple[int, ...]) -> nn.Module:
    """A layer, or layers of layers, for inputs of `shape` (C, H, W)."""
    if name == "residual":
        return Residual(*build_network(options, shape))
    if name == "branches":
        return Branches(options["merge"], *(build_network(path, shape) for path in options["paths"]))
    return _layer(name, options, shape[0])


def _layer(name: str, options: Mapping[str, Any], channels: int) -> nn.Module:
    """The layer for inputs of so many channels, or numbers, to an image."""
    options = {option: value for option, value in options.items() if option not in OWN}
    if name in WITHOUT_INPUT_SIZE:
        return WITHOUT_INPUT_SIZE[name](**options)
    if name in WITH_INPUT_SIZE:
        return WITH_INPUT_SIZE[name](channels, **options)
    known = ", ".join(sorted(WITHOUT_INPUT_SIZE | WITH_INPUT_SIZE))
    raise ValueError(f"the layer {name} has no PyTorch twin; known are {known}")
