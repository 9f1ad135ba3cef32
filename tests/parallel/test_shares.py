"""Several processes train as one does with the same batches: weights, records and figures."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.data import Augment, Loader
from gpucnn.errors import TrainingError
from gpucnn.nn import Module
from gpucnn.parallel import ALONE, Communicator, current
from gpucnn.tensor import Function
from gpucnn.training import EarlyStop, Trainer, gradient_sums
from gpucnn.training.losses import CrossEntropy
from gpucnn.training.records import EpochRecord
from tests.devices import on
from tests.parallel.threads import Threads, together

NESTEROV = functools.partial(optim.SGD, lr=0.2, momentum=0.9, nesterov=True)
IMAGES = np.random.default_rng(1).integers(0, 256, (75, 1, 8, 8)).astype(np.uint8)
LABELS = np.random.default_rng(2).integers(0, 3, 75)


@pytest.fixture(autouse=True)
def on_the_cpu():
    with on("numpy"):
        yield


def convolutional(**batch_norm: Any) -> Module:
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, **batch_norm) if batch_norm else nn.Identity()]
    return nn.Sequential(*layers, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3)).astype("float64")


class Tied(nn.Module):
    """One layer used twice, one that is frozen, and one that is not used."""

    def __init__(self) -> None:
        self.inner, self.last, self.unused = nn.Linear(64, 64), nn.Linear(64, 3), nn.Linear(5, 5)
        self.frozen = nn.Linear(64, 64)
        self.frozen.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.inner(x.reshape(x.shape[0], -1)))
        return self.last(self.frozen(F.relu(self.inner(x))))


def loader(batch_size: int = 20, **options: Any) -> Loader:
    return Loader((IMAGES, LABELS), batch_size, shuffle=True, dtype="float64", **options)


def train(
    communicator: Communicator,
    optimizer: Callable[..., optim.Optimizer] = NESTEROV,
    data: Callable[[], Any] = loader,
    **options: Any,
) -> dict[str, Any]:
    """The weights, records and evaluation after two epochs."""
    made, records = nets[communicator.rank], []
    trainer = Trainer(made, optimizer(made.parameters()), communicator=communicator, **options)
    held_out = Loader((IMAGES[:33], LABELS[:33]), 16, dtype="float64")
    trainer.fit(data(), held_out, epochs=2, on_record=records.append)
    evaluation = trainer.evaluate(held_out)
    return {
        "weights": made.state_dict(),
        "losses": [record.loss for record in records if not isinstance(record, EpochRecord)],
        "accuracies": [record.accuracy for record in records if not isinstance(record, EpochRecord)],
        "images": [record.images for record in records if not isinstance(record, EpochRecord)],
        "metrics": [record.metrics for record in records if isinstance(record, EpochRecord)],
        "epochs": len(trainer.history),
        "probabilities": evaluation.probabilities,
        "evaluation": (evaluation.loss, evaluation.accuracy),
        "log": communicator.log if isinstance(communicator, Threads) else [],
    }


nets: list[Module] = []  # of the threads; made beforehand, since all draw from one generator


def of_processes(size: int, net: Callable[[], Module] = convolutional, **options: Any) -> list[dict[str, Any]]:
    nets.clear()
    for _ in range(size):
        gpucnn.manual_seed(3)
        nets.append(net().astype("float64"))
    if size == 1:
        return [train(ALONE, **options)]
    return together(size, lambda communicator: train(communicator, **options))


CASES: dict[str, dict[str, Any]] = {
    "momentum": {},
    "adam": {"optimizer": functools.partial(optim.Adam, lr=0.01)},
    "sum of losses": {"loss": CrossEntropy("sum"), "optimizer": functools.partial(optim.SGD, lr=0.01)},
    "clipped": {"clip_norm": 0.1, "clip_value": 0.05},
    "metrics": {"metrics": {"hits": lambda outputs, labels: (outputs.argmax(axis=1) == labels).sum()}},
    "early stop": {"early_stop": EarlyStop(patience=1, monitor="train_loss")},
    "a last batch too small to share": {"data": functools.partial(loader, 72)},
    "batches too small to share": {"data": functools.partial(loader, 3)},
    "augmented": {"data": functools.partial(loader, augment=Augment(shift=1, rotate=9, flip=True, cutout=2))},
    "recoloured and mixed": {"data": functools.partial(loader, augment=Augment(contrast=0.3, mixup=0.4, cutmix=1.0))},
    "augmented by a function": {
        "data": functools.partial(loader, augment=lambda images, rng: images + rng.integers(0, 2, images.shape))
    },
    "pairs": {"data": lambda: [(IMAGES[:20] / 255, LABELS[:20]), (IMAGES[20:33] / 255, LABELS[20:33])]},
    "tied, frozen, unused": {"net": Tied},
    "batch norm of all": {"net": functools.partial(convolutional, sync=True)},
    "batch norm of all, small": {
        "net": functools.partial(convolutional, sync=True),
        "data": functools.partial(loader, 72),
    },
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [2, 3])
def test_processes_train_as_one_does(case: str, size: int) -> None:
    [alone] = of_processes(1, **CASES[case])
    several = of_processes(size, **CASES[case])
    for one in several:
        for name in ("losses", "accuracies", "evaluation", "probabilities"):
            np.testing.assert_allclose(one[name], alone[name], rtol=0, atol=1e-9, err_msg=name)
        for name in ("images", "metrics", "epochs"):
            assert one[name] == alone[name], name
        for name, weights in alone["weights"].items():
            np.testing.assert_allclose(one["weights"][name], weights, rtol=0, atol=1e-9, err_msg=name)
            np.testing.assert_array_equal(one["weights"][name], several[0]["weights"][name])


def test_processes_end_with_the_same_bits_every_time() -> None:
    one, other = (of_processes(3)[0] for _ in range(2))
    assert one["losses"] == other["losses"]
    assert all(np.array_equal(weights, other["weights"][name]) for name, weights in one["weights"].items())


def test_batch_norm_of_each_share_keeps_the_means_of_the_running_statistics() -> None:
    [alone] = of_processes(1, net=functools.partial(convolutional, momentum=0.1))
    several = of_processes(2, net=functools.partial(convolutional, momentum=0.1))
    mean, other = (run["weights"]["1.running_mean"] for run in (alone, several[0]))
    np.testing.assert_array_equal(other, several[1]["weights"]["1.running_mean"])
    np.testing.assert_allclose(other, mean, atol=0.1)
    assert not np.allclose(several[0]["losses"], alone["losses"], rtol=0, atol=1e-9)  # statistics of fewer images


def test_a_loss_that_is_not_finite_is_reported_by_all_with_the_rank() -> None:
    def loss(output: Tensor, labels: np.ndarray) -> Tensor:
        bad = (labels == 7).any()
        return F.cross_entropy(output, np.where(labels == 7, 0, labels)) * (np.inf if bad else 1.0)

    labels = LABELS.copy()
    labels[30] = 7

    def work(communicator: Threads) -> str:
        made = nets[communicator.rank]
        trainer = Trainer(made, optim.SGD(made.parameters(), lr=0.1), loss, communicator=communicator)
        with pytest.raises(TrainingError) as error:
            trainer.fit(Loader((IMAGES, labels), 20, dtype="float64"))
        return str(error.value)

    nets[:] = [convolutional() for _ in range(3)]
    first, *others = together(3, work)
    assert "epoch 1, step 2 is" in first and "rank 1 of 3" in first
    assert others == [first] * 2


class OfRank(nn.Module):
    """Its forward is another one in rank 1."""

    def __init__(self) -> None:
        self.always, self.sometimes = nn.Linear(64, 3), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.always(x.reshape(x.shape[0], -1))
        return x if current().rank == 1 else self.sometimes(x)


def test_weights_that_drift_apart_are_noticed_after_the_epoch() -> None:
    nets[:] = [OfRank().astype("float64") for _ in range(2)]

    def work(communicator: Threads) -> str:
        made = nets[communicator.rank]
        trainer = Trainer(made, optim.SGD(made.parameters(), lr=0.1), communicator=communicator)
        with pytest.raises(TrainingError) as error:
            trainer.fit(loader())
        return str(error.value)

    first, second = together(2, work)
    assert first == second and "after epoch 1 the weights of rank 1 of 2" in first


class Mark(Function):
    """Notes when the backward pass runs through it."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return x.copy()

    def backward(self, grad: np.ndarray) -> np.ndarray:
        current().log.append(("middle", 0))
        return grad


class Marked(nn.Module):
    def __init__(self) -> None:
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 64)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(Mark.apply(self.first(x.reshape(x.shape[0], -1))))


def test_sums_begin_while_the_backward_pass_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last layer's gradients are on their way before the first layer's are computed."""
    monkeypatch.setattr(gradient_sums, "SMALL", 1)
    [log, _] = [run["log"] for run in of_processes(2, net=Marked)]
    parameters = 64 * 64 + 64  # of each layer
    step = log[: log.index(("end", parameters)) + 2]
    assert [each for each in step if each[1] in (0, parameters)] == [
        ("begin", parameters), ("middle", 0), ("begin", parameters), ("end", parameters), ("end", parameters)
    ]  # fmt: skip
