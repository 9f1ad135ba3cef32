"""health.json: how the layers of a run fare, epoch by epoch, and its first kernels as they form."""

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from gpucnn import generators
from gpucnn.data.loader import Batches, Loader, Loaders
from gpucnn.errors import CheckpointError
from gpucnn.nn import Module
from gpucnn.nn.layers import Convolution
from gpucnn.runs.folder import HEALTH, RunFolder
from gpucnn.training.health import copied_weights, norms, shares_of_units
from gpucnn.training.records import BatchRecord, EpochRecord
from gpucnn.training.trainer import Trainer

IMAGES = 128  # by which units are judged
MOST_EPOCHS = 200  # that are kept; of more every second, fourth, ... and the last
MOST_MOMENTS = 11  # of kernels, likewise; and the first weights
MOST_OUTPUTS, MOST_INPUTS = 16, 3  # kernels kept of the first convolution
MOST_WEIGHTS = 8192  # of these
WEIGHT = np.dtype("<f2")  # of kernels in base64


class HealthLog:
    """Keeps the health of the network that `trainer` trains in `folder`.

    Made when training begins or resumes, it drops what was kept after the checkpoint. Units are judged by the first
    images for validation; without any, by training images. Nothing that the training depends on is changed.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer, loaders: Loaders) -> None:
        self._folder, self._trainer = folder, trainer
        self._part = "training" if loaders.validation is None else "validation"
        self._batches = _few(loaders.train if loaders.validation is None else loaders.validation)
        state = trainer.train_state
        self.kept = _until(state.epoch, read_health(folder))
        self._stepped = False  # in the epoch under way
        self._before = None if state.train.batches else copied_weights(trainer.net)
        if not state.epoch and self._before is not None:
            self._keep_kernels(0)
            self._write()

    def __call__(self, record: BatchRecord | EpochRecord) -> None:
        """Take note of a step, or of the health at an epoch's end."""
        if isinstance(record, BatchRecord):
            self._stepped |= record.split == "train"
            return
        net = self._trainer.net
        self.kept["epochs"].append({"epoch": record.epoch, "layers": self._figures(record.epoch)})
        self.kept["epochs"] = _thinned(self.kept["epochs"], MOST_EPOCHS)
        self._keep_kernels(record.epoch)
        self._write()
        self._stepped, self._before = False, copied_weights(net)

    def _figures(self, epoch: int) -> dict[str, Any]:
        """The figures of every layer that has some, by its name, with its kind."""
        net, drawn = self._trainer.net, generators.generator_state()
        batch = next(self._batches.batches(epoch if self._part == "training" else 0))
        shares, sizes = shares_of_units(net, batch), norms(net, self._before, self._stepped)
        generators.set_generator_state(drawn)  # a module of the user's may have drawn from it
        self.kept |= {"images": len(batch.labels), "part": self._part}
        return {
            name: {
                "kind": getattr(module, "kind", type(module).__name__),
                **sizes.get(name, {}),
                **shares.get(name, {}),
            }
            for name, module in net.named_modules()
            if name in sizes or name in shares
        }

    def _keep_kernels(self, epoch: int) -> None:
        """Keep the first convolution's kernels, if there is one whose kernels are small."""
        found = first_kernels(self._trainer.net)
        if found is None:
            return
        name, kernels = found
        moments = self.kept["kernels"]["moments"] if self.kept["kernels"] else []
        text = base64.b64encode(kernels.astype(WEIGHT).tobytes()).decode()
        moments = _thinned([*moments, {"epoch": epoch, "weights": text}], MOST_MOMENTS)
        self.kept["kernels"] = {"layer": name, "shape": list(kernels.shape), "moments": moments}

    def _write(self) -> None:
        self._folder.write_health(self.kept)


def read_health(folder: RunFolder) -> dict[str, Any]:
    """The contents of a run's health.json; without epochs and kernels where there is none, as of an earlier version.

    Raises CheckpointError if it is damaged.
    """
    path = folder.path / HEALTH
    if not path.exists():
        return {"epochs": [], "kernels": None}
    try:
        kept = json.loads(path.read_bytes())
        _check(kept)
        return kept
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error!r:.200}); remove it, and go on without what it told"
        ) from None


def _check(kept: Any) -> None:
    """Raise one of Python's errors for what `HealthLog` would not have written."""
    moments = kept["kernels"]["moments"] if kept["kernels"] is not None else []
    if kept["epochs"] and not (type(kept["images"]) is int and type(kept["part"]) is str):
        raise ValueError("what units were judged by is unknown")
    if any(type(each["epoch"]) is not int for each in [*kept["epochs"], *moments]):
        raise ValueError("an epoch is no number")
    for each in kept["epochs"]:
        for figures in each["layers"].values():
            numbers = [value for name, value in figures.items() if name != "kind"]
            if type(figures["kind"]) is not str or any(
                type(value) not in (int, float, type(None)) for value in numbers
            ):
                raise ValueError("a figure is no number")
    if kept["kernels"] is not None:
        if type(kept["kernels"]["layer"]) is not str or len(kept["kernels"]["shape"]) < 3 or not moments:
            raise ValueError("no kernels")
        kernels_of(kept["kernels"])


def first_kernels(net: Module) -> tuple[str, np.ndarray] | None:
    """The first convolution's name and kernels (O, I, *kernel), as many as are kept; None where there are none."""
    for name, module in net.named_modules():
        if isinstance(module, Convolution):
            kernels = module.weight.numpy()[:MOST_OUTPUTS, :MOST_INPUTS]
            kernels = kernels[: MOST_WEIGHTS // kernels[0].size]
            return (name, kernels) if len(kernels) else None
    return None


def kernels_of(kept: dict[str, Any]) -> tuple[list[int], np.ndarray]:
    """The epochs of the moments that health.json has, and the kernels then, (moments, O, I, *kernel)."""
    epochs = [moment["epoch"] for moment in kept["moments"]]
    weights = [np.frombuffer(base64.b64decode(moment["weights"]), WEIGHT) for moment in kept["moments"]]
    return epochs, np.stack(weights).reshape(len(epochs), *kept["shape"])  # (moments, weights) -> (moments, O, I, ...)


def _few(batches: Batches) -> Batches:
    return batches.in_batches_of(IMAGES) if isinstance(batches, Loader) else batches


def _until(epoch: int, kept: dict[str, Any]) -> dict[str, Any]:
    """What was kept up to an epoch."""
    kept["epochs"] = [each for each in kept["epochs"] if each["epoch"] <= epoch]
    if kept["kernels"]:
        kept["kernels"]["moments"] = [each for each in kept["kernels"]["moments"] if each["epoch"] <= epoch]
    return kept


def _thinned(entries: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The entries of epochs that are multiples of a power of 2, at most `most` and that of epoch 0; and the last."""
    last, step = entries[-1]["epoch"], 1
    while last // step > most:
        step *= 2
    return [each for each in entries if each["epoch"] % step == 0 or each is entries[-1]]
