"""A PyTorch twin of a configuration: the same network, recipe, initial weights and minibatches, in another library.

Where the twin's figures differ from gpucnn's by more than chance, one of the two has a fault. Left to chance is only
what dropout drops, and rounding; float64 takes most of that away. Needs PyTorch.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch_network import Entry, build_network

from gpucnn.config.build import build_schedule
from gpucnn.config.layers import OneLayer, lr_scales
from gpucnn.config.schema import Config
from gpucnn.data.loader import Batch, Batches
from gpucnn.errors import InputError
from gpucnn.training import Loaders

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
LOSSES: dict[str, type[nn.Module]] = {"cross_entropy": nn.CrossEntropyLoss, "mse": nn.MSELoss, "l1": nn.L1Loss}


class Figures(NamedTuple):
    """What a trained network came to on the test images, and the seconds of its training."""

    accuracy: float
    loss: float
    seconds: float


def build_twin(
    entries: Sequence[OneLayer], shape: tuple[int, ...], weights: Mapping[str, np.ndarray], dtype: str
) -> nn.Sequential:
    """The network of `entries` for images of `shape` (C, H, W), with a gpucnn network's state_dict as its weights.

    Raises InputError for a layer that has no twin here.
    """
    try:
        twin = build_network(_written(entries), shape).to(getattr(torch, dtype))
    except ValueError as error:
        raise InputError(f"{error}: leave --twins out") from None
    counters = {name: value for name, value in twin.state_dict().items() if name.endswith("num_batches_tracked")}
    twin.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()} | counters)
    return twin


def _written(entries: Sequence[OneLayer]) -> list[Entry]:
    """The entries as names with options; of residual blocks and branches with the entries inside."""
    return [(entry.name, _options(entry)) for entry in entries]


def _options(entry: OneLayer) -> Any:
    if entry.name == "residual":
        return _written(entry.options)
    if entry.name == "branches":
        return {"merge": entry.options.merge, "paths": [_written(path) for path in entry.options.paths]}
    return dict(entry.options)


def train_twin(config: Config, twin: nn.Sequential, loaders: Loaders) -> Figures:
    """Train `twin` as the configuration says, on the minibatches that gpucnn is trained on; its figures then.

    Raises InputError as `fit_twin`, for another loss than cross-entropy, and without test images.
    """
    if config.loss.name != "cross_entropy" or loaders.test is None:
        raise InputError(f"figures are of cross_entropy on test images; given {config.loss.name}: leave --twins out")
    seconds = fit_twin(config, twin, loaders.train)
    return _evaluate(twin, loaders.test, config.loss.beside_name()["label_smoothing"], seconds)


def fit_twin(config: Config, twin: nn.Sequential, batches: Batches) -> float:
    """Train `twin` as the configuration says, on these minibatches; returns the seconds that it took.

    Raises InputError for a loss or an optimizer that has no twin here, for early stopping and plateaus, for weights
    of classes or averages of weights, and for gradients that accumulate.
    """
    train, optimizer_name = config.train, config.optimizer.name
    waits = train.early_stop is not None or config.schedule.name == "plateau"
    otherwise = train.average is not None or train.accumulate > 1 or optimizer_name not in OPTIMIZERS
    options = {name: value for name, value in config.loss.beside_name().items() if value is not None}
    if config.loss.name not in LOSSES or "weight" in options or waits or otherwise:
        raise InputError(
            f"a PyTorch twin trains with {' or '.join(LOSSES)}, for a fixed number of epochs; given loss "
            f"{config.loss.name} {options}, optimizer {optimizer_name}, schedule {config.schedule.name}, early_stop "
            f"{train.early_stop}, average {train.average}, accumulate {train.accumulate}: leave --twins out"
        )
    loss = LOSSES[config.loss.name](**options)
    optimizer = _optimizer(config, twin)
    schedule, rates = build_schedule(config), [group["lr"] for group in optimizer.param_groups]
    per_epoch = len(batches)
    total = config.train.epochs * per_epoch
    began = time.perf_counter()
    for step, batch in enumerate(_all_batches(batches, config.train.epochs)):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * schedule.factor(step, total, per_epoch)
        images, labels = to_torch(batch)
        optimizer.zero_grad()
        loss(twin(images), labels).backward()
        _clip(twin, config)
        optimizer.step()
    return time.perf_counter() - began


def _optimizer(config: Config, twin: nn.Sequential) -> torch.optim.Optimizer:
    """The optimizer of the twin's parameters, a group for each layer that has any; those of rate 0 are frozen."""
    options = config.optimizer.beside_name()
    for name, scale in lr_scales(config.model):
        twin.get_submodule(name).requires_grad_(scale != 0)
    groups = [
        {"params": list(twin.get_submodule(name).parameters()), "lr": options["lr"] * scale}
        for name, scale in lr_scales(config.model)
    ]
    return OPTIMIZERS[config.optimizer.name]([group for group in groups if group["params"]], **options)


def _all_batches(batches: Batches, epochs: int) -> Iterator[Batch]:
    return (batch for epoch in range(epochs) for batch in batches.batches(epoch))


def _clip(twin: nn.Module, config: Config) -> None:
    """By value, then by norm, as gpucnn's trainer."""
    if config.train.clip_value is not None:
        nn.utils.clip_grad_value_(twin.parameters(), config.train.clip_value)
    if config.train.clip_norm is not None:
        nn.utils.clip_grad_norm_(twin.parameters(), config.train.clip_norm)


def _evaluate(twin: nn.Module, test: Batches, label_smoothing: float, seconds: float) -> Figures:
    """The share of the test images told right, and the mean loss per image."""
    loss = nn.CrossEntropyLoss(reduction="sum", label_smoothing=label_smoothing)
    twin.eval()
    images_seen, correct, loss_sum = 0, 0, 0.0
    with torch.no_grad():
        for batch in test.batches(0):
            images, labels = to_torch(batch)
            output = twin(images)  # (n, classes)
            images_seen += len(labels)
            correct += int((output.argmax(dim=1) == labels).sum())
            loss_sum += float(loss(output, labels))
    return Figures(correct / images_seen, loss_sum / images_seen, seconds)


def to_torch(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Images in PyTorch's memory order, (C, H, W, n) -> (n, C, H, W), and labels (n, ...); class numbers as int64."""
    labels = batch.labels.astype(np.int64) if batch.labels.dtype == np.uint8 else batch.labels
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(batch.images, -1, 0))), torch.from_numpy(labels)
