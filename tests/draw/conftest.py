"""A small network that reads drawings, and its page, served."""

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.data import Normalizer
from gpucnn.draw import DrawServer, Reader

NAMES = ("one", "two", "three")
SHAPE = (1, 28, 28)


def small_network() -> nn.Sequential:
    """(1, 28, 28) -> 3, with a block of layers inside."""
    gpucnn.set_device("cpu")
    gpucnn.manual_seed(0)
    block = nn.Residual(nn.Conv2d(4, 4, 3, padding="same"), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), block, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 3)
    ).eval()


def plain_normalizer(axes: int = 3) -> Normalizer:
    """Pixels / 255."""
    return Normalizer(np.zeros((1,) * axes), np.full((1,) * axes, 1 / 255))


@pytest.fixture
def reader() -> Reader:
    return Reader(small_network(), plain_normalizer(), SHAPE, NAMES)


@pytest.fixture
def server(reader) -> Iterator[DrawServer]:
    with served(reader) as server:
        yield server


@contextlib.contextmanager
def served(reader: Reader) -> Iterator[DrawServer]:
    """The page's server, at work in a thread."""
    with DrawServer(reader, "a small network") as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
