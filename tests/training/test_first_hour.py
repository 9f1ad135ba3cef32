"""What a user does with a Trainer in a notebook: stop it, go on, save it, measure more, give it data of their own."""

import _thread

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn.errors import CheckpointError, DataError, InputError, ShapeError
from gpucnn.training import Trainer

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.standard_normal((40, 1, 6, 6)).astype("f4"), RNG.integers(0, 3, 40)
HELD_OUT = IMAGES[:8], LABELS[:8]


class Stopping(nn.Module):
    """Raises, or has Ctrl-C pressed, in its run number `at`."""

    at, runs, pressed = 0, 0, False

    def forward(self, x):
        if self.training:
            self.runs += 1
            if self.runs == self.at:
                if not self.pressed:
                    raise KeyboardInterrupt
                _thread.interrupt_main()
        return x


def trainer(**options):
    gpucnn.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3), Stopping(), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(64, 3),
    )  # fmt: skip
    return Trainer(net, optim.Adam(net.parameters(), lr=0.01), **options)


@pytest.mark.parametrize("pressed", [True, False])
@pytest.mark.parametrize("at", [1, 3, 5, 7, 10])
def test_a_training_that_was_interrupted_goes_on_to_the_same_weights(at, pressed):
    whole = trainer()
    whole.fit((IMAGES, LABELS), HELD_OUT, epochs=3, batch_size=10)
    stopped = trainer()
    stopped.net[4].at, stopped.net[4].pressed = at, pressed
    with pytest.raises(KeyboardInterrupt):
        stopped.fit((IMAGES, LABELS), HELD_OUT, epochs=3, batch_size=10)
    assert stopped.train_state.step in (at - 1, at)
    stopped.fit((IMAGES, LABELS), HELD_OUT, epochs=3, batch_size=10)
    for name, array in whole.net.state_dict().items():
        np.testing.assert_array_equal(stopped.net.state_dict()[name], array, err_msg=name)
    assert [r.train_loss for r in whole.history] == [r.train_loss for r in stopped.history]


def test_more_epochs_and_history():
    first = trainer()
    first.fit((IMAGES, LABELS), epochs=2, batch_size=10)
    with pytest.raises(InputError, match="more_epochs"):
        first.fit((IMAGES, LABELS), epochs=2, batch_size=10)
    assert [record.epoch for record in first.fit((IMAGES, LABELS), more_epochs=2, batch_size=10)] == [3, 4]
    assert [record.epoch for record in first.history] == [1, 2, 3, 4]
    whole = trainer()
    whole.fit((IMAGES, LABELS), epochs=4, batch_size=10)
    np.testing.assert_array_equal(first.net[7].weight.numpy(), whole.net[7].weight.numpy())
    assert "4 epochs: epoch 4: loss" in repr(first) and first._repr_html_().count("epoch ") == 5


@pytest.mark.parametrize("kind", ["trainer", "optimizer", "net"])
def test_what_was_saved_is_loaded(tmp_path, kind):
    first, path = trainer(), tmp_path / "x.safetensors"
    first.fit((IMAGES, LABELS), epochs=1, batch_size=10)
    gpucnn.save(first if kind == "trainer" else getattr(first, kind), path)
    second = trainer()
    for part in ("net", "optimizer") if kind == "trainer" else (kind,):
        other = getattr(second, part)
        if kind != "trainer":
            assert gpucnn.load_into(other, path) is other
    if kind == "trainer":
        assert gpucnn.load_into(second, path) is second and second.history == first.history
        assert gpucnn.load_into(trainer().net, path)[7].weight.numpy().tolist() == first.net[7].weight.numpy().tolist()
        gpucnn.load_into(first, path)  # the generator too
        first.fit((IMAGES, LABELS), more_epochs=1, batch_size=10)
        gpucnn.load_into(second, path)
        second.fit((IMAGES, LABELS), more_epochs=1, batch_size=10)
        np.testing.assert_array_equal(second.net[7].weight.numpy(), first.net[7].weight.numpy())
    elif kind == "optimizer":
        assert second.optimizer.param_groups[0]["steps"] == first.optimizer.param_groups[0]["steps"] == [4] * 6
        for name, array in first.optimizer.state_arrays().items():
            np.testing.assert_array_equal(second.optimizer.state_arrays()[name], array)
    with pytest.raises(CheckpointError):
        gpucnn.load_into(nn.Linear(2, 2), path)
    sgd = optim.SGD(first.net.parameters(), lr=1.0)
    with pytest.raises(CheckpointError):
        gpucnn.load_into(sgd, path)


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(InputError, match=r"save was given dict; expected a network.*gpucnn.save\(net, path\)"):
        gpucnn.save({}, tmp_path / "x")
    with pytest.raises(InputError, match="load_into was given str"):
        gpucnn.load_into("net", tmp_path / "x")


