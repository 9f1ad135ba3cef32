"""PyTorch's steps: eager, with its images channels-last, or compiled."""

import contextlib
import copy
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch_network import build_network

from bench.workloads import LEARNING_RATE, MOMENTUM, Network

Step = Callable[[], Any]
COMPILERS = ("g++", "clang++")


def describe(form: str) -> dict[str, Any]:
    """Version and threads. Raises RuntimeError where torch.compile has no compiler to use."""
    if form == "compiled" and not any(map(shutil.which, (os.environ.get("CXX", ""), *COMPILERS))):
        raise RuntimeError(f"torch.compile needs a C++ compiler ({' or '.join(COMPILERS)})")
    return {"version": torch.__version__, "threads": torch.get_num_threads()}


@contextlib.contextmanager
def training(network: Network, batch: int, form: str) -> Iterator[Step]:
    """A training step on a batch that lies ready in memory."""
    net, images = prepare(network, batch, form)
    labels = torch.randint(network.classes, (batch,))
    optimizer = (
        torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)
        if network.optimizer == "adam"
        else torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    )
    criterion = nn.CrossEntropyLoss()

    def loss_of(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return criterion(net(images), labels)

    forward = torch.compile(loss_of, dynamic=False) if form == "compiled" else loss_of
    if form == "compiled":
        check_gradients(net, images, labels, lambda: forward(images, labels))

    def step() -> float:
        optimizer.zero_grad()
        loss = forward(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    yield step


def check_gradients(net: nn.Module, images: torch.Tensor, labels: torch.Tensor, compiled: Step) -> None:
    """Raise RuntimeError where the compiled loss has other gradients than eager PyTorch, but for rounding.

    Rounding is what eager PyTorch is apart from itself in float64, ten times over: a gradient by a bias before a batch
    normalisation is nothing else. Networks with dropout are not asked: compiled code draws other numbers.
    """
    if any(isinstance(module, nn.Dropout) for module in net.modules()):
        return
    precise = copy.deepcopy(net).double()
    found = _gradients(net, compiled)
    eager = _gradients(net, lambda: nn.functional.cross_entropy(net(images), labels))
    exact = _gradients(precise, lambda: nn.functional.cross_entropy(precise(images.double()), labels))
    for one, other, true in zip(found, eager, exact, strict=True):
        rounding = float((other - true).abs().max())
        if not torch.allclose(one, other, rtol=1e-2, atol=1e-3 * float(other.abs().max()) + 1e-6 + 10 * rounding):
            raise RuntimeError(f"compiled gradients are wrong by up to {float((one - other).abs().max()):.2g}")


def _gradients(net: nn.Module, loss_of: Step) -> list[torch.Tensor]:
    net.zero_grad()
    loss_of().backward()
    return [parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None]


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch."""
    net, images = prepare(network, batch, form)
    net.eval()
    forward = torch.compile(net, dynamic=False) if form == "compiled" else net
    with torch.inference_mode():
        yield lambda: forward(images)


def prepare(network: Network, batch: int, form: str) -> tuple[nn.Sequential, torch.Tensor]:
    """The network, and images (N, C, H, W), in the form's memory order."""
    net: Any = build_network(network.layers, network.shape)
    images = torch.randn(batch, *network.shape)
    if form != "channels-last":
        return net, images
    return net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
