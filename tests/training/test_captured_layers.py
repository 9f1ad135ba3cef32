"""Captured steps on the CPU in which Python computes between kernels: what it reads and writes is the program's."""

import functools
import os
import re
import signal

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn import nn, optim
from gpucnn.data.augment import Augment
from gpucnn.data.loader import Loader
from gpucnn.errors import TrainingError
from gpucnn.kernels import dispatch
from gpucnn.training import CrossEntropy, MeanSquaredError, Trainer, captured
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from gpucnn.training.records import EpochRecord
from tests.training.test_more_layers import NETWORKS

pytestmark = pytest.mark.skipif(dispatch.chosen() == "numpy", reason="programs are of the C kernels")

IMAGES, BATCH = 43, 8  # the last batch of an epoch has 3 images
RNG = np.random.default_rng(5)
PIXELS = RNG.integers(0, 256, (IMAGES, 1, 10, 10)).astype(np.uint8)
CLASSES, SEVERAL = RNG.integers(0, 3, IMAGES), RNG.integers(0, 2, (IMAGES, 3)).astype(np.uint8)
NUMBERS, SHARES = RNG.standard_normal((IMAGES, 3)), RNG.random((IMAGES, 3))
SHARES /= SHARES.sum(axis=1, keepdims=True)
WEIGHTS = (0.5, 2.0, 1.0)


def batches(labels=CLASSES, dtype="float32", **options):
    return Loader((PIXELS, labels), BATCH, shuffle=True, seed=2, dtype=dtype, **options)


@pytest.fixture
def programs(monkeypatch):
    """How many programs were captured, each with the number of its interludes; and the errors of others."""
    found, capture = [], captured.Cpu.capture

    def counted(self, *arguments):
        replay = capture(self, *arguments)
        found.append(len(replay._parts) - 1)
        return replay

    monkeypatch.setattr(captured.Cpu, "capture", counted)
    monkeypatch.setattr(captured.Cpu, "report", lambda self, error: found.append(str(error)))
    return found


def small(outputs=3):
    gpucnn.manual_seed(4)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(192, outputs))


def trainer_of(net, capture, lr=0.02, **options):
    return Trainer(net, optim.SGD(net.parameters(), lr, momentum=0.9), capture=capture, **options)


def summary(trainer, records):
    """What a training left behind, without times."""
    state = trainer.state()
    del state.values["position"]  # holds times
    return [record for record in records if not isinstance(record, EpochRecord)], state.values, state.tensors


def assert_same(one, other):
    assert one[:2] == other[:2]
    assert one[2].keys() == other[2].keys()
    for name, array in one[2].items():
        np.testing.assert_array_equal(array, other[2][name], err_msg=name)


def assert_captured_alike(programs, network, loader, **options):
    """Two epochs, so that each of the two programs runs again; with the weights of steps one by one."""
    found = []
    for capture in (False, True):
        gpucnn.manual_seed(1)
        trainer = trainer_of(network(), capture, **options)
        found.append(summary(trainer, list(trainer.run(loader, None, 2))))
        assert (trainer.why_not_captured is None) == capture
    assert len(programs) == 2 and all(isinstance(count, int) for count in programs), programs
    assert_same(*found)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_layers_without_kernels_are_captured(programs, network, dtype):
    assert_captured_alike(programs, lambda: network().astype(dtype), batches(dtype=dtype))


LOSSES = {
    "weighted": (CrossEntropy(weight=WEIGHTS, label_smoothing=0.1), CLASSES),
    "ignoring": (CrossEntropy("sum", ignore_index=1), CLASSES),
    "shares": (CrossEntropy(label_smoothing=0.1), SHARES),
    "weighted shares": (CrossEntropy(weight=WEIGHTS), SHARES.astype(np.float32)),
    "several": (BinaryCrossEntropy(), SEVERAL),
    "several, weighted": (BinaryCrossEntropy(weight=2.0, pos_weight=WEIGHTS), SEVERAL),
    "squares of classes": (MeanSquaredError(), CLASSES),
    "squares": (MeanSquaredError("sum"), NUMBERS),
    "distances": (AbsoluteError(), NUMBERS.astype(np.float32)),
    "both": (SmoothAbsoluteError(beta=0.5), NUMBERS),
    "function": (functools.partial(F.smooth_l1_loss, beta=2.0), NUMBERS),
}


@pytest.mark.parametrize(("loss", "labels"), LOSSES.values(), ids=LOSSES)
def test_losses_are_captured(programs, loss, labels):
    assert_captured_alike(programs, small, batches(labels), loss=loss, lr=0.002)


@pytest.mark.parametrize("loss", [MeanSquaredError(), AbsoluteError(), SmoothAbsoluteError()], ids=str)
def test_a_number_for_each_image_is_captured(programs, loss):
    assert_captured_alike(programs, lambda: small(1), batches(NUMBERS[:, 1]), loss=loss, lr=0.002)


