"""PyTorch's steps: eager, with its images channels-last, or compiled."""

import contextlib
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
        check_gradients(net, lambda: forward(images, labels), lambda: loss_of(images, labels))

    def step() -> float:
        optimizer.zero_grad()
        loss = forward(images, labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    yield step


def check_gradients(net: nn.Module, compiled: Step, eager: Step) -> None:
    """Raise RuntimeError where gradients differ by more than rounding; not asked of networks with dropout.

    Rounding is held against the largest gradient of all: that by a bias before a batch normalisation is nothing else.
    """
    if any(isinstance(module, nn.Dropout) for module in net.modules()):
        return  # compiled code draws other numbers
    found = []
    for loss_of in (compiled, eager):
        net.zero_grad()
        loss_of().backward()
        found.append([parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None])
    largest = max(float(gradient.abs().max()) for gradient in found[1])
    for one, other in zip(*found, strict=True):
        if not torch.allclose(one, other, rtol=1e-2, atol=1e-3 * largest):
            raise RuntimeError(f"compiled gradients are wrong by up to {float((one - other).abs().max()):.2g}")


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
