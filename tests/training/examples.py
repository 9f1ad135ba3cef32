"""A small problem and a network that uses everything a resume has to keep: dropout, batch norm, Adam, a schedule."""

import numpy as np

import gpucnn
from gpucnn import nn, optim
from gpucnn.data import Augment, Dataset, Loader, Normalizer
from gpucnn.training import EarlyStop, Loaders, Trainer


def images(n=75, seed=0):
    """Images (n, 1, 8, 8) whose label, of three, is the row that is brightest."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=n)
    pixels = rng.integers(0, 100, size=(n, 1, 8, 8))
    pixels[np.arange(n), :, labels * 2] += 120
    return pixels.astype(np.uint8), labels


def dataset(n=75, seed=0):
    return Dataset(*images(n, seed), ("a", "b", "c"))


def loaders(dtype="float32"):
    """75 training images in batches of 16 (the last has 11), shuffled and augmented; 20 to validate, 20 to test."""
    train = dataset()
    normalizer = Normalizer.fit("standard", train)
    return Loaders(
        Loader(train, 16, normalizer, Augment(shift=0.5), shuffle=True, seed=3, dtype=dtype),
        Loader(dataset(20, 1), 8, normalizer, dtype=dtype),
        Loader(dataset(20, 2), 8, normalizer, dtype=dtype),
    )


def network(dtype="float32"):
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(36, 3),
    )
    return net.astype(dtype)


def trainer(dtype="float32", seed=0, early_stop=None, capture=True):
    gpucnn.manual_seed(seed)
    net = network(dtype)
    return Trainer(
        net,
        optim.AdamW(net.parameters(), lr=0.01),
        schedule=optim.OneCycle(warmup=0.3),
        clip_norm=2.0,
        early_stop=early_stop or EarlyStop(patience=50, keep="last"),
        capture=capture,
    )


def plain_trainer(net, lr=0.1, **options):
    """Trains with SGD, without anything else."""
    return Trainer(net, optim.SGD(net.parameters(), lr=lr), **options)
