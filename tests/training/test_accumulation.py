"""Gradients of several minibatches are those of one batch that is as large."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn, optim
from gpucnn.data.loader import Loader
from gpucnn.errors import InputError, TrainingError
from gpucnn.training import CrossEntropy, EpochRecord, Trainer
from tests.training import examples


def train(batch_size, accumulate=1, data=None, loss=None, schedule=None, epochs=2, dtype="float64", **options):
    """The weights and the records of a training without batch norm and dropout."""
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).astype(dtype)
    optimizer = optim.SGD(net.parameters(), lr=0.05 if loss is None else 0.002, momentum=0.9)
    trainer = Trainer(net, optimizer, loss, schedule or optim.OneCycle(), accumulate=accumulate, **options)
    loader = Loader(examples.images(), batch_size, shuffle=True, seed=1, dtype=dtype)
    records = list(trainer.run(data(loader) if data else loader, None, epochs))
    return net.state_dict(), records


def batches_of(loader):
    """The same batches as a list, which is gone through once an epoch."""
    return [(np.moveaxis(images, -1, 0), labels) for images, labels in loader.batches(0)]


def assert_alike(found, expected):
    for name, array in expected[0].items():
        np.testing.assert_allclose(found[0][name], array, rtol=1e-9, atol=1e-12, err_msg=name)
    assert len(found[1]) == len(expected[1])
    for one, other in zip(found[1], expected[1], strict=True):
        if isinstance(one, EpochRecord):
            assert (one.train_loss, one.lr) == pytest.approx((other.train_loss, other.lr), rel=1e-9)
        else:
            assert (one.step, one.images, one.accuracy) == (other.step, other.images, other.accuracy)
            assert one.loss == pytest.approx(other.loss, rel=1e-9)


@pytest.mark.parametrize("loss", [None, CrossEntropy("sum")], ids=str)
@pytest.mark.parametrize(("batch_size", "accumulate"), [(16, 2), (8, 4), (7, 3), (10, 50)])
@pytest.mark.parametrize("capture", [True, False])
@pytest.mark.parametrize("device", ["c", "numpy"], indirect=True)
def test_it_is_a_batch_as_many_times_as_large(device, loss, batch_size, accumulate, capture):
    """75 images: the last update has fewer, of parts that are not equal."""
    found = train(batch_size, accumulate, loss=loss, capture=capture, clip_norm=1.0)
    assert_alike(found, train(batch_size * accumulate, loss=loss, capture=capture, clip_norm=1.0))


def test_on_a_gpu_too(gpu):
    """In float32; `test_captured` has the bits of its captured steps."""
    found, expected = (train(size, times, dtype="float32") for size, times in ((8, 4), (32, 1)))
    for name, array in expected[0].items():
        np.testing.assert_allclose(found[0][name], array, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("device", ["c", "numpy"], indirect=True)
def test_batches_of_the_users_own_are_joined(device):
    found = train(16, 2, batches_of, epochs=1)
    assert_alike(found, train(32, epochs=1))


@pytest.mark.parametrize("device", ["c", "numpy"], indirect=True)
def test_the_idiom_of_pytorch_by_hand(device):
    """The loss of each minibatch divided by their number, backward each, then one step."""
    expected, _ = train(16, 5, schedule=optim.Constant(), epochs=1)
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).astype("float64")
    optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    images, labels = examples.images()
    for part in np.array_split(np.arange(75), 5):
        loss = gpucnn.functional.cross_entropy(net(gpucnn.tensor(images[part] / 255)), labels[part])
        (loss / 5).backward()
    optimizer.step()
    for name, array in net.state_dict().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-12)


def test_a_loss_that_is_not_finite_changes_nothing(device):
    images, labels = examples.images()
    images = images.astype("float32") / 255
    images[60] = np.inf
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    before = net.state_dict()
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.05), accumulate=5)
    with pytest.raises(TrainingError, match="step 1"):
        trainer.fit(Loader((images, labels), 15))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True, "2"])
def test_another_number_is_refused(accumulate):
    net = nn.Linear(2, 2)
    with pytest.raises(InputError, match="accumulate"):
        Trainer(net, optim.SGD(net.parameters(), lr=0.1), accumulate=accumulate)
