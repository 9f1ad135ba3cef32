"""A step that is captured and launched again trains as steps one by one do, to the bit; and what cannot be captured."""

import gc
import itertools
import shutil
import signal
import warnings

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn import nn, optim
from gpucnn.backend import load_cupy, to_device, to_host
from gpucnn.data import Augment, Loader, Normalizer
from gpucnn.data.resident import Resident, can_reside
from gpucnn.errors import InputError, TrainingError
from gpucnn.kernels.cuda import cublas, precision, program
from gpucnn.runs import RunFolder, train_run
from gpucnn.tensor import Function, Tensor
from gpucnn.training import CrossEntropy, EpochRecord, MeanSquaredError, Trainer, captured
from gpucnn.training.averages import EMA, SWA
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.step import Step
from tests.emulation import streams
from tests.training import examples

OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.05, weight_decay=0.01),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9),
    "nesterov": lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.01, weight_decay=0.01),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.01),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.001, momentum=0.9, centered=True),
    "muon": lambda parameters: optim.Muon(parameters, lr=0.02),
    "groups": lambda parameters: optim.Adam(
        [{"params": parameters[:2], "lr": 0.001}, {"params": parameters[2:]}], lr=0.01
    ),
}
SCHEDULES = {"none": None, "one_cycle": optim.OneCycle(0.3), "step": optim.Step(1, 0.1), "cosine": optim.Cosine()}
CLIPPING = {
    "none": {},
    "norm": {"clip_norm": 0.5},
    "value": {"clip_value": 0.01},
    "both": {"clip_norm": 0.5, "clip_value": 0.01},
}


def train(
    capture=True, optimizer="momentum", schedule="none", clipping="none", epochs=2, loss=None, augment=None, **options
):
    """The trainer after `epochs`, and its records."""
    gpucnn.manual_seed(1)
    net = examples.network()
    trainer = Trainer(
        net,
        OPTIMIZERS[optimizer](list(net.parameters())),
        loss,
        SCHEDULES[schedule],
        capture=capture,
        **CLIPPING[clipping],
        **options,
    )
    train = examples.dataset()
    loader = Loader(train, 16, Normalizer.fit("standard", train), augment, shuffle=True, seed=3)
    return trainer, list(trainer.run(loader, examples.loaders().validation, epochs))


def same(first, second):
    """Two trainings that ended alike, to the bit, with records that say the same."""
    states = [trainer.state() for trainer, _ in (first, second)]
    for state in states:
        for key in ("seconds", "train_seconds"):
            state.values["position"].pop(key)
    assert states[0].values == states[1].values
    for name, array in states[0].tensors.items():
        assert np.array_equal(array, states[1].tensors[name]), name
    for ours, theirs in zip(first[1], second[1], strict=True):
        if isinstance(ours, EpochRecord):
            assert (ours.train_loss, ours.validation_loss, ours.lr) == (
                theirs.train_loss,
                theirs.validation_loss,
                theirs.lr,
            )
        else:
            assert ours == theirs


@pytest.mark.parametrize(
    ("optimizer", "schedule", "clipping"),
    [
        *itertools.product(OPTIMIZERS, ["none", "one_cycle"], ["none", "norm"]),
        *itertools.product(["momentum", "adam"], ["step", "cosine"], ["value", "both"]),
    ],
)
def test_captured_is_eager_to_the_bit(gpu, optimizer, schedule, clipping):
    """With dropout, batch normalisation, and a last batch that is smaller."""
    same(*(train(capture, optimizer, schedule, clipping) for capture in (True, False)))


@pytest.mark.parametrize("loss", [MeanSquaredError(), CrossEntropy("sum", 0.1)])
def test_with_other_losses(gpu, loss):
    first, second = (train(capture, loss=loss, clipping="norm") for capture in (True, False))
    same(first, second)


@pytest.mark.parametrize(
    "options",
    [{"average": EMA(0.9)}, {"average": SWA(0.0)}, {"accumulate": 3}, {"accumulate": 2, "average": EMA()}],
    ids=str,
)
def test_with_averages_and_accumulated_gradients(gpu, options):
    same(*(train(capture, "groups", clipping="norm", **options) for capture in (True, False)))


def test_with_every_change_of_the_images(gpu):
    augment = Augment(shift=1.5, rotate=20, scale=0.2, flip=True, crop=2, cutout=3, erase=0.5, elastic=8)
    same(*(train(capture, augment=augment) for capture in (True, False)))


