"""The loop: what it computes, what it reports, when it stops, what it says when it breaks."""

import functools
import math

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.errors import ConfigError, DataError, InputError, ShapeError, TrainingError
from gpucnn.training import BatchRecord, CrossEntropy, EarlyStop, EpochRecord, MeanSquaredError, Trainer
from tests.training import examples

WEIGHT = np.array([[0.5, -0.25], [0.0, 1.0]])
BIAS = np.array([0.1, -0.1])


def linear():
    """A network of one layer in float64, with known weights."""
    net = nn.Sequential(nn.Linear(2, 2)).astype("float64")
    net.load_state_dict({"0.weight": WEIGHT, "0.bias": BIAS})
    return net


def points(n=7):
    rng = np.random.default_rng(5)
    return rng.standard_normal((n, 2)), rng.integers(2, size=n)


def softmax(scores):
    """Row by row, in float64."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def by_hand(batches, rate, total=False, norm=None, value=None):
    """Cross-entropy, its gradient and SGD written out for the network of `linear`; per batch (loss, right, n)."""
    weight, bias, outcomes = WEIGHT.copy(), BIAS.copy(), []
    for number, (x, labels) in enumerate(batches):
        p = softmax(x @ weight.T + bias)
        n = len(x)
        losses = -np.log(p[np.arange(n), labels])
        outcomes.append((losses.mean(), int((p.argmax(1) == labels).sum()), n))
        slope = p.copy()
        slope[np.arange(n), labels] -= 1
        slope /= 1 if total else n
        by_weight, by_bias = slope.T @ x, slope.sum(0)
        if value is not None:
            by_weight, by_bias = by_weight.clip(-value, value), by_bias.clip(-value, value)
        if norm is not None:
            length = math.sqrt((by_weight**2).sum() + (by_bias**2).sum())
            factor = min(1.0, norm / (length + 1e-6))
            by_weight, by_bias = by_weight * factor, by_bias * factor
        weight -= rate(number) * by_weight
        bias -= rate(number) * by_bias
    return weight, bias, outcomes


class InOrder:
    """Batches of three in the data's own order: 3, 3 and 1 of seven."""

    def __init__(self, images, labels):
        self.images, self.labels = images, labels

    def __len__(self):
        return math.ceil(len(self.labels) / 3)

    def batches(self, epoch, first=0):
        for number in range(first, len(self)):
            part = slice(3 * number, 3 * number + 3)
            yield gpucnn.data.Batch(np.ascontiguousarray(self.images[part].T), self.labels[part])

    def pieces(self):
        return [(self.images[i : i + 3], self.labels[i : i + 3]) for i in range(0, len(self.labels), 3)]


@pytest.mark.parametrize(
    ("loss", "total"),
    [
        (None, False),
        (F.cross_entropy, False),
        (CrossEntropy(reduction="sum"), True),
        (functools.partial(F.cross_entropy, reduction="sum"), True),
    ],
)
@pytest.mark.parametrize("clip", [{}, {"clip_norm": 0.3}, {"clip_value": 0.1}, {"clip_norm": 0.2, "clip_value": 0.15}])
def test_steps_and_records_are_those_computed_by_hand(loss, total, clip):
    data, net = InOrder(*points()), linear()
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.5), loss, optim.Linear(), **clip)
    records = list(trainer.run(data, epochs=2))
    weight, bias, outcomes = by_hand(
        2 * data.pieces(), lambda i: 0.5 * (1 - i / 6), total, clip.get("clip_norm"), clip.get("clip_value")
    )
    np.testing.assert_allclose(net.state_dict()["0.weight"], weight, rtol=1e-12)
    np.testing.assert_allclose(net.state_dict()["0.bias"], bias, rtol=1e-12)
    batches = [record for record in records if isinstance(record, BatchRecord)]
    for record, (mean, right, n) in zip(batches, outcomes, strict=True):
        assert (record.images, record.accuracy) == (n, right / n)
        assert record.loss == pytest.approx(mean, rel=1e-12)
    for epoch, part in enumerate((outcomes[:3], outcomes[3:]), 1):
        record = [record for record in records if isinstance(record, EpochRecord)][epoch - 1]
        assert record.epoch == epoch
        assert record.train_loss == pytest.approx(sum(mean * n for mean, _, n in part) / 7, rel=1e-12)
        assert record.train_accuracy == pytest.approx(sum(right for _, right, _ in part) / 7)
        assert record.lr == pytest.approx(0.5 * (1 - (3 * epoch - 1) / 6))
        assert record.images_per_second == pytest.approx(7 / record.seconds)
        assert (record.validation_loss, record.validation_accuracy) == (None, None)


