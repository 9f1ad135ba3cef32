"""Training steps captured on the CPU: the same bits as steps one by one, and no step that runs code of the user's."""

import functools

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn import nn, optim
from gpucnn.config.build import build_network
from gpucnn.config.check import load_config
from gpucnn.data import resident
from gpucnn.data.augment import Augment
from gpucnn.data.loader import Loader
from gpucnn.errors import InputError, TrainingError
from gpucnn.kernels import dispatch
from gpucnn.training import Trainer, captured
from gpucnn.training.averages import EMA, SWA
from gpucnn.training.losses import CrossEntropy
from gpucnn.training.records import EpochRecord

pytestmark = pytest.mark.skipif(dispatch.chosen() == "numpy", reason="programs are of the C kernels")

IMAGES = 43


def loader(batch=8, dtype="float32", shape=(1, 28, 28), images=IMAGES, **options):
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 256, (images, *shape)).astype(np.uint8)
    return Loader((pixels, rng.integers(0, 3, images)), batch, shuffle=True, dtype=dtype, seed=2, **options)


@pytest.fixture
def programs(monkeypatch):
    """The lengths of the programs that were captured, and the reasons why others were not."""
    found = []
    capture = captured.Cpu.capture

    def counted(self, *arguments):
        replay = capture(self, *arguments)
        found.append(len(replay))
        return replay

    monkeypatch.setattr(captured.Cpu, "capture", counted)
    monkeypatch.setattr(captured.Cpu, "report", lambda self, error: found.append(str(error)))
    return found


def train(capture, network, optimizer, batches=None, epochs=2, dtype="float32", **options):
    """The records without times, and the state, of a training."""
    gpucnn.manual_seed(4)
    net = network().astype(dtype)
    trainer = Trainer(net, optimizer(net.parameters()), capture=capture, **options)
    records = list(trainer.run(loader(dtype=dtype) if batches is None else batches, None, epochs))
    state = trainer.state()
    del state.values["position"]  # holds times
    return [record for record in records if not isinstance(record, EpochRecord)], state


def assert_same(one, other):
    assert one[0] == other[0]
    assert one[1].values == other[1].values
    assert one[1].tensors.keys() == other[1].tensors.keys()
    for name, array in one[1].tensors.items():
        np.testing.assert_array_equal(array, other[1].tensors[name], err_msg=name)


def assert_captured_alike(programs, *arguments, shapes=2, **options):
    eager = train(False, *arguments, **options)
    assert not programs
    assert_same(train(True, *arguments, **options), eager)
    assert len(programs) == shapes and all(isinstance(length, int) for length in programs), programs