@pytest.mark.parametrize(
    "ways", [{"mixup": 0.4}, {"cutmix": 1.0, "flip": True}, {"mixup": 1.0, "cutmix": 1.0}], ids=str
)
def test_mixed_batches_are_those_of_the_host(gpu, ways):
    train = examples.dataset()
    batches = Loader(train, 16, Normalizer.fit("standard", train), Augment(**ways), shuffle=True, seed=3)
    resident = Resident(batches)
    for epoch in range(2):
        starts, sizes = resident.lay_out(epoch, 1, 3)
        for start, size, expected in zip(starts, sizes, batches.batches(epoch, first=1), strict=False):
            found = resident.take(to_device(np.array([start])), size)
            assert np.array_equal(to_host(found.images), expected.images)
            assert np.array_equal(to_host(found.labels), expected.labels)


def test_mixed_batches_are_captured(gpu, monkeypatch):
    replays = []
    repeat = captured.Gpu.repeat
    monkeypatch.setattr(captured.Gpu, "repeat", lambda self, *rest: replays.append(rest) or repeat(self, *rest))
    same(*(train(capture, augment=Augment(mixup=0.4, cutmix=1.0)) for capture in (True, False)))
    assert replays


def test_changed_colours_come_from_the_host(gpu):
    augment = Augment(brightness=0.2, contrast=0.2)
    assert not can_reside(Loader(examples.dataset(), 16, augment=augment))
    same(*(train(capture, augment=augment) for capture in (True, False)))


PICTURES, LABELS = examples.images()
DATA = {
    "bytes": (PICTURES, LABELS),
    "float64": (PICTURES / 255, LABELS),
    "rows": (PICTURES, 0.9 * np.eye(3, dtype=np.float32)[LABELS] + np.float32(0.1 / 3)),
    "a data set": examples.dataset(),
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_arrays_are_captured_too_and_train_as_on_a_cpu(gpu, monkeypatch, data):
    worked = []
    work = captured.CapturedSteps._work
    monkeypatch.setattr(
        captured.CapturedSteps, "_work", lambda self, images: worked.append(images) or work(self, images)
    )

    def losses(device):
        gpucnn.set_device(device)
        gpucnn.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.05, momentum=0.9))
        records = trainer.run(data, None, 4, batch_size=16, seed=3)
        return [(record.loss, record.accuracy) for record in records if not isinstance(record, EpochRecord)]

    expected = losses("cpu")
    worked.clear()
    np.testing.assert_allclose(losses(str(gpu)), expected, rtol=1e-3)
    assert worked.count(16) == captured.WARM_UP + 1  # two steps, and one while it was captured


def test_float64_is_not_rounded_on_the_way(gpu):
    """The kernels that read a data set on the GPU read float32 at most, so these images come from the host."""
    losses = []
    for device in ("cpu", str(gpu)):
        gpucnn.set_device(device)
        gpucnn.manual_seed(1)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).astype("float64")
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1))
        losses.append(trainer.fit((PICTURES / 255, LABELS), epochs=1)[0].train_loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


def test_labels_of_each_pixel_do_not_reside_on_the_gpu():
    assert can_reside(Loader((PICTURES, LABELS), 16))
    assert can_reside(Loader((PICTURES, LABELS + 0.5), 16))  # numbers
    assert not can_reside(Loader((PICTURES, np.zeros((len(PICTURES), 8, 8), np.int64)), 16))  # a class per pixel


def test_images_that_lie_in_fortran_order_are_not_copied_in_the_steps(gpu, monkeypatch):
    """A copy on the device of all of them, which the kernels would read, would be made for every batch."""
    images, labels = examples.images()
    copied, contiguous = [], program.contiguous

    def noting(array):
        copied.extend([] if array.flags.c_contiguous else [array.shape])
        return contiguous(array)

    monkeypatch.setattr(program, "contiguous", noting)
    losses = []
    for lies in (np.ascontiguousarray, np.asfortranarray):
        gpucnn.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1))
        *batches, _ = trainer.run(Loader((lies(images), labels), 16), None, 1)
        losses.append([record.loss for record in batches])
    assert losses[0] == losses[1] and not copied


def test_a_step_is_captured_after_two_and_then_launched_as_one(gpu, monkeypatch):
    worked = []
    work = captured.CapturedSteps._work
    monkeypatch.setattr(
        captured.CapturedSteps, "_work", lambda self, images: worked.append(images) or work(self, images)
    )
    train(epochs=4)
    assert worked.count(16) == captured.WARM_UP + 1  # two steps, and one while it was captured; of 16
    assert worked.count(11) == captured.WARM_UP + 1


def test_however_often_the_host_looks_the_training_is_the_same(gpu, monkeypatch):
    monkeypatch.setattr(captured, "MOST_STEPS", 2)
    seldom = train()
    monkeypatch.setattr(captured, "LOOK_SECONDS", 0.0)
    same(seldom, train())


def test_what_fits_into_no_table_at_once_is_trained_on_in_parts(gpu, monkeypatch):
    whole = train()
    monkeypatch.setattr("gpucnn.data.resident.MOST_IMAGES", 20)
    same(whole, train())