def test_records_come_in_order():
    images, labels = examples.images(40)
    net = examples.network()
    trainer = examples.plain_trainer(net)
    records = list(trainer.run((images, labels), (images[:10], labels[:10]), epochs=2, batch_size=16))
    kinds = [(r.split, r.step, r.images) if isinstance(r, BatchRecord) else "epoch" for r in records]
    one = [("train", 1, 16), ("train", 2, 16), ("train", 3, 8), ("validation", 1, 10), "epoch"]
    assert kinds == one * 2
    assert [record.epoch for record in records] == [1] * 5 + [2] * 5


def test_it_learns():
    trainer = examples.trainer()
    data = examples.loaders()
    last = trainer.fit(data.train, data.validation, epochs=15)[-1]
    assert last.validation_accuracy > 0.9
    assert trainer.evaluate(data.test).accuracy > 0.9


def test_validation_is_what_evaluate_gives():
    trainer, data = examples.trainer(), examples.loaders()
    record = trainer.fit(data.train, data.validation, epochs=1)[0]
    evaluation = trainer.evaluate(data.validation)
    assert record.validation_loss == evaluation.loss
    assert record.validation_accuracy == evaluation.accuracy


def test_a_dataset_arrays_and_a_loader_train_alike():
    pictures, labels = examples.images()
    normalizer = gpucnn.data.Normalizer.fit("unit", examples.dataset())
    loader = gpucnn.data.Loader(examples.dataset(), 75, normalizer)
    weights = []
    for data in ((pictures, labels), examples.dataset(), loader, ((pictures / 255).astype(np.float32), labels)):
        gpucnn.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        examples.plain_trainer(net).fit(data, epochs=2, batch_size=75)
        weights.append(net.state_dict()["1.weight"])
    for others in weights[1:]:
        np.testing.assert_allclose(others, weights[0], rtol=1e-4, atol=1e-6)


def test_one_hot_and_soft_rows_train_too():
    images, labels = points(20)
    rows = np.eye(2)[labels]
    results = []
    for given in (labels, rows):
        net = linear()
        results.append(examples.plain_trainer(net).fit((images, given), epochs=2, batch_size=6)[-1])
    assert results[0].train_loss == pytest.approx(results[1].train_loss, rel=1e-12)
    assert results[0].train_accuracy == results[1].train_accuracy


@pytest.mark.parametrize(("reduction", "divisor"), [("mean", 14), ("sum", 7)])
def test_mean_squared_error_is_against_one_hot_rows(reduction, divisor):
    images, labels = points()
    net = linear()
    trainer = examples.plain_trainer(net, lr=0.0, loss=MeanSquaredError(reduction))
    expected = ((images @ WEIGHT.T + BIAS - np.eye(2)[labels]) ** 2).sum() / divisor
    assert trainer.fit((images, labels), batch_size=3)[0].train_loss == pytest.approx(expected, rel=1e-12)
    assert trainer.evaluate((images, np.eye(2)[labels])).loss == pytest.approx(expected, rel=1e-12)


