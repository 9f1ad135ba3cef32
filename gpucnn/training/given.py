"""What users give a Trainer: images for a prediction, labels, metrics; checked, with what was expected."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gpucnn.data.loader import Batches
from gpucnn.data.stored import Stored
from gpucnn.errors import ConfigError, DataError, InputError
from gpucnn.nn import Module
from gpucnn.optim import Optimizer
from gpucnn.optim.schedules import Monitored
from gpucnn.tensor import Tensor
from gpucnn.training.kinds import Kind
from gpucnn.training.losses import Loss, is_sum

Metrics = Mapping[str, Callable[[np.ndarray, np.ndarray], float]]  # (outputs (N, C), labels) -> a number


def as_images(images: Any) -> np.ndarray:
    """Images as one array: of a Tensor, or of a list of arrays of one shape. Raises DataError for anything else."""
    if isinstance(images, Tensor):
        return images.numpy()
    if isinstance(images, list | tuple):
        images = [image.numpy() if isinstance(image, Tensor) else np.asarray(image) for image in images]
        if len({image.shape for image in images}) > 1:
            raise DataError(f"images of one shape are expected; given {sorted({image.shape for image in images})}")
        return np.stack(images) if images else np.empty(0)
    array = np.asarray(images)
    if array.dtype.kind not in "fiub":
        raise DataError(f"expected images (N, C, H, W), an array of numbers; given {type(images).__name__}")
    return array


def labels_of(batches: Batches) -> np.ndarray | None:
    """All labels of a Loader, or one of those that stay on disk; None where only its batches are known."""
    labels = getattr(batches, "labels", None)
    if isinstance(labels, Stored):  # pictures that are larger than memory: one tells what all are
        return labels[:1]
    return labels if isinstance(labels, np.ndarray) else None


def check_monitored(kind: Kind | None, **rules: object) -> None:
    """Raise ConfigError for a rule, by its name, whose figure labels of this kind do not have."""
    missing, has = ("score", "accuracy") if kind == "classes" else ("accuracy", "score")
    for name, rule in rules.items():
        if isinstance(rule, Monitored) and rule.monitor.endswith(missing):
            what = "classes" if kind == "classes" else "no classes"
            raise ConfigError(
                f"{name} monitors {rule.monitor}, but labels are {what}; monitor validation_{has}, or a loss"
            )


def check_shareable(loss: Loss, processes: int, accumulate: int = 1) -> None:
    """Raise InputError where a batch is computed in parts, and the loss is a mean over weights: one of the whole."""
    of_parts = getattr(loss, "weight", None) is getattr(loss, "ignore_index", None) is None
    if processes * accumulate > 1 and "classes" in getattr(loss, "takes", ()) and not (of_parts or is_sum(loss)):
        parts = f"each of {processes} processes sees a part" if processes > 1 else f"it is cut into {accumulate} parts"
        raise InputError(
            "a mean over the weights of classes (loss.weight, loss.ignore_index) is that of a whole batch, and "
            f"{parts}; give reduction: sum, train.sampler: balanced, one process and train.accumulate: 1"
        )


def check_optimizer(net: Module, optimizer: Optimizer) -> None:
    """Raise InputError where the optimizer moves nothing of the network."""
    own = {id(parameter) for parameter in net.parameters()}
    if not any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"]):
        raise InputError(
            "the optimizer holds no parameter of this network, so that training would not change it; make it of "
            "net.parameters()"
        )


def measured(metrics: Metrics, outputs: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The value of every metric. Raises InputError for one that returns no number."""
    values = {}
    for name, metric in metrics.items():
        value = metric(outputs, labels)
        try:
            values[name] = float(value)
        except (TypeError, ValueError):
            raise InputError(f"the metric {name} returned {type(value).__name__}; expected one number") from None
    return values