def test_the_state_between_two_looks_is_that_to_go_on_from(gpu, monkeypatch):
    monkeypatch.setattr(captured, "MOST_STEPS", 3)
    whole = train()
    trainer, _ = train(epochs=1)
    loader = examples.loaders()
    begun, records = train_some(trainer, 2)
    assert records and begun.train_state.train.batches  # in the middle of an epoch
    state = begun.state()
    gpucnn.manual_seed(99)
    other, _ = train(epochs=1)
    other.load_state(state)
    ds = examples.dataset()
    list(other.run(Loader(ds, 16, Normalizer.fit("standard", ds), shuffle=True, seed=3), loader.validation, 2))
    for name, array in whole[0].state().tensors.items():
        assert np.array_equal(array, other.state().tensors[name]), name


def train_some(trainer, epochs):
    """Train on until records have come out that belong together; the trainer, and they."""
    ds, records = examples.dataset(), []
    for record in trainer.run(Loader(ds, 16, Normalizer.fit("standard", ds), shuffle=True, seed=3), None, epochs):
        records.append(record)
        if trainer.settled:
            return trainer, records
    raise AssertionError("no records belonged together")


def test_a_loss_that_is_not_finite_halts_where_it_arose(gpu):
    """The steps behind it, which the host launched before it looked, change nothing; it is said which step it was."""
    messages, weights = [], []
    for capture in (True, False):
        gpucnn.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=1e38), capture=capture)
        ds = examples.dataset()
        with pytest.raises(TrainingError) as error:
            list(trainer.run(Loader(ds, 8, Normalizer.fit("standard", ds)), None, 3))
        messages.append(str(error.value))
        weights.append(net.state_dict())
    assert messages[0] == messages[1]
    assert "step" in messages[0]
    for name in weights[0]:
        assert np.array_equal(weights[0][name], weights[1][name], equal_nan=True)


class Looks(Function):
    """Passes on what it is given, after a look at it on the host."""

    layout = "elementwise"

    def forward(self, x):
        float(x.sum())
        return x.copy()

    def backward(self, grad):
        return grad


class Looking(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Looks.apply(x)


def test_what_cannot_be_captured_is_launched_piece_by_piece_and_said_once(gpu):
    results = []
    for layers in ([Looking()], []):
        gpucnn.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 3))
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
        ds = examples.dataset()
        loader = Loader(ds, 16, Normalizer.fit("standard", ds), shuffle=True)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            list(trainer.run(loader, None, 3))
        assert len(said) == len(layers)
        assert not said or "cannot be captured" in str(said[0].message)
        results.append([parameter.numpy() for parameter in net.parameters()])
    for looked, captured_ in zip(*results, strict=True):
        assert np.array_equal(looked, captured_)


def test_the_gpu_learns_what_the_cpu_learns(gpu):
    """The same images in the same order, without what each draws by itself."""
    losses = []
    for device in (str(gpu), "cpu"):
        gpucnn.set_device(device)
        gpucnn.manual_seed(1)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
        trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
        data = examples.loaders()
        records = [r for r in trainer.run(data.train, data.validation, 3) if isinstance(r, EpochRecord)]
        losses.append([(r.train_loss, r.train_accuracy, r.validation_loss) for r in records])
    gpucnn.set_device(str(gpu))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