def test_ones_own_loss_and_module():
    class Doubled(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            return self.inner(x) + self.inner(x)

    def own(output, labels):
        return (output * output).mean() + F.cross_entropy(output, labels)

    gpucnn.manual_seed(0)
    records = examples.plain_trainer(Doubled(), loss=own).fit(points(), epochs=10, batch_size=3)
    assert records[-1].train_loss < records[0].train_loss


def test_training_reads_no_memory_that_it_did_not_write(monkeypatch):
    """With new arrays filled with NaN the records stay the same."""
    results = []
    for fill in (False, True):
        monkeypatch.setattr("gpucnn.backend.fill_with_nan", fill)
        trainer, data = examples.trainer(), examples.loaders()
        results.append([record.train_loss for record in trainer.fit(data.train, data.validation, epochs=2)])
    assert results[0] == results[1]


def test_epochs_count_from_the_beginning():
    trainer = examples.plain_trainer(linear())
    assert [record.epoch for record in trainer.fit(points(), epochs=2)] == [1, 2]
    assert [record.epoch for record in trainer.fit(points(), epochs=3)] == [3]
    with pytest.raises(InputError, match="epochs is 3, and 3 are done; epochs counts from the trainer's creation"):
        trainer.fit(points(), epochs=3)


def lowered(figures, **options):
    """What the learning rate is multiplied by after each epoch of those training losses."""
    from gpucnn.training.state import TrainState

    state, found = TrainState(), []
    for epoch, loss in enumerate(figures, 1):
        record = EpochRecord(epoch, loss, 0.5, None, None, 0.1, 1.0, 1.0)
        state.lower(optim.Plateau(monitor="train_loss", **options), record)
        found.append(state.lowered)
    return found


def test_a_plateau_lowers_the_learning_rate_and_patience_begins_again():
    flat = [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5]
    assert lowered(flat, patience=2, gamma=0.5) == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert lowered(flat, patience=1, gamma=0.5, final=0.2) == [1, 0.5, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2]
    assert lowered([3, 2.9, 2.8, 2.7], patience=2, gamma=0.5, min_delta=0.5) == [1, 1, 0.5, 0.5]


@pytest.mark.parametrize("stop_after", [1, 6, 13])
def test_a_plateau_is_kept_in_the_state(stop_after):
    """With no change of the loss asked for enough, every second epoch lowers; another trainer goes on alike."""

    def trainer(seed):
        gpucnn.manual_seed(seed)
        schedule = optim.Plateau(patience=2, gamma=0.5, min_delta=100.0)
        return examples.plain_trainer(examples.network(), lr=0.1, schedule=schedule)

    def rates(records):
        return [record.lr for record in records if isinstance(record, EpochRecord)]

    data = examples.loaders()
    whole = list(trainer(0).run(data.train, data.validation, epochs=6))
    assert rates(whole) == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.025])
    first = trainer(0)
    records = []
    for record in first.run(data.train, data.validation, epochs=6):
        records.append(record)
        if len(records) >= 9 * 2 + stop_after and first.settled:
            break
    state, second = first.state(), trainer(9)
    second.load_state(state)
    records += second.run(data.train, data.validation, epochs=6)
    assert rates(records) == rates(whole)
    assert [record.loss for record in records if isinstance(record, BatchRecord)] == [
        record.loss for record in whole if isinstance(record, BatchRecord)
    ]


def test_a_plateau_of_validation_images_needs_some():
    trainer = examples.plain_trainer(linear(), schedule=optim.Plateau())
    with pytest.raises(ConfigError, match="plateau monitors validation_loss, but there are no validation images"):
        trainer.fit(points())


def test_fit_calls_a_function_with_every_record():
    seen, data = [], examples.loaders()
    returned = examples.trainer().fit(data.train, data.validation, epochs=2, on_record=seen.append)
    assert len(seen) == 2 * (5 + 3 + 1)
    assert [record for record in seen if isinstance(record, EpochRecord)] == returned


def test_without_a_schedule_the_optimizers_rate_is_left_alone():
    trainer = examples.plain_trainer(linear(), lr=0.1)
    assert trainer.fit(points(), epochs=1)[0].lr == 0.1
    trainer.optimizer.lr = 0.01
    assert trainer.fit(points(), epochs=2)[0].lr == 0.01


def test_evaluating_between_records_changes_nothing():
    weights = []
    for meddle in (False, True):
        trainer, data = examples.trainer(), examples.loaders()
        for _ in trainer.run(data.train, data.validation, epochs=2):
            if meddle:
                trainer.evaluate(data.test)
                trainer.predict(examples.images(4)[0])
                trainer.state()
        weights.append({name: array.tobytes() for name, array in trainer.net.state_dict().items()})
    assert weights[0] == weights[1]