def test_metrics_of_ones_own():
    seen = []

    def share_of_first(outputs, labels):
        seen.append((outputs.shape, labels.shape))
        return (outputs.argmax(1) == 0).mean()

    own = trainer(metrics={"first": share_of_first, "right": lambda y, t: (y.argmax(1) == t).mean()})
    [record] = own.fit((IMAGES, LABELS), HELD_OUT, epochs=1, batch_size=3)
    assert seen == [((8, 3), (8,))] and record.metrics["right"] == record.validation_accuracy
    assert '"metrics": {"first"' in record.json()
    with pytest.raises(InputError, match="validation images"):
        own.fit((IMAGES, LABELS), more_epochs=1)
    with pytest.raises(InputError, match="metric bad returned list"):
        trainer(metrics={"bad": lambda y, t: [1, 2]}).fit((IMAGES, LABELS), HELD_OUT)


class Pairs:
    """A data set of one's own: all that is asked of it."""

    def __len__(self):
        return 4

    def __iter__(self):
        return ((IMAGES[i : i + 10], LABELS[i : i + 10]) for i in range(0, 40, 10))


def test_batches_of_ones_own(torch):
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(IMAGES), torch.tensor(LABELS)), batch_size=10
    )
    found = []
    for data in (list(Pairs()), Pairs(), loader):
        own = trainer()
        own.fit(data, HELD_OUT, epochs=2)
        found.append(own.net[7].weight.numpy())
        assert own.evaluate(data).accuracy >= 0
    assert np.array_equal(found[0], found[1]) and np.array_equal(found[0], found[2])
    with pytest.raises(DataError, match="generator, which can be gone through once"):
        trainer().fit(iter(Pairs()))
    with pytest.raises(DataError, match="expected a pair"):
        trainer().fit([IMAGES])


def test_a_function_augments():
    def mirrored(images, rng):
        return images[..., ::-1]

    loader = gpucnn.data.Loader((IMAGES, LABELS), 10, augment=mirrored)
    [batch, *_] = loader.batches(0)
    np.testing.assert_array_equal(batch.images, np.moveaxis(IMAGES[:10, ..., ::-1], 0, -1))
    trainer().fit(loader, epochs=1)
    with pytest.raises(DataError, match=r"augment returned images \(10, 1\)"):
        next(gpucnn.data.Loader((IMAGES, LABELS), 10, augment=lambda images, rng: images[:, :, 0, 0]).batches(0))


def test_another_networks_optimizer_is_refused():
    with pytest.raises(InputError, match="no parameter of this network"):
        Trainer(nn.Linear(3, 2), optim.SGD(nn.Linear(3, 2).parameters(), lr=1.0))


@pytest.mark.parametrize("targets", [RNG.standard_normal((40, 1)), RNG.standard_normal((40, 3))])
def test_numbers_to_be_predicted_have_no_accuracy(targets):
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, targets.shape[1]))
    own = Trainer(net, optim.SGD(net.parameters(), lr=0.01), loss=gpucnn.functional.mse_loss)
    records = []
    [epoch] = own.fit((IMAGES, targets.astype("f4")), (IMAGES, targets.astype("f4")), on_record=records.append)
    assert epoch.train_accuracy is epoch.validation_accuracy is records[0].accuracy is None and epoch.train_loss > 0
    found = own.evaluate((IMAGES, targets.astype("f4")))
    assert found.accuracy is found.classification is None


def test_predict_takes_tensors_and_lists():
    own = trainer()
    expected = own.predict(IMAGES)
    for given in (Tensor(IMAGES), list(IMAGES), [Tensor(image) for image in IMAGES]):
        np.testing.assert_array_equal(own.predict(given), expected)
    with pytest.raises(DataError, match="one shape"):
        own.predict([IMAGES[0], IMAGES[0, :, :3]])
    with pytest.raises(DataError, match="given str"):
        own.predict("cat.png")


def test_a_loss_that_is_no_tensor_is_told():
    own = trainer(loss=lambda output, labels: gpucnn.functional.cross_entropy(output, labels).item())
    with pytest.raises(ShapeError, match="loss returned .*expected a Tensor of one number"):
        own.fit((IMAGES, LABELS))