@pytest.mark.parametrize("data", [examples.loaders().train, examples.images()])
def test_a_label_that_names_no_output_is_told(gpu, data):
    """From a loader, whose set lies on the GPU, and from arrays."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(InputError, match="label 2 is out of range; expected 0 to 1, as the network has 2 outputs"):
        list(trainer.run(data, None, 1))


def test_a_batch_that_does_not_fit_names_the_layer(gpu, monkeypatch):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 3))

    def full(*arguments):
        raise MemoryError("Out of memory allocating 37,748,736 bytes")

    monkeypatch.setattr(net[2], "forward", full)
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(MemoryError, match=r"layer 2 \(linear\), given a batch of shape \(16, 144\): Out of memory"):
        list(trainer.run(examples.loaders().train, None, 1))


def resumed(path, device, epochs=2):
    """The job of `path` gone on with, on a device."""
    gpucnn.set_device(device)
    other = examples.trainer(seed=5)
    with RunFolder.open(path) as folder:
        job(folder, other, examples.loaders(), epochs, resume=True)
    return folder, other


def job(folder, trainer, loaders, epochs=2, **options):
    names = {"class_names": ("a", "b", "c"), "dataset": "rows", "dataset_requested": "rows"}
    return train_run(folder, trainer, loaders, epochs, **names, **options)


def test_ctrl_c_between_two_looks_leaves_a_checkpoint_to_go_on_from(gpu, tmp_path, monkeypatch):
    """After the steps that were launched already; on the same device the run ends as if it had never stopped."""
    monkeypatch.setattr(captured, "MOST_STEPS", 3)
    with RunFolder.create(tmp_path / "whole", "", {}) as whole:
        job(whole, examples.trainer(), examples.loaders())
    seen = []

    def press(record):
        seen.append(record)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), RunFolder.create(tmp_path / "run", "", {}) as folder:
        job(folder, examples.trainer(), examples.loaders(), on_record=press)
    assert len(seen) == 3
    assert len((tmp_path / "run" / "batches.csv").read_text().splitlines()) == 1 + len(seen)
    shutil.copytree(tmp_path / "run", tmp_path / "elsewhere")
    again, _ = resumed(tmp_path / "run", str(gpu))
    assert again.model_path.read_bytes() == whole.model_path.read_bytes()
    assert (tmp_path / "run" / "batches.csv").read_text() == (tmp_path / "whole" / "batches.csv").read_text()
    _, trainer = resumed(tmp_path / "elsewhere", "cpu")  # and on the other device it goes on all the same
    gpucnn.set_device(str(gpu))
    assert trainer.train_state.step == 10
    assert (tmp_path / "elsewhere" / "result.json").exists()


def test_a_run_of_the_cpu_goes_on_on_the_gpu(gpu, tmp_path):
    gpucnn.set_device("cpu")
    with RunFolder.create(tmp_path / "run", "", {}) as folder:
        job(folder, examples.trainer(), examples.loaders(), epochs=1)
    _, trainer = resumed(tmp_path / "run", str(gpu))
    assert trainer.train_state.epoch == 2
    assert all(np.isfinite(array).all() for array in trainer.net.state_dict().values())


def test_memory_does_not_grow_with_the_steps(gpu):
    """Once each shape was captured, nothing new stays on the device."""
    train_set = examples.dataset()
    loader = Loader(train_set, 16, Normalizer.fit("standard", train_set), Augment(shift=0.5), shuffle=True, seed=3)
    trainer = examples.trainer()
    held = []
    for record in trainer.run(loader, examples.loaders().validation, 8):
        if isinstance(record, EpochRecord) and record.epoch > captured.WARM_UP + 1:
            gc.collect()
            held.append(load_cupy().get_default_memory_pool().used_bytes())
    assert len(set(held)) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kernels_are_loaded_when_the_steps_are_made(emulated, monkeypatch, dtype):
    """None in the first step, whose time counts; nor does CuPy compile one of its own there."""
    cupy, loaded, filled = load_cupy(), [], set()
    module, ones = cupy.RawModule, cupy.ones

    class Module(module):
        def __init__(self, code, **options):
            loaded.append("a module")
            super().__init__(code, **options)

        def get_function(self, name):
            loaded.append(name)
            return super().get_function(name)

    def counted_ones(shape, dtype):
        if np.dtype(dtype) not in filled:  # CuPy keeps what it has compiled
            filled.add(np.dtype(dtype))
            loaded.append("ones")
        return ones(shape, dtype)

    monkeypatch.setattr(cupy, "RawModule", Module)
    monkeypatch.setattr(cupy, "ones", counted_ones)
    program._kernel.cache_clear()
    program._module.cache_clear()
    trainer, loader = examples.trainer(dtype), examples.loaders(dtype).train
    steps = captured.CapturedSteps(trainer._step, loader)
    assert loaded.count("a module") == len(program.needed(dtype))
    assert {"begin", "contract_1x1", "momentum", "ones"} <= set(loaded)
    loaded.clear()
    trainer.net.train()
    assert next(steps.results(0, 0, lambda number: 0.01))
    assert not loaded


def lenet():
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5, bias=False), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def renom():
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(12_544, 128), nn.ReLU(), nn.Dropout(0.25), nn.Linear(128, 10)),
    )


@pytest.mark.parametrize(
    ("make", "precise", "most"), [(lenet, "float32", 16), (renom, "float32", 24), (renom, "tf32", 23)]
)
def test_a_step_takes_few_launches(emulated, monkeypatch, make, precise, most):
    """All that a captured step puts on its stream: kernels, products, copies and fills, with gathering and tallying."""
    monkeypatch.setattr(
        program, "_kernel", lambda *_: lambda *given: streams.put(lambda: None)
    )  # counted, not compiled
    precision.set(precise)
    net = make()
    loader = Loader((np.zeros((64, 1, 28, 28), "uint8"), np.zeros(64, "int64")), 64)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    steps = CapturedSteps(Step(net, optimizer, F.cross_entropy), loader)
    cublas.handle(0)  # not made during a capture
    with steps._device._stream as stream:
        stream.begin_capture()
        steps._work(64)
        assert len(stream.end_capture()._work) <= most
