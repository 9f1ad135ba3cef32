"""A small network that reads drawings, and its page, served."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.data import Dataset, Fingerprint, Normalizer, Pipeline
from gpucnn.draw import DrawServer, Reader
from gpucnn.runs import Classifier

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


def classifier(
    net: nn.Sequential | None = None, shape: tuple[int, ...] = SHAPE, names: tuple[str, ...] = NAMES, **options: Any
) -> Classifier:
    """A network that was trained on bright spots on a dark ground, uint8 unless `options` say another `dtype`."""
    images = np.zeros((len(names), *shape), options.get("dtype", np.uint8))
    images[..., 2:-2] = 255 * options.get("scale", 1)
    train = Dataset(images, np.arange(len(names)), names)
    pipeline = Pipeline.of(train, Fingerprint.of("drawings", {"train": train}), "logits")
    normalizer = Normalizer.fit("unit", train)
    return Classifier(small_network() if net is None else net, pipeline, normalizer)


@pytest.fixture
def reader() -> Reader:
    return Reader(classifier())


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
