"""Figures of several labels and of numbers against loops and scikit-learn; what labels are to a loss."""

import functools

import numpy as np
import pytest

from gpucnn import functional as F
from gpucnn import nn
from gpucnn.errors import InputError
from gpucnn.training.kinds import kind_of
from gpucnn.training.label_losses import AbsoluteError, BinaryCrossEntropy, SmoothAbsoluteError
from gpucnn.training.loss_weights import balanced_weights
from gpucnn.training.losses import CrossEntropy, MeanSquaredError
from gpucnn.training.scores import label_scores, number_scores


def test_figures_of_labels_are_those_of_loops(rng):
    there, probabilities = rng.integers(0, 2, (50, 3)), rng.uniform(size=(50, 3))
    limits = [0.5, 0.2, 0.8]
    found = label_scores(there, probabilities, limits)
    exact = 0
    for label in range(3):
        right = sum(p >= limits[label] and t for p, t in zip(probabilities[:, label], there[:, label], strict=True))
        given = sum(p >= limits[label] for p in probabilities[:, label])
        assert found.precision[label] == right / given and found.recall[label] == right / there[:, label].sum()
    for n in range(50):
        exact += all((probabilities[n, k] >= limits[k]) == there[n, k] for k in range(3))
    assert found.score == exact / 50


def test_figures_of_labels_are_scikit_learns(rng):
    metrics = pytest.importorskip("sklearn.metrics")
    there, probabilities = rng.integers(0, 2, (80, 4)), rng.uniform(size=(80, 4))
    there[:, 3], probabilities[:, 3] = 0, 0  # never there, never given: left out of the macro mean, as for classes
    found, given = label_scores(there, probabilities), probabilities >= 0.5
    precision, recall, f1, support = metrics.precision_recall_fscore_support(there, given, zero_division=0)
    for ours, theirs in [(found.precision, precision), (found.recall, recall), (found.f1, f1)]:
        np.testing.assert_allclose(ours, theirs)
    assert found.support.tolist() == support.tolist()
    assert found.score == metrics.accuracy_score(there, given)
    assert found.weighted.f1 == pytest.approx(metrics.f1_score(there, given, average="weighted", zero_division=0))
    assert found.macro.recall == pytest.approx(recall[:3].mean())


def test_figures_of_numbers_are_scikit_learns(rng):
    metrics = pytest.importorskip("sklearn.metrics")
    labels = rng.standard_normal((40, 3)) * [1, 10, 0] + [0, 5, 2]
    predicted = labels + rng.standard_normal((40, 3)) * [0.1, 3, 1]
    found = number_scores(labels, predicted)
    np.testing.assert_allclose(found.r2[:2], metrics.r2_score(labels, predicted, multioutput="raw_values")[:2])
    np.testing.assert_allclose(found.mae, metrics.mean_absolute_error(labels, predicted, multioutput="raw_values"))
    squared = metrics.mean_squared_error(labels, predicted, multioutput="raw_values")
    np.testing.assert_allclose(found.rmse, np.sqrt(squared))
    assert found.r2[2] == 0 and number_scores(labels, labels).r2.tolist() == [1, 1, 1]
    assert found.score == pytest.approx(found.r2.mean())


@pytest.mark.parametrize("function", [label_scores, number_scores])
def test_shapes_that_differ_are_told(function):
    with pytest.raises(InputError, match=r"labels \(3, 1\) and outputs \(3, 2\)"):
        function(np.zeros((3, 1)), np.zeros((3, 2)))


CLASSES, ROWS, ONE_HOT, NUMBERS = np.array([0, 2, 1]), np.array([[1, 1], [0, 1]]), np.eye(2), np.array([0.5, 2.25])


@pytest.mark.parametrize(
    ("loss", "labels", "kind"),
    [
        (CrossEntropy(), CLASSES, "classes"),
        (F.cross_entropy, ONE_HOT, "classes"),
        (BinaryCrossEntropy(), ROWS, "several"),
        (BinaryCrossEntropy(), ONE_HOT, "several"),  # one label each, and yet the loss decides
        (functools.partial(F.binary_cross_entropy_with_logits, pos_weight=2.0), ROWS, "several"),
        (nn.BCEWithLogitsLoss(), ROWS, "several"),
        (MeanSquaredError(), CLASSES, "classes"),
        (MeanSquaredError(), NUMBERS, "numbers"),
        (F.mse_loss, ROWS * 1.5, "numbers"),
        (AbsoluteError(), CLASSES, "numbers"),
        (SmoothAbsoluteError(), NUMBERS, "numbers"),
        (nn.L1Loss(), NUMBERS, "numbers"),
        (lambda output, labels: output.sum(), NUMBERS, None),
        (lambda output, labels: output.sum(), CLASSES, "classes"),
    ],
)
def test_the_loss_says_what_labels_are(loss, labels, kind):
    assert kind_of(loss, labels) == kind


def test_balanced_weights_are_scikit_learns():
    sklearn_utils = pytest.importorskip("sklearn.utils")
    labels = np.repeat([0, 1, 2], [5, 40, 15])
    theirs = sklearn_utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert balanced_weights([5, 40, 15]) == pytest.approx(theirs)
    assert balanced_weights([10, 0, 10]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: CrossEntropy(weight=(1.0, -1.0)), "weight is .* at least 0"),
        (lambda: CrossEntropy(weight=(0.0, 0.0)), "not 0 alone"),
        (lambda: BinaryCrossEntropy(pos_weight=float("nan")), "pos_weight is nan"),
        (lambda: BinaryCrossEntropy(threshold={"a": 1.0}), "threshold is .* between 0 and 1"),
        (lambda: CrossEntropy(weight={"c": 2.0}).of(["a", "b"], [1, 1]), "names 'c', which is none of a, b"),
        (lambda: CrossEntropy(weight=(2.0,)).of(["a", "b"], [1, 1]), "has 1 numbers; expected 2"),
        (lambda: CrossEntropy(weight="balanced")(None, CLASSES), "the classes must be known"),
    ],
)
def test_weights_that_do_not_serve_are_told(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_weights_by_name_stand_in_order():
    loss = CrossEntropy(weight={"b": 3.0}).of(["a", "b"], [1, 1])
    assert loss.weight == (1.0, 3.0)
    several = BinaryCrossEntropy(threshold={"b": 0.3}, pos_weight=2.0).of(["a", "b"], [7])
    assert several.threshold == (0.5, 0.3) and several.pos_weight == 2.0
