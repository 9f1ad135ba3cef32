"""Figures of a class per pixel and of pictures, against loops; they add up over minibatches."""

import json
import math

import numpy as np
import pytest

from gpucnn.errors import InputError
from gpucnn.training.map_scores import picture_scores, pixel_scores

rng = np.random.default_rng(0)
LABELS, OUTPUTS = rng.integers(0, 3, (5, 4, 6)), rng.standard_normal((5, 4, 4, 6)).astype(np.float32)


def loops(labels, outputs, ignored=None):
    """IoU and Dice of each class, pixel by pixel."""
    true, predicted = ([set() for _ in range(outputs.shape[1])] for _ in range(2))
    for place in np.ndindex(labels.shape):
        if labels[place] != ignored:
            true[labels[place]].add(place)
            predicted[int(outputs[place[0], :, *place[1:]].argmax())].add(place)
    iou = [len(a & b) / len(a | b) if a | b else 0.0 for a, b in zip(true, predicted, strict=True)]
    dice = [2 * len(a & b) / (len(a) + len(b)) if a or b else 0.0 for a, b in zip(true, predicted, strict=True)]
    return iou, dice


@pytest.mark.parametrize("ignored", [None, 1, 255])
def test_iou_and_dice_are_those_of_loops(ignored):
    labels = LABELS.copy()
    if ignored == 255:
        labels[0, :2] = 255
    scores = pixel_scores(labels, OUTPUTS, ignored)
    iou, dice = loops(labels, OUTPUTS, ignored)
    np.testing.assert_allclose(scores.iou, iou)
    np.testing.assert_allclose(scores.dice, dice)
    assert scores.score == pytest.approx(np.mean(iou))


def test_a_class_that_occurs_nowhere_is_not_in_the_means():
    outputs = OUTPUTS.copy()
    outputs[:, 3] = -9  # which labels do not hold either
    scores = pixel_scores(LABELS, outputs)
    assert scores.iou[3] == 0 and scores.score == pytest.approx(scores.iou[:3].mean())
    figures = scores.as_dict(list("abcd"))
    assert figures["classes"][0]["name"] == "a" and figures["classes"][1]["support"] == (LABELS == 1).sum()
    assert figures["mean_dice"] == pytest.approx(scores.dice[:3].mean())
    assert figures["pixel_accuracy"] == pytest.approx((outputs.argmax(axis=1) == LABELS).mean())
    json.dumps(figures, allow_nan=False)


def test_figures_add_up_over_minibatches():
    whole, parts = pixel_scores(LABELS, OUTPUTS), [pixel_scores(LABELS[i], OUTPUTS[i]) for i in (slice(2), slice(2, 5))]
    assert np.array_equal((parts[0] + parts[1]).confusion, whole.confusion)
    pictures, answers = rng.random((5, 2, 3, 4)), rng.random((5, 2, 3, 4))
    both = picture_scores(pictures[:1], answers[:1]) + picture_scores(pictures[1:], answers[1:])
    assert both.score == pytest.approx(picture_scores(pictures, answers).score)


def test_psnr_is_that_of_its_formula():
    pictures, answers = rng.random((3, 1, 2, 2)), rng.random((3, 1, 2, 2))
    errors = [float(pictures[place] - answers[place]) for place in np.ndindex(pictures.shape)]
    scores = picture_scores(pictures, answers)
    assert scores.score == pytest.approx(10 * math.log10(1 / (sum(e * e for e in errors) / len(errors))))
    assert scores.of_epoch(None)["mean_absolute_error"] == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert picture_scores(pictures, pictures).score == pytest.approx(100.0)


def test_shapes_that_differ_are_told():
    with pytest.raises(InputError, match=r"labels \(5, 4, 6\) and outputs \(5, 4, 4, 5\)"):
        pixel_scores(LABELS, OUTPUTS[..., :5])
    with pytest.raises(InputError, match="expected one shape"):
        picture_scores(OUTPUTS, OUTPUTS[:2])
