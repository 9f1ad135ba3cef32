"""The learning rate range test: its rates and losses, what it names, and that it leaves nothing behind."""

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn import nn, optim
from gpucnn.data.loader import Loader
from gpucnn.errors import InputError
from gpucnn.training import EMA, Trainer
from gpucnn.training.range_test import RangeTest, find_lr
from tests.training import examples


def make(capture=True, **options):
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(144, 3))
    return Trainer(net, optim.SGD(net.parameters(), lr=0.5, momentum=0.9), capture=capture, **options)


def batches():
    return Loader(examples.images(), 16, shuffle=True, seed=1)  # five in an epoch


def test_losses_are_those_of_a_loop_at_growing_rates(device):
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    start = net.state_dict()
    found = find_lr(Trainer(net, optim.SGD(net.parameters(), lr=0.5, momentum=0.9)), batches(), 1e-3, 0.1, 12)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-3, 0.1, 12), rtol=1e-12)
    net.load_state_dict(start)
    optimizer, losses = optim.SGD(net.parameters(), lr=1.0, momentum=0.9), []
    epochs = [batch for epoch in range(3) for batch in batches().batches(epoch)]
    for rate, (images, labels) in zip(np.geomspace(1e-3, 0.1, 12), epochs, strict=False):
        optimizer.lr = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(net(gpucnn.tensor(np.moveaxis(images, -1, 0))), labels)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(found.losses, losses, rtol=1e-5)
    weights = 0.9 ** np.arange(12)[::-1]
    np.testing.assert_allclose(found.means[-1], np.average(losses, weights=weights), rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"average": EMA(0.9)}, {"accumulate": 2}], ids=str)
def test_nothing_is_left_behind(device, options):
    """What is trained afterwards has the bits of a training without the test."""
    plain, tested = make(**options), make(**options)
    find_lr(tested, batches(), 1e-4, 100.0, 30)
    for trainer in (plain, tested):
        gpucnn.manual_seed(7)
        trainer.fit(batches(), epochs=2)
    for name, array in plain.state().tensors.items():
        np.testing.assert_array_equal(array, tested.state().tensors[name], err_msg=name)


def test_captured_steps_find_the_same():
    found = [find_lr(make(capture), batches(), 1e-3, 1.0, 23) for capture in (True, False)]
    assert found[0].losses == found[1].losses and len(found[0].losses) == 23


def test_it_ends_where_the_loss_diverges(device):
    found = find_lr(make(), batches(), 1e-3, 1e6, 60)
    assert found.diverged and 5 < len(found.rates) == len(found.losses) == len(found.means) < 60
    assert found.suggestion is not None and found.suggestion < found.rates[-1] / 3


def test_a_rate_is_named_where_the_loss_falls():
    rates = [1e-3, 1e-2, 0.1, 1.0]
    assert RangeTest(rates, [], [2.0, 1.5, 1.0, 3.0], True, 1.0).suggestion == pytest.approx(0.1 / 3)
    assert RangeTest(rates, [], [2.0, 1.99, 1.985, 3.0], True, 1.0).suggestion is None
    assert RangeTest([], [], [], True, 1.0).suggestion is None


@pytest.mark.parametrize("options", [(0.0, 1.0, 5), (1.0, 0.5, 5), (0.1, 1.0, 1), (0.1, float("inf"), 9)], ids=str)
def test_rates_must_grow(options):
    with pytest.raises(InputError, match="grow"):
        find_lr(make(), batches(), *options)
