"""Trainings with every loss and with the sampler: the same on every set of kernels, captured or not, and resumed."""

import warnings

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.data import Dataset, Loader
from gpucnn.data.loader import balanced
from gpucnn.errors import ConfigError, InputError
from gpucnn.training import CrossEntropy, MeanSquaredError, Trainer
from gpucnn.training.early_stop import EarlyStop
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from tests.devices import on
from tests.judges import close
from tests.training import examples

WEIGHTS = (0.5, 2.0, 1.0)
LOSSES = {
    "weighted": CrossEntropy(weight=WEIGHTS, label_smoothing=0.1),
    "ignoring": CrossEntropy(ignore_index=1),
    "several": BinaryCrossEntropy(pos_weight=WEIGHTS, weight=2.0),
    "several, plain": BinaryCrossEntropy(),
    "mse": MeanSquaredError(),
    "l1": AbsoluteError("sum"),
    "smooth_l1": SmoothAbsoluteError(beta=0.5),
}


def data(loss, images=60, seed=0):
    """Images with the labels that the loss takes."""
    pixels, labels = examples.images(images, seed)
    if isinstance(loss, CrossEntropy):
        return Dataset(pixels, labels, ("a", "b", "c"))
    rng = np.random.default_rng(seed)
    several = np.eye(3, dtype=np.uint8)[labels] | rng.integers(0, 2, (images, 3)).astype(np.uint8)
    rows = several if isinstance(loss, BinaryCrossEntropy) else several * 2.5 + rng.standard_normal((images, 3))
    return Dataset(pixels, rows, ("a", "b", "c"))


def train(loss, capture=True, dtype="float32", weights=None):
    gpucnn.manual_seed(1)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(72, 3)).astype(dtype)
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.05, momentum=0.9), loss, capture=capture)
    train = data(loss)
    chosen = None if weights is None else weights(train.labels)
    loader = Loader(train, 16, shuffle=True, seed=3, dtype=dtype, weights=chosen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trainer.fit(loader, data(loss, 20, 1), epochs=3)
    return trainer


def weights_of(trainer):
    return np.concatenate([array.ravel() for array in trainer.net.state_dict().values()])


@pytest.mark.parametrize("name", LOSSES)
def test_every_set_of_kernels_trains_alike_and_captured_steps_give_the_same_bits(device, name):
    loss = LOSSES[name]
    found = train(loss)
    np.testing.assert_array_equal(weights_of(found), weights_of(train(loss, capture=False)))
    with on("numpy"):
        expected = train(loss)
    np.testing.assert_allclose(weights_of(found), weights_of(expected), rtol=1e-3, atol=1e-5)
    ours, theirs = found.history[-1], expected.history[-1]
    assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)
    assert found.history[-1].train_loss < found.history[0].train_loss
    if not isinstance(loss, CrossEntropy):
        assert ours.train_accuracy is ours.validation_accuracy is None
        assert ours.validation_score == pytest.approx(theirs.validation_score, abs=1e-3)


def test_a_weighted_training_is_pytorchs(torch):
    """Three steps of gradient descent on logits that are the parameters."""
    loss = LOSSES["weighted"]
    x, labels = np.random.default_rng(0).standard_normal((6, 3)), np.array([0, 1, 2, 2, 1, 1])
    ours, theirs = gpucnn.Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    criterion = torch.nn.CrossEntropyLoss(torch.tensor(WEIGHTS, dtype=torch.float64), label_smoothing=0.1)
    for _ in range(3):
        loss(ours, labels).backward()
        criterion(theirs, torch.tensor(labels)).backward()
        close(ours.grad.numpy(), theirs.grad.numpy())


def test_a_sampler_trains_alike_captured_or_not(device):
    found, single = (train(CrossEntropy(), capture, weights=balanced) for capture in (True, False))
    np.testing.assert_array_equal(weights_of(found), weights_of(single))
    assert not np.array_equal(weights_of(found), weights_of(train(CrossEntropy())))


