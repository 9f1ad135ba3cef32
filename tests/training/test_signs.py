"""Signs of a network that does not learn: each is told for what it is, and nothing is told of one that learns."""

import math

import numpy as np
import pytest

from gpucnn import nn
from gpucnn.data.loader import Batch, Loader, Loaders
from gpucnn.errors import CheckpointError
from gpucnn.training import CrossEntropy, EpochRecord, MeanSquaredError
from gpucnn.training.signs import Guessing, Inside, Signs, guessing, in_order, lacking, look_inside, memorised, risen

NAMES = ("ant", "bee", "cat", "dog")
LABELS = np.repeat([0, 1, 2, 3], [10, 10, 10, 30])


def record(epoch=1, loss=1.0, accuracy=0.5, validation_accuracy=None):
    held_out = None if validation_accuracy is None else 1.0
    return EpochRecord(epoch, loss, accuracy, held_out, validation_accuracy, 0.1, 1.0, 1.0)


def test_guessing_by_hand():
    guess = Guessing.of(LABELS, CrossEntropy())
    assert guess.loss == pytest.approx(-(3 * np.log(1 / 6) / 6 + np.log(1 / 2) / 2))
    assert guess.accuracy == 0.5
    assert Guessing.of(np.eye(4)[LABELS], CrossEntropy()) == pytest.approx(guess)
    assert Guessing.of(np.arange(10), CrossEntropy(label_smoothing=0.1)).loss == pytest.approx(np.log(10))
    assert Guessing.of(LABELS, MeanSquaredError()).loss is None


@pytest.mark.parametrize(("right", "explained"), [(0.1, True), (0.12, True), (0.14, False), (0.9, False)])
def test_what_guessing_explains(right, explained):
    assert Guessing(2.3, 0.1).explains(right, 1000) == explained  # a deviation is 0.95 points


def test_a_rise_is_told_only_out_of_what_was_learnt():
    guess = Guessing(2.3, 0.1)
    assert "rose from 0.400 to 1.900; lower the learning rate" in risen(0.4, record(loss=1.9), guess)
    for before, after in ((0.4, 0.5), (0.01, 0.02), (1.8, 1.9)):
        assert risen(before, record(loss=after), guess) is None


def test_images_that_are_learnt_where_others_are_guessed():
    guess = Guessing(2.3, 0.1)
    line = memorised(record(accuracy=0.9, validation_accuracy=0.11), guess, guess, 1000)
    assert "90.0% of the training images are right and 11.0%" in line and "look shuffled" in line
    for accuracy, validation in ((0.9, 0.3), (0.15, 0.1), (0.9, None)):
        assert memorised(record(accuracy=accuracy, validation_accuracy=validation), guess, guess, 1000) is None


def test_classes_that_training_lacks():
    line = lacking(np.array([0, 1, 1]), np.array([0, 2, 3, 3]), "test", NAMES)
    assert "no training image is of class cat, dog, and 75% of the test images are" in line
    assert lacking(LABELS, LABELS, "test", NAMES) is None
    assert lacking(np.zeros(9, int), np.array([0] * 99 + [1]), "test", NAMES) is None  # a rare one
    many = lacking(np.zeros(9, int), np.arange(20), "test", [str(number) for number in range(20)])
    assert "1, 2, 3, 4, 5 and 14 more" in many


def test_images_in_the_order_of_their_labels():
    assert "sorted by label and not shuffled" in in_order(LABELS, 16)
    for labels in (LABELS[::-1], np.zeros(60, int)):
        assert in_order(labels, 16) is None
    assert in_order(LABELS, 60) is None  # one minibatch shows them all


def test_dead_units_and_a_single_answer_are_seen():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4))
    net[0].bias.data[...] = (-1e6, 1)
    net[3].bias.data[...] = -1e9
    net[5].bias.data[...] = (0, 0, 5, 0)
    images = np.random.default_rng(0).random((1, 4, 4, 3)).astype(np.float32)
    inside = look_inside(net.train(), Batch(images, np.array([0, 1, 2])))
    assert inside == Inside((2,), {"1 (ReLU)": 0.5, "4 (ReLU)": 1.0})
    assert net.training