def stopped_after(monitor, figures, patience=2, min_delta=0.0):
    """The epoch after which early stopping stops, given one figure per epoch."""
    from gpucnn.training.early_stop import Waiting

    rule, waiting = EarlyStop(patience, min_delta, monitor), Waiting()
    for epoch, figure in enumerate(figures, 1):
        values = {"train_loss": 0.0, "train_accuracy": 0.0, "validation_loss": 0.0, "validation_accuracy": 0.0}
        record = EpochRecord(epoch=epoch, **{**values, monitor: figure}, lr=0.1, seconds=1.0, images_per_second=1.0)
        if waiting.see(rule, record):
            return epoch
    return None


@pytest.mark.parametrize(
    ("monitor", "figures", "options", "expected"),
    [
        ("validation_loss", [3, 2, 1, 1, 1], {}, 5),
        ("validation_loss", [3, 2, 2.5, 1.9, 2, 2], {}, 6),
        ("validation_accuracy", [0.1, 0.2, 0.2, 0.2, 0.9], {}, 4),
        ("train_accuracy", [0.5, 0.4, 0.6], {"patience": 1}, 2),
        ("train_loss", [3, 2.9, 2.8, 2.7], {"min_delta": 0.5}, 3),
        ("train_loss", [3, 2.4, 1.8, 1.2], {"min_delta": 0.5}, None),
    ],
)
def test_early_stopping_waits_for_patience_epochs_without_a_better_figure(monitor, figures, options, expected):
    assert stopped_after(monitor, figures, **options) == expected


def test_early_stopping_ends_the_run():
    trainer = examples.plain_trainer(linear(), lr=0.0, early_stop=EarlyStop(patience=2, monitor="train_loss"))
    data = InOrder(*points())
    assert len(trainer.fit(data, epochs=50)) == 3
    assert trainer.train_state.stopped
    assert list(trainer.run(data, epochs=50)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"patience": 0}, "patience is 0; it must be at least 1 epoch"),
        ({"patience": 1, "min_delta": -1.0}, "min_delta is -1.0; it must be 0 or more"),
        ({"patience": 1, "min_delta": math.nan}, "min_delta is nan"),
        ({"patience": 1, "monitor": "loss"}, "monitor is 'loss'; it can be validation_loss, validation_accuracy"),
        ({"patience": 1, "keep": "first"}, "keep is 'first'; it can be best or last"),
    ],
)
def test_early_stopping_checks_its_options(options, words):
    with pytest.raises(ConfigError, match=words):
        EarlyStop(**options)


@pytest.mark.parametrize(
    ("figures", "best"),
    [
        ([(0.5, 1.0), (0.7, 2.0), (0.6, 0.1)], 2),
        ([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 2),
        ([(0.5, 1.0), (0.5, 1.0)], 1),
        ([(None, 1.0), (None, 0.5), (None, 0.7)], 2),
    ],
)
def test_the_best_epoch_is_by_validation_accuracy_then_loss_or_by_training_loss(figures, best):
    from gpucnn.training.early_stop import Best

    seen = Best()
    for epoch, (accuracy, loss) in enumerate(figures, 1):
        held_out = None if accuracy is None else loss
        seen.offer(EpochRecord(epoch, loss, 0.9, held_out, accuracy, 0.1, 1.0, 1.0))
    assert seen.epoch == best


@pytest.mark.parametrize(("monitor", "best"), [("validation_loss", 3), ("train_loss", 4), ("train_accuracy", 1)])
def test_with_early_stopping_the_best_epoch_is_by_its_figure(monitor, best):
    from gpucnn.training.early_stop import Best

    seen, rule = Best(), EarlyStop(patience=9, monitor=monitor)
    rows = [(0.9, 0.5, 3.0, 0.8), (0.8, 0.5, 2.0, 0.9), (0.7, 0.5, 1.0, 0.7), (0.6, 0.5, 1.0, 0.6)]
    for epoch, (train_loss, train_accuracy, loss, accuracy) in enumerate(rows, 1):
        train_accuracy += epoch == 1
        seen.offer(EpochRecord(epoch, train_loss, train_accuracy, loss, accuracy, 0.1, 1.0, 1.0), rule)
    assert seen.epoch == best


def test_a_loss_that_explodes_stops_with_the_place_and_the_remedy():
    net = linear()
    trainer = examples.plain_trainer(net, lr=1e200, loss=MeanSquaredError())
    with pytest.raises(TrainingError) as caught:
        trainer.fit(points(), epochs=3, batch_size=3)
    message = str(caught.value)
    assert "the training loss of epoch 1, step 2 is " in message
    assert "learning rate 1e+200" in message
    assert "Lower the learning rate (optimizer.lr), or clip the gradients (clip_norm)" in message
    assert np.isfinite(trainer.train_state.train.loss)


def test_a_convolutional_network_that_explodes_says_so_without_warnings():
    gpucnn.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3))
    with pytest.raises(TrainingError, match="the training loss of epoch 1, step [23] is (nan|inf)"):
        examples.plain_trainer(net, lr=1e30).fit(examples.images(), batch_size=16)


