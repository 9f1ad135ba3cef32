"""Whether a training step on the CPU may be captured: it may if all of it is the framework's own."""

import functools
from collections.abc import Iterator
from typing import Any

from gpucnn import functional as F
from gpucnn.data.augment import Augment
from gpucnn.data.loader import Loader
from gpucnn.data.resident import why_not_resident
from gpucnn.nn import BatchNorm, Module
from gpucnn.optim import OPTIMIZERS
from gpucnn.parallel import current
from gpucnn.tensor import Tensor
from gpucnn.training.losses import LOSSES, Loss
from gpucnn.training.step import Step

FUNCTIONS: tuple[Any, ...] = (
    F.cross_entropy, F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.binary_cross_entropy_with_logits,
)  # fmt: skip
PLAIN = (bool, int, float, str, type(None))


def why_not(step: Step, loader: Any) -> str | None:
    """Why a step over a loader's batches cannot be captured on the CPU; None where it can.

    A program runs kernels, and no Python: code of the user's would run once, when it is captured, and never again.
    """
    if type(loader) is not Loader:
        return f"the batches are of {type(loader).__name__}, not of a Loader"
    if (reason := why_not_resident(loader)) is not None:
        return reason
    if type(loader.augment) not in (type(None), Augment):
        return f"{type(loader.augment).__name__} is an augmentation of the user's"
    if loader.mixes and current().size > 1:
        return "the images of a batch are mixed, for which each process needs all of them"
    if type(step.optimizer) not in OPTIMIZERS.values():
        return f"{type(step.optimizer).__name__} is an optimizer of the user's"
    if not _is_known(step.loss):
        return f"the loss, {_name(step.loss)}, is none of the framework's"
    return why_not_network(step.net)


def why_not_network(net: Module) -> str | None:
    """Why a network cannot be captured on the CPU; None where it can."""
    reasons = (_why_not_module(name, module) for name, module in net.named_modules())
    return next((reason for reason in reasons if reason), None)


def _is_known(loss: Loss) -> bool:
    """Whether the loss is the framework's."""
    function = loss.func if isinstance(loss, functools.partial) else loss
    return type(loss) in LOSSES.values() or function in FUNCTIONS


def _name(loss: Loss) -> str:
    return getattr(loss, "__name__", type(loss).__name__)


def _why_not_module(name: str, module: Module) -> str | None:
    kind = type(module)
    if not kind.__module__.startswith("gpucnn."):
        return f"{kind.__name__} ({name or 'the network'}) is a module of the user's"
    if module._hooks or any(callable(v) and not isinstance(v, Module | Tensor) for v in vars(module).values()):
        return f"{kind.__name__} ({name or 'the network'}) has hooks, or methods of its own"
    if isinstance(module, BatchNorm) and module.momentum is None:
        return f"{kind.__name__} ({name}) counts its batches in Python"
    if isinstance(module, BatchNorm) and module.sync and current().size > 1:
        return f"{kind.__name__} ({name}) sums its statistics over processes in Python"
    return None


class Snapshot:
    """All that a captured step took from Python objects: when it differs, the step is captured anew."""

    def __init__(self, step: Step) -> None:
        self._objects: list[Any] = [
            step.average
        ]  # compared by identity, and kept so that no other gets their addresses
        self._values: list[Any] = [step.loss, step.clip_norm, step.clip_value]
        for _, module in step.net.named_modules():
            self._add(type(module))
            self._add(module)
            for name, value in vars(module).items():
                if not name.startswith("_") or name == "_hooks":
                    self._values.append(name)
                    self._add(value)
        for group in step.optimizer.param_groups:
            self._values.append({name: value for name, value in group.items() if name not in ("lr", "steps", "params")})
            self._add(group["params"])

    def _add(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self._objects += [value, value.memory, value._grad_buffer]
            self._values.append(value.requires_grad)
        elif isinstance(value, list | tuple):
            self._values.append(len(value))
            for item in value:
                self._add(item)
        elif isinstance(value, PLAIN):
            self._values.append(value)
        else:
            self._objects.append(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Snapshot) or len(self._objects) != len(other._objects):
            return False
        same = all(mine is theirs for mine, theirs in zip(self._objects, other._objects, strict=True))
        return same and self._values == other._values

    __hash__ = None  # type: ignore[assignment]


def arrays_of(step: Step) -> Iterator[Any]:
    """The arrays of the network and the optimizer that a step reads and changes; views after what they are of."""
    yield from step.optimizer.flat_arrays()
    for parameter in step.net.parameters():
        yield parameter.memory
        if parameter._grad_buffer is not None:
            yield parameter._grad_buffer
    for buffer in step.net.buffers():
        yield buffer.memory
    if step.average is not None:
        yield from step.average.arrays()