def small():
    return nn.Sequential(nn.Conv2d(1, 3, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(108, 10))


def many_kinds():
    """Every layer that a program runs, beside those of `small`."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=3, padding=1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(),
        nn.Residual(nn.Conv2d(4, 4, 3, padding="same", groups=2, bias=False), nn.BatchNorm2d(4), nn.Tanh()),
        nn.Subsample2d(4),
        nn.ScaledTanh(),
        nn.AvgPool2d(2, padding=1),
        nn.Dropout(0.3),
        nn.Sigmoid(),
        nn.Conv2d(4, 8, 1),
        nn.GlobalAvgPool2d(),
        nn.Flatten(),
        nn.Linear(8, 6, bias=False),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Linear(6, 10),
    )


OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, 0.05),
    "momentum": lambda p: optim.SGD(p, 0.05, momentum=0.9, weight_decay=1e-3),
    "nesterov": lambda p: optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, 1e-3, weight_decay=1e-3),
    "adamw": lambda p: optim.AdamW(p, 1e-3),
    "rmsprop": lambda p: optim.RMSprop(p, 1e-3, momentum=0.9, centered=True),
    "muon": lambda p: optim.Muon(p, 0.02),
}
NETWORKS = {"small": small, "many_kinds": many_kinds}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
def test_captured_steps_are_the_same_to_the_bit(programs, network, optimizer, dtype):
    assert_captured_alike(programs, network, optimizer, dtype=dtype)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize(
    ("options", "batch"),
    [({"average": EMA(0.9)}, 8), ({"average": SWA(0.1)}, 8), ({"accumulate": 3}, 4), ({"accumulate": 2}, 8)],
    ids=str,
)
def test_averages_and_accumulated_gradients_too(programs, network, options, batch):
    assert_captured_alike(programs, network, OPTIMIZERS["momentum"], loader(batch), **options)


CHANGES = {
    "maps": Augment(shift=2, rotate=10, scale=0.1),
    "crop": Augment(crop=2),
    "flip": Augment(flip=True),
    "cutout": Augment(cutout=7),
    "erase": Augment(erase=0.6),
    "elastic": Augment(elastic=20, elastic_sigma=3),
    "all": Augment(1, 5, 0.1, True, 3, 5, erase=0.5, elastic=10),
}


@pytest.mark.parametrize("augment", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 12, 17)], ids=str)
def test_images_are_changed_alike(programs, augment, shape):
    def network():
        first = nn.Conv2d(shape[0], 2, 5, stride=3)
        features = int(np.prod(first.output_shape(shape)))
        return nn.Sequential(first, nn.Flatten(), nn.Linear(features, 10))

    assert_captured_alike(programs, network, OPTIMIZERS["sgd"], loader(shape=shape, augment=augment))


def test_tables_that_hold_few_images_are_filled_more_often(programs, monkeypatch):
    filled = []
    lay_out = resident.Resident.lay_out
    monkeypatch.setattr(resident, "MOST_BYTES", 100_000)  # 15 images' displacements
    monkeypatch.setattr(
        resident.Resident, "lay_out", lambda self, *rest: filled.append(lay_out(self, *rest)) or filled[-1]
    )
    assert_captured_alike(programs, small, OPTIMIZERS["sgd"], loader(augment=Augment(elastic=20)))
    assert max(sum(sizes) for _, sizes in filled) <= 15


def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 3))


def test_colours_are_changed_step_by_step(programs):
    one, other = (
        train(capture, flat, OPTIMIZERS["sgd"], loader(augment=Augment(contrast=0.2))) for capture in (True, False)
    )
    assert_same(one, other)
    assert not programs


@pytest.mark.parametrize("augment", [Augment(shift=1, mixup=0.4), Augment(mixup=0.4, cutmix=1.0)], ids=str)
def test_mixtures_are_captured(programs, augment):
    assert_captured_alike(programs, flat, OPTIMIZERS["sgd"], loader(augment=augment))


OPTIONS = {
    "sum": {"loss": CrossEntropy("sum")},
    "smoothing": {"loss": CrossEntropy(label_smoothing=0.1)},
    "function": {"loss": F.cross_entropy},
    "partial": {"loss": functools.partial(F.cross_entropy, reduction="sum")},
    "clip_norm": {"clip_norm": 0.05},
    "clip_value": {"clip_value": 1e-3},
    "schedule": {"schedule": optim.schedules.OneCycle()},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_a_trainer_are_captured(programs, options):
    assert_captured_alike(programs, many_kinds, OPTIMIZERS["momentum"], **options)


def test_floating_images_are_captured(programs):
    rng = np.random.default_rng(5)
    batches = Loader((rng.normal(size=(30, 1, 28, 28)).astype(np.float32), rng.integers(0, 10, 30)), 7)
    assert_captured_alike(programs, small, OPTIMIZERS["sgd"], batches)


def test_one_image_a_batch_is_captured(programs):
    assert_captured_alike(programs, small, OPTIMIZERS["adam"], loader(1), shapes=1)


def frozen():
    net = many_kinds()
    net[0].requires_grad_(False)
    net[1].frozen = True
    net[11].requires_grad_(False)
    return net


def test_frozen_layers_stay_as_they_are(programs):
    assert_captured_alike(programs, frozen, OPTIMIZERS["adamw"])


def test_groups_keep_their_own_rates(programs):
    def groups(parameters):
        first, second, *rest = parameters
        return optim.SGD(
            [{"params": [first]}, {"params": [second], "lr": 0.2, "momentum": 0.5}, {"params": rest}], 0.05
        )

    assert_captured_alike(programs, small, groups)


SHIPPED = dict.fromkeys(
    ("lenet", "lenet_bn", "separable", "mlp", "lenet5_1998", "lenet_published", "scala_cnn", "renom", "best_fashion"),
    10,
)
SHIPPED["three_digits"] = 3


@pytest.mark.parametrize(("name", "classes"), SHIPPED.items(), ids=SHIPPED)
def test_shipped_networks_are_captured(programs, name, classes):
    config = load_config(name)
    assert_captured_alike(
        programs,
        lambda: build_network(config, (1, 28, 28), classes),
        OPTIMIZERS["momentum"],
        loader(4, images=10),
        epochs=1,
    )


# --- what is not captured ---------------------------------------------------------------------------------------------


class Doubled(nn.Module):
    """A module of the user's, which counts how often it runs."""

    def __init__(self):
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return x * (2.0 if self.runs > 3 else 1.0)


def with_hook():
    net, seen = small(), []
    net[1].register_forward_hook(lambda module, inputs, output: seen.append(1) or output * (1.0 + len(seen)))
    return net


def with_own_forward():
    net = small()
    forward, seen = net[1].forward, []
    vars(net[1])["forward"] = lambda x: seen.append(1) or forward(x) * (1.0 + len(seen))
    return net


def averaging():
    return nn.Sequential(nn.BatchNorm2d(1, momentum=None), *small())


def padded():
    return nn.Sequential(nn.ReflectionPad2d(2), nn.Conv2d(1, 3, 5, stride=2), nn.Flatten(), nn.Linear(588, 10))


OWN = {
    "module": lambda: nn.Sequential(Doubled(), *small()),
    "hook": with_hook,
    "forward": with_own_forward,
    "average": averaging,
    "padded": padded,
}


@pytest.mark.parametrize("network", OWN.values(), ids=OWN)
def test_a_step_with_other_code_runs_one_by_one(programs, network):
    eager = train(False, network, OPTIMIZERS["momentum"])
    assert_same(train(True, network, OPTIMIZERS["momentum"]), eager)
    assert not any(isinstance(found, int) for found in programs)


def test_a_loss_of_the_users_runs_one_by_one(programs):
    def loss(output, labels):
        calls.append(1)
        return F.cross_entropy(output, labels) * float(len(calls))

    calls = []
    eager = train(False, small, OPTIMIZERS["sgd"], loss=loss)
    calls.clear()
    assert_same(train(True, small, OPTIMIZERS["sgd"], loss=loss), eager)
    assert not programs


def changed_while_training(capture):
    """Freeze a layer after the first epoch, drop less after the second, and put other weights in after the third."""
    gpucnn.manual_seed(4)
    net = many_kinds()
    trainer = Trainer(net, optim.SGD(net.parameters(), 0.05, momentum=0.9), capture=capture)
    records = []
    for record in trainer.run(loader(), None, 4):
        records.append(record)
        if isinstance(record, EpochRecord):
            if record.epoch == 1:
                net[0].requires_grad_(False)
            elif record.epoch == 2:
                net[7].p = 0.1
            elif record.epoch == 3:
                net[9] = nn.Conv2d(4, 8, 1)
    return [record for record in records if not isinstance(record, EpochRecord)], net.state_dict()


def test_changes_between_steps_take_effect(programs):
    (eager, weights), (again, same) = changed_while_training(False), changed_while_training(True)
    assert again == eager
    for name, array in weights.items():
        np.testing.assert_array_equal(same[name], array, err_msg=name)
    assert len([found for found in programs if isinstance(found, int)]) >= 6  # two shapes, captured three times


def test_a_loss_that_is_not_finite_stops_where_it_is(programs):
    def lost(capture):
        gpucnn.manual_seed(4)
        net = many_kinds()
        trainer = Trainer(net, optim.SGD(net.parameters(), 1e25), capture=capture)
        with pytest.raises(TrainingError) as error:
            list(trainer.run(loader(), None, 3))
        state = trainer.state()
        return str(error.value), state

    (words, eager), (same_words, state) = lost(False), lost(True)
    assert same_words == words and programs
    for name, array in eager.tensors.items():
        np.testing.assert_array_equal(state.tensors[name], array, err_msg=name)


def test_a_label_that_no_output_has_is_told(programs):
    net = small()
    labels = np.full(30, 3)
    labels[17] = 12
    trainer = Trainer(net, optim.SGD(net.parameters(), 0.1))
    with pytest.raises(InputError, match="label 12 is out of range"):
        list(trainer.run(Loader((np.zeros((30, 1, 28, 28), np.uint8), labels), 8), None, 1))