def test_the_line_on_guessing_names_the_likeliest_cause():
    epoch, guess = record(3, 2.31, 0.1), Guessing(2.3, 0.1)
    dead = guessing(epoch, guess, Inside((2,), {"1 (ReLU)": 0.2, "4 (ReLU)": 0.97}), NAMES)
    assert dead.startswith("epoch 3: the network answers as by guessing (10.0% right, loss 2.310, guessing's 2.300)")
    assert "in layer 4 (ReLU) 97% of the units are 0" in dead and "he_normal" in dead
    assert "every image of a minibatch is cat to it" in guessing(epoch, guess, Inside((2,), {}), NAMES)
    assert "is class 7 to it" in guessing(epoch, guess, Inside((7,), {}), NAMES)
    assert "ten times lower or higher" in guessing(epoch, guess, Inside((0, 1), {"1 (ReLU)": 0.2}), NAMES)


def signs(net=None, images=6000, shuffle=True):
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 4)) if net is None else net
    labels = np.sort(np.arange(images) % 4)
    pixels = np.zeros((images, 1, 2, 2), np.float32)
    held_out = Loader((pixels[::15], labels[::15]), 100)
    loaders = Loaders(Loader((pixels, labels), 100, shuffle=shuffle), held_out, held_out)
    return Signs.of(net, CrossEntropy(), loaders, NAMES)


def test_each_sign_is_told_once():
    watching = signs()
    assert watching.of_labels() == []
    assert [len(watching.of_epoch(record(epoch, math.log(4), 0.25, 0.25))) for epoch in (1, 2, 3)] == [1, 0, 0]
    assert len(watching.of_epoch(record(4, 0.1, 0.99, 0.25))) == 1
    assert list(watching.reported) == ["guessing", "memorised"]
    assert [len(watching.of_epoch(record(epoch, 2.0, 0.5, 0.5))) for epoch in (5, 6)] == [1, 0]


def test_of_a_network_that_learns_nothing_is_told():
    watching = signs()
    for epoch, (loss, accuracy, validation) in enumerate([(1.36, 0.3, 0.4), (1.0, 0.5, 0.6), (0.5, 0.9, 0.8)], 1):
        assert watching.of_epoch(record(epoch, loss, accuracy, validation)) == []


def test_nothing_is_told_before_enough_images_are_seen():
    watching = signs(images=600)
    lines = [watching.of_epoch(record(epoch, math.log(4), 0.25)) for epoch in range(1, 11)]
    assert [len(told) for told in lines] == [0] * 8 + [1, 0]


def test_sorted_images_are_told_only_where_they_are_not_shuffled():
    assert len(signs(shuffle=False).of_labels()) == 1


def test_what_was_told_is_kept():
    first, second = signs(), signs()
    first.of_epoch(record(1, math.log(4), 0.25))
    second.restore(first.as_dict())
    assert second.of_epoch(record(2, math.log(4), 0.25)) == [] and second.reported == first.reported
    second.restore(None)  # a checkpoint of 0.1.0
    for damaged in (
        [],
        {},
        {"told": 3, "before": None},
        {"told": {"a": 1}, "before": None},
        {"told": {}, "before": "x"},
    ):
        with pytest.raises(CheckpointError, match="signs are damaged"):
            signs().restore(damaged)


def test_data_without_classes_is_left_alone():
    class Own:
        def __len__(self):
            return 1

    assert Signs.of(nn.Sequential(), CrossEntropy(), Loaders(Own()), NAMES) is None
    targets = Loader((np.zeros((4, 1)), np.array([0.5, 1.5, 2.5, 3.5])), 2)
    assert Signs.of(nn.Sequential(), MeanSquaredError(), Loaders(targets), NAMES) is None