@pytest.mark.parametrize("labels", [CLASSES, SHARES, NUMBERS], ids=["classes", "shares", "numbers"])
@pytest.mark.parametrize("augment", [Augment(shift=1, mixup=0.4), Augment(mixup=0.4, cutmix=1.0)], ids=str)
def test_mixed_batches_are_captured(programs, augment, labels):
    loss = MeanSquaredError() if labels is NUMBERS else CrossEntropy()
    assert_captured_alike(programs, small, batches(labels, augment=augment), loss=loss, lr=0.002)


def test_accumulated_gradients_of_such_a_loss(programs):
    loss = CrossEntropy("sum", weight=WEIGHTS)
    assert_captured_alike(programs, small, batches(), loss=loss, lr=0.002, accumulate=2)


def all_at_once(capture, **options):
    """A network and a trainer that use every kind of interlude: layers, mixtures, rows of labels."""
    gpucnn.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.InstanceNorm2d(4, track_running_stats=True, affine=True), nn.PReLU(4),
        nn.AdaptiveAvgPool2d(5), nn.Upsample(scale_factor=2), nn.Dropout(0.2), nn.Flatten(), nn.Linear(400, 3),
    )  # fmt: skip
    return trainer_of(net, capture, loss=CrossEntropy(label_smoothing=0.1), **options)


MIXED = {"labels": SHARES, "augment": Augment(shift=1, mixup=0.4)}


def test_a_resumed_training_goes_on_to_the_same_bits(programs):
    whole = all_at_once(True)
    records = list(whole.run(batches(**MIXED), None, 3))
    begun, state = all_at_once(True), None
    for number, record in enumerate(begun.run(batches(**MIXED), None, 3)):
        if number >= 8 and begun.settled and not isinstance(record, EpochRecord):
            state = begun.state()
            break
    resumed = all_at_once(True)
    resumed.load_state(state)
    rest = list(resumed.run(batches(**MIXED), None, 3))
    assert 0 < len(rest) < len(records)
    assert_same(summary(resumed, rest), summary(whole, records[-len(rest) :]))


def test_ctrl_c_ends_with_the_last_whole_step(programs, monkeypatch):
    """What follows is what follows without Ctrl-C, which comes while a program runs."""
    whole = all_at_once(True)
    records = list(whole.run(batches(**MIXED), None, 3))
    stopped, seen, repeat = all_at_once(True), [], captured.Cpu.repeat

    def interrupted(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        repeat(self, *arguments)

    monkeypatch.setattr(captured.Cpu, "repeat", interrupted)
    with pytest.raises(KeyboardInterrupt):
        for record in stopped.run(batches(**MIXED), None, 3):
            seen.append(record)
    monkeypatch.setattr(captured.Cpu, "repeat", repeat)
    assert seen and stopped.settled
    rest = list(stopped.run(batches(**MIXED), None, 3))
    assert_same(summary(stopped, seen + rest), summary(whole, records))


def test_a_loss_that_is_not_finite_stops_where_it_is(programs):
    def lost(capture):
        trainer = all_at_once(capture, lr=1e25)
        with pytest.raises(TrainingError) as error:
            list(trainer.run(batches(**MIXED), None, 3))
        return str(error.value), trainer.state()

    (words, expected), (same_words, state) = lost(False), lost(True)
    assert same_words == words and programs
    for name, array in expected.tensors.items():
        np.testing.assert_array_equal(state.tensors[name], array, err_msg=name)


def test_a_network_of_them_is_captured_for_inference():
    for network in NETWORKS.values():
        gpucnn.manual_seed(1)
        net = network().eval()
        first, second = RNG.standard_normal((2, 5, 1, 10, 10)).astype(np.float32)
        fast = gpucnn.capture(net, first)
        assert fast.programs == 1
        with gpucnn.no_grad():
            for x in (second, first):
                np.testing.assert_array_equal(fast(x).numpy(), net(gpucnn.Tensor(x)).numpy())


# --- why a step is not captured ---------------------------------------------------------------------------------------


class Own(nn.Module):
    def forward(self, x):
        return x * 2.0


def own_loss(output, labels):
    return F.cross_entropy(output, labels) * 2.0


@pytest.mark.parametrize(
    ("words", "network", "loader", "options"),
    [
        ("Own .* is a module of the user's", lambda: nn.Sequential(Own(), *small()), batches, {}),
        ("the loss, own_loss, is none of the framework's", small, batches, {"loss": own_loss}),
        ("capture is off", small, batches, {"capture": False}),
        ("colours are changed on the host", small, lambda: batches(augment=Augment(contrast=0.2)), {}),
        ("the batches are of Iterated", small, lambda: [(PIXELS[:8] / 255, CLASSES[:8])], {}),
        ("no recorded kernel wrote|read-only", lambda: nn.Sequential(nn.ReflectionPad2d(1), small()[0], nn.Flatten(),
                                                           nn.Linear(300, 3)), batches, {}),
    ],
)  # fmt: skip
def test_a_trainer_says_why_its_steps_run_one_by_one(words, network, loader, options):
    trainer = trainer_of(network(), **{"capture": True, **options})
    assert trainer.why_not_captured is None
    list(trainer.run(loader(), None, 1))
    assert trainer.why_not_captured is not None
    assert re.search(words, trainer.why_not_captured), trainer.why_not_captured
