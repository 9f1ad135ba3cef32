"""Metrics against figures worked out by hand, and against scikit-learn."""

import json

import numpy as np
import pytest

from gpucnn.errors import InputError
from gpucnn.metrics import Classification, accuracy, classify, confusion_matrix, top_k_accuracy, wilson_interval

# Class 0: 2 of 3 found, 2 of 3 calls right. Class 1: 1 of 2 and 1 of 2. Class 2: 0 of 1, called once, wrong.
LABELS = [0, 0, 0, 1, 1, 2]
PREDICTIONS = [0, 0, 1, 1, 2, 0]


def test_accuracy_counts_equal_entries():
    assert accuracy(LABELS, PREDICTIONS) == 0.5
    assert accuracy([], []) == 0.0


def test_top_k_by_hand():
    scores = [[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]
    assert top_k_accuracy([1, 1, 0], scores, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy([1, 1, 0], scores, 2) == pytest.approx(2 / 3)
    assert top_k_accuracy([1, 1, 0], scores, 3) == 1.0
    assert top_k_accuracy(np.zeros(0, int), np.zeros((0, 3)), 2) == 0.0


def test_top_k_of_equal_scores_takes_the_smaller_class():
    assert top_k_accuracy([0, 1], np.zeros((2, 3)), 1) == 0.5


def test_confusion_matrix_has_true_classes_in_rows():
    assert confusion_matrix(LABELS, PREDICTIONS, 3).tolist() == [[2, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert confusion_matrix([], [], 2).tolist() == [[0, 0], [0, 0]]


def test_figures_by_hand():
    figures = classify(LABELS, PREDICTIONS, 3)
    assert figures.support.tolist() == [3, 2, 1]
    np.testing.assert_allclose(figures.precision, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(figures.recall, [2 / 3, 1 / 2, 0])
    np.testing.assert_allclose(figures.f1, [2 / 3, 1 / 2, 0])
    assert figures.accuracy == 0.5
    assert figures.macro.f1 == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert figures.weighted.precision == pytest.approx((3 * 2 / 3 + 2 * 1 / 2) / 6)


def test_nothing_at_all_gives_zeros_without_a_warning():
    figures = Classification(np.zeros((3, 3), np.int64))
    assert figures.accuracy == figures.macro.f1 == figures.weighted.recall == 0.0
    assert not figures.f1.any()


def test_as_dict_is_the_shape_of_result_json():
    figures = classify([0, 1, 1], [0, 1, 0], 2).as_dict(["cat", "dog"])
    assert json.loads(json.dumps(figures)) == {
        "classes": [
            {"name": "cat", "precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3), "support": 1},
            {"name": "dog", "precision": 1.0, "recall": 0.5, "f1": pytest.approx(2 / 3), "support": 2},
        ],
        "macro": {"precision": 0.75, "recall": 0.75, "f1": pytest.approx(2 / 3)},
        "weighted": {
            "precision": pytest.approx(5 / 6),
            "recall": pytest.approx(2 / 3),
            "f1": pytest.approx(2 / 3),
        },
        "confusion_matrix": [[1, 0], [1, 1]],
        "interval": [pytest.approx(0.2077, abs=1e-4), pytest.approx(0.9385, abs=1e-4)],
    }


def test_classes_that_do_not_occur_do_not_count_in_the_mean():
    """Of ten classes two occur, and all is right: the mean is 1, as scikit-learn has it, not 0.2."""
    figures = classify([3, 3, 7], [3, 3, 7], 10)
    assert figures.macro.precision == figures.macro.recall == figures.macro.f1 == 1.0
    figures = classify([3, 3, 7], [3, 5, 7], 10)  # 5 was predicted, so it counts
    assert figures.macro.recall == pytest.approx((0.5 + 1 + 0) / 3)


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    [  # of the textbook's form: (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n)
        (0, 10, (0.0, 0.2775327998628892)),
        (10, 10, (0.7224672001371107, 1.0)),
        (9873, 10_000, (0.9849106380508621, 0.9893151171370764)),
        (1, 3, (0.06149194472039615, 0.7923403991979523)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilsons_interval(correct, total, expected):
    assert wilson_interval(correct, total) == pytest.approx(expected, abs=1e-12)


def test_wilsons_interval_holds_what_it_says():
    """Of shares drawn many times, about 95 % of the intervals hold the true one."""
    rng = np.random.default_rng(0)
    for share, total in ((0.9, 100), (0.5, 30), (0.98, 1000)):
        drawn = rng.binomial(total, share, 2000)
        held = [low <= share <= high for low, high in (wilson_interval(int(n), total) for n in drawn)]
        assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_counts_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="4 correct of 3; expected between 0 and 3"):
        wilson_interval(4, 3)


@pytest.mark.parametrize("classes", [2, 5, 12])
def test_against_scikit_learn(classes):
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(classes)
    for _ in range(20):
        labels, predictions = rng.integers(classes, size=(2, rng.integers(1, 40)))  # some classes never occur
        figures = classify(labels, predictions, classes)
        numbers = range(classes)
        expected = metrics.confusion_matrix(labels, predictions, labels=numbers)
        np.testing.assert_array_equal(figures.confusion, expected)
        each = metrics.precision_recall_fscore_support(labels, predictions, labels=numbers, zero_division=0.0)
        for ours, theirs in zip((figures.precision, figures.recall, figures.f1, figures.support), each, strict=True):
            np.testing.assert_allclose(ours, theirs)
        for name in ("macro", "weighted"):
            average = getattr(figures, name)
            theirs = metrics.precision_recall_fscore_support(labels, predictions, average=name, zero_division=0.0)[:3]
            np.testing.assert_allclose((average.precision, average.recall, average.f1), theirs)
        assert accuracy(labels, predictions) == pytest.approx(metrics.accuracy_score(labels, predictions))
        scores = rng.random((len(labels), classes))
        if classes > 2:
            theirs = metrics.top_k_accuracy_score(labels, scores, k=2, labels=list(numbers))
            assert top_k_accuracy(labels, scores, 2) == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: accuracy([0, 1], [0]), r"both \(N,\); got \(2,\) and \(1,\)"),
        (lambda: confusion_matrix([0, 3], [0, 1], 3), r"label 3 is outside 0\.\.2"),
        (lambda: confusion_matrix([0, 1], [0, -1], 3), r"prediction -1 is outside 0\.\.2"),
        (
            lambda: confusion_matrix([0, 1], [0.5, 1.0], 3),
            "prediction is the integer number of a class; got float64",
        ),
        (lambda: top_k_accuracy([0], [[0.1, 0.9]], 3), "k = 3 is not between 1 and the number of classes, 2"),
        (lambda: top_k_accuracy([0, 1], [[0.1, 0.9]], 1), r"got scores \(1, 2\) and labels \(2,\)"),
        (lambda: top_k_accuracy([2], [[0.1, 0.9]], 1), r"label 2 is outside 0\.\.1"),
        (lambda: classify([0], [1], 2).as_dict(["a"]), "1 class names for 2 classes"),
    ],
)
def test_wrong_input_says_what_was_expected(call, words):
    with pytest.raises(InputError, match=words):
        call()
