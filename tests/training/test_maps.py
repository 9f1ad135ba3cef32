"""Trainings whose labels are as large as the images: PyTorch's loss, figures with the epochs, faults that are told."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.data import Dataset, Loader, Normalizer
from gpucnn.errors import InputError, ShapeError
from gpucnn.training import CrossEntropy, MeanSquaredError, Trainer
from gpucnn.training.evaluation import evaluate
from gpucnn.training.kinds import kind_of
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from gpucnn.training.map_scores import PictureScores, PixelScores
from tests.devices import GPUS, on

NAMES = ("dark", "middle", "bright")


def data(n=24, seed=0):
    """Pictures of three shades with noise, and the shade of each pixel."""
    rng = np.random.default_rng(seed)
    shades = rng.integers(0, 3, (n, 4, 4)).repeat(2, axis=1).repeat(2, axis=2).astype(np.uint8)
    images = (100 * shades + rng.integers(0, 50, shades.shape)).astype(np.uint8)[:, None]
    return Dataset(images, shades, NAMES)


def network(outputs=3):
    gpucnn.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, outputs, 1)
    )


def trainer(loss, outputs=3, **options):
    net = network(outputs)
    return Trainer(net, optim.Adam(net.parameters(), lr=0.02), loss, **options)


def loaders(of=lambda part: part):
    train = of(data())
    normalizer = Normalizer.fit("unit", train)
    return Loader(train, 8, normalizer, shuffle=True), Loader(of(data(10, 1)), 8, normalizer)


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy(weight=(1.0, 2.0, 0.5), ignore_index=1)])
def test_a_class_per_pixel_is_learnt_and_measured(loss):
    trained = trainer(loss)
    train, validation = loaders()
    last = trained.fit(train, validation, epochs=20)[-1]
    assert last.train_accuracy is None and last.validation_accuracy is None
    assert last.validation_score == last.scores["mean_iou"] > 0.75
    assert [row["name"] for row in last.scores["classes"]] == list(NAMES)
    evaluation = trained.evaluate(validation)
    assert isinstance(evaluation.scores, PixelScores) and evaluation.accuracy is evaluation.probabilities is None
    assert evaluation.scores.score == last.validation_score and evaluation.loss == pytest.approx(last.validation_loss)
    assert (evaluation.scores.confusion[1] == 0).all() == (loss.ignore_index == 1)


@pytest.mark.parametrize("loss", [MeanSquaredError(), AbsoluteError(), SmoothAbsoluteError(beta=0.5)])
def test_pictures_are_learnt_and_measured(loss):
    trained = trainer(loss, outputs=1)
    train, validation = loaders(lambda part: part.reproduced(255.0))
    records = trained.fit(train, validation, epochs=6)
    assert records[-1].validation_score == records[-1].scores["psnr"] > records[0].scores["psnr"]
    assert isinstance(trained.evaluate(validation).scores, PictureScores)


@pytest.mark.parametrize("place", ["numpy", *GPUS])
@pytest.mark.parametrize("loss", [CrossEntropy(ignore_index=1), MeanSquaredError()])
def test_every_set_of_kernels_trains_alike(place, loss):
    def score():
        part = data(4) if isinstance(loss, CrossEntropy) else data(4).reproduced(255.0)
        trained = trainer(loss, outputs=3 if isinstance(loss, CrossEntropy) else 1)
        last = trained.fit(Loader(part, 2, shuffle=True), part, epochs=1)[0]
        return last.train_loss, last.validation_loss, last.validation_score

    with on("numpy" if place != "numpy" else "c"):
        expected = score()
    with on(place):
        np.testing.assert_allclose(score(), expected, rtol=2e-3)


def test_arrays_do_as_well_as_data_sets():
    part = data()
    images, masks = part.images / np.float32(255), part.labels.astype(np.int64)
    results = []
    for given in ((images, masks), Loader(part, 64, shuffle=True)):
        trained = trainer(CrossEntropy())
        results.append(trained.fit(given, epochs=2, batch_size=64)[-1].train_loss)
    assert results[0] == pytest.approx(results[1], rel=1e-5)


def test_the_loss_over_pixels_is_pytorchs():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((4, 3, 5, 6)), rng.integers(0, 3, (4, 5, 6))
    labels[0, 0] = 255
    weight = (0.5, 2.0, 1.0)
    for options in (
        {"ignore_index": 255},
        {"ignore_index": 255, "weight": weight},
        {"ignore_index": 255, "reduction": "sum"},
    ):
        x = Tensor(logits, requires_grad=True)
        loss = CrossEntropy(**options)(x, labels.astype(np.uint8))
        loss.backward()
        theirs = torch.from_numpy(logits).requires_grad_()
        more = {"weight": torch.tensor(weight, dtype=torch.float64)} if "weight" in options else {}
        judge = torch.nn.functional.cross_entropy(theirs, torch.from_numpy(labels), **(options | more))
        judge.backward()
        assert loss.item() == pytest.approx(judge.item(), rel=1e-12)
        np.testing.assert_allclose(x.grad.numpy(), theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_balanced_weights_count_pixels():
    part = data()
    loss = CrossEntropy(weight="balanced").of(part.class_names, [int(count) for count in part.class_counts])
    expected = part.labels.size / (3 * np.bincount(part.labels.ravel()))
    np.testing.assert_allclose(loss.weight, expected)


def test_kinds_follow_from_loss_and_labels():
    masks, pictures = np.zeros((2, 4, 4), np.uint8), np.zeros((2, 1, 4, 4), np.float32)
    assert (
        kind_of(CrossEntropy(), masks) == kind_of(F.cross_entropy, masks) == kind_of(lambda x, y: x, masks) == "pixels"
    )
    for loss in (MeanSquaredError(), F.mse_loss, nn.MSELoss(), F.l1_loss, nn.SmoothL1Loss(), AbsoluteError()):
        assert kind_of(loss, pictures) == "pictures"
    assert kind_of(BinaryCrossEntropy(), pictures) is None


def test_outputs_of_another_shape_are_told():
    part = data()
    wrong = nn.Sequential(nn.Conv2d(1, 3, 3))  # without padding
    told = r"output is \(8, 3, 6, 6\), and labels are a class per pixel, \(8, 8, 8\); .* keep the size of the images"
    with pytest.raises(ShapeError, match=told):
        Trainer(wrong, optim.SGD(wrong.parameters(), lr=0.1)).fit(part, epochs=1, batch_size=8)
    with pytest.raises(ShapeError, match=r"the network's output is .*; expected \(images, classes\)"):
        trainer(CrossEntropy()).fit((part.images, part.labels[:, 0, 0].astype(np.int64)), epochs=1)
    with pytest.raises(ShapeError, match="expected pictures of that shape"):
        trainer(MeanSquaredError(), outputs=2).fit(part.reproduced(255.0), epochs=1)
    with pytest.raises(InputError, match="label 2 is out of range; expected 0 to 1"):
        trainer(CrossEntropy(), outputs=2).fit(part, epochs=1)


def test_metrics_of_the_users_see_all_answers():
    seen = {}
    trained = trainer(CrossEntropy(), metrics={"pixels": lambda outputs, labels: seen.setdefault("n", labels.size)})
    train, validation = loaders()
    assert trained.fit(train, validation, epochs=1)[0].metrics == {"pixels": 640.0}


def test_outputs_of_an_evaluation_are_not_kept():
    """They would take as much memory as all feature maps of the last layer."""
    evaluation = evaluate(network(), loaders()[1], CrossEntropy())
    assert evaluation.probabilities is None and evaluation.scores.confusion.sum() == 640