def test_a_sampler_draws_every_class_as_often():
    labels = np.repeat([0, 1, 2], [900, 90, 10])
    loader = Loader((np.zeros((1000, 1, 2, 2), "uint8"), labels), 100, shuffle=True, seed=5, weights=balanced(labels))
    drawn = np.concatenate([np.concatenate(loader.indices(epoch)) for epoch in range(10)])
    counts = np.bincount(labels[drawn])
    assert len(drawn) == 10_000 and (abs(counts - 10_000 / 3) < 4 * np.sqrt(10_000 * 2 / 9)).all()
    rare = np.bincount(drawn[labels[drawn] == 2] - 990, minlength=10)
    assert (abs(rare - 1000 / 3) < 4 * np.sqrt(1000 / 3)).all()  # within a class all images alike
    again = Loader((loader.images, labels), 100, shuffle=True, seed=5, weights=balanced(labels))
    assert all(map(np.array_equal, loader.indices(7), again.indices(7)))
    assert not np.array_equal(loader.indices(7)[0], loader.indices(8)[0])


@pytest.mark.parametrize(
    ("weights", "shuffle"), [(np.ones(3), True), (np.full(4, -1.0), True), (np.zeros(4), True), (np.ones(4), False)]
)
def test_weights_that_draw_nothing_are_refused(weights, shuffle):
    with pytest.raises(ConfigError, match=r"expected \(4,\) numbers of at least 0"):
        Loader((np.zeros((4, 1, 2, 2), "uint8"), np.arange(4)), 2, shuffle=shuffle, weights=weights)


def test_a_trainer_predicts_numbers_and_probabilities_of_labels():
    for name, between in (("mse", False), ("several", True)):
        trainer = train(LOSSES[name])
        found = trainer.predict(data(LOSSES[name]).images)
        evaluation = trainer.evaluate(data(LOSSES[name]))
        np.testing.assert_allclose(found, evaluation.probabilities, rtol=1e-5)
        assert evaluation.accuracy is None and evaluation.classification is None
        assert (found.min() >= 0 and found.max() <= 1) == between and not np.allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("loss", "monitor", "words"),
    [
        (LOSSES["mse"], "validation_accuracy", "labels are no classes; monitor validation_score"),
        (CrossEntropy(), "validation_score", "labels are classes; monitor validation_accuracy"),
    ],
)
def test_a_figure_that_labels_do_not_have_is_refused(loss, monitor, words):
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    rule = EarlyStop(1, monitor=monitor)
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.05), loss, early_stop=rule)
    with pytest.raises(ConfigError, match=words):
        trainer.fit(data(loss), data(loss, 20, 1))


def test_early_stopping_watches_the_score():
    loss = LOSSES["several"]
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    rule = EarlyStop(2, monitor="validation_score")
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=1e-9), loss, early_stop=rule)
    assert len(trainer.fit(data(loss), data(loss, 20, 1), epochs=9)) == 3  # it never improves


def test_labels_in_python_are_numbers_of_one_column(rng):
    """(N,) floats against (N, 1) outputs."""
    x, y = rng.standard_normal((40, 5)).astype("f4"), rng.standard_normal(40)
    net = nn.Sequential(nn.Linear(5, 1))
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.05), MeanSquaredError())
    last = trainer.fit((x, y), (x, y), epochs=30)[-1]
    assert last.validation_score > 0 and last.scores["mae"][0] < abs(y).mean()


def test_a_mean_over_weights_is_not_shared_between_processes():
    from gpucnn.training.given import check_shareable

    check_shareable(CrossEntropy("sum", weight=WEIGHTS), 2)
    check_shareable(BinaryCrossEntropy(weight=2.0), 2)
    for loss in (LOSSES["weighted"], LOSSES["ignoring"]):
        check_shareable(loss, 1)
        with pytest.raises(InputError, match="each of 2 processes sees a part; give reduction: sum"):
            check_shareable(loss, 2)