def test_a_loss_that_is_not_finite_names_the_parameter():
    net = linear()
    net.load_state_dict({"0.weight": WEIGHT, "0.bias": np.array([0.0, np.nan])})
    with pytest.raises(
        TrainingError, match=r"epoch 1, step 1 is nan .*parameter 0\.bias is the first that is not finite"
    ):
        examples.plain_trainer(net).fit(points())


def test_a_loss_that_is_not_finite_names_the_layer():
    class Broken(nn.Module):
        def forward(self, x):
            return x * math.inf

    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), Broken(), nn.Linear(2, 2))
    with pytest.raises(TrainingError, match=r"the output of layer 2 \(Broken\) is the first that is not"):
        examples.plain_trainer(net).fit(points())
    assert net[2](Tensor([1.0])).numpy()[0] == math.inf  # the network is as it was

    class Network(nn.Module):
        def __init__(self):
            self.first, self.second = nn.Linear(2, 2), Broken()

        def forward(self, x):
            return self.second(self.first(x))

    with pytest.raises(TrainingError, match=r"the output of layer second \(Broken\) is the first that is not"):
        examples.plain_trainer(Network()).fit(points())


def test_images_that_are_not_finite_are_told():
    images, labels = points()
    images[2, 1] = np.nan
    with pytest.raises(TrainingError, match="the minibatch's images are not finite; look at the data"):
        examples.plain_trainer(linear()).fit((images, labels))


def test_a_loss_of_ones_own_that_is_not_finite_is_told():
    with pytest.raises(TrainingError, match="all layers' outputs are finite, the loss of them is not"):
        examples.plain_trainer(linear(), loss=lambda output, labels: output.sum() * math.nan).fit(points())


def test_validation_that_is_not_finite_stops_too():
    images, labels = points()
    with pytest.raises(TrainingError, match="the validation loss of epoch 1, step 1 is nan"):
        examples.plain_trainer(linear()).fit((images, labels), (images * np.nan, labels))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda t: t.fit(points(), epochs=0), InputError, "epochs is 0"),
        (lambda t: t.fit(points(), batch_size=0), InputError, "batch_size is 0; it must be at least 1"),
        (lambda t: t.fit((points()[0], points(3)[1])), DataError, r"images \(7, 2\) and labels \(3,\)"),
        (lambda t: t.fit("images"), DataError, "a Loader, a Dataset or .images, labels.; got str"),
        (lambda t: t.fit((points()[0], points()[1] + 5)), InputError, "label 6 is out of range"),
        (lambda t: t.evaluate((points()[0][:0], points()[1][:0])), DataError, "N at least 1"),
    ],
)
def test_what_cannot_be_trained_on(call, error, words):
    with pytest.raises(error, match=words):
        call(examples.plain_trainer(linear()))


def test_early_stopping_needs_the_images_it_watches():
    trainer = examples.plain_trainer(linear(), early_stop=EarlyStop(patience=1))
    with pytest.raises(
        ConfigError, match=r"monitors validation_loss, but there are no validation images; hold some out"
    ):
        trainer.fit(points())


def test_an_output_that_is_no_row_of_scores():
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    with pytest.raises(ShapeError, match=r"the network's output is \(4, 2, 6, 6\); expected \(images, classes\)"):
        examples.plain_trainer(net).fit(examples.images(4))
