"""What a page shows of labels that are no classes: a table of labels or numbers, and predicted against true numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpucnn.metrics import Classification
from gpucnn.report.series import short_number
from gpucnn.training.evaluation import Scores
from gpucnn.training.map_scores import PictureScores, PixelScores
from gpucnn.training.scores import NumberScores

MOST_POINTS = 1000  # of a chart, evenly chosen from the test images
Facts = dict[str, Any]


def score_facts(scores: Scores, names: Sequence[str], labels: np.ndarray, outputs: Any) -> Facts:
    """The table of each label's, number's or class's figures; of numbers a chart each, from labels and outputs (N, K).

    Of pictures the table has one row, for all of them.
    """
    figures, charts = scores.as_dict(names), list[Facts]()
    if isinstance(scores, PixelScores):
        rows = [list(row.values()) for row in figures["classes"]]
        macro = Classification(scores.confusion).macro
        means = [figures["mean_iou"], figures["mean_dice"], macro.precision, macro.recall]
        header, title = ["class", "IoU", "Dice", "precision", "recall", "pixels"], "Classes of pixels"
        rows.append(["mean", *means, int(scores.confusion.sum())])
        hint = (
            "IoU: the pixels that have a class and are given it, of those that have it or are given it. Dice: twice "
            "these of the sum of both. The means are over the classes that occur. A heading sorts."
        )
    elif isinstance(scores, PictureScores):
        rows = [["all test images", figures["psnr"], figures["mean_absolute_error"]]]
        header, title = ["pictures", "PSNR in dB", "mean absolute error"], "Errors of pictures"
        hint = "PSNR: -10 log10 of the mean squared error, where white is 1. The absolute error is a fraction of white."
    elif isinstance(scores, NumberScores):
        rows = [list(row) for row in zip(names, *(figures[key] for key in ("mae", "rmse", "r2")), strict=True)]
        header, title = ["output", "MAE", "RMSE", "R²"], "Errors"
        hint = (
            "MAE: the mean of the absolute errors. RMSE: the root of the mean squared error; both in the unit of the "
            "labels. R²: the share of the labels' variance that is predicted. A heading sorts."
        )
        charts = [_points(name, *pair) for name, *pair in zip(names, labels.T, outputs.T, strict=True)]
    else:
        rows = [list(row.values()) for row in figures["labels"]]
        header, title = ["label", "threshold", "precision", "recall", "F1", "images"], "Labels"
        hint = (
            "Precision: of the images given a label, the share that has it. Recall: of those that have it, the share "
            "that is given it. F1 is their harmonic mean. A heading sorts."
        )
    shown = [[each if isinstance(each, str | int) else short_number(each) for each in row] for row in rows]
    return {"title": title, "hint": hint, "header": header, "rows": shown, "charts": charts}


def headline_of(result: Mapping[str, Any]) -> tuple[str, str] | None:
    """What stands in the place of the test accuracy in result.json, and the figure as text; None for classes."""
    if result.get("exact_match") is not None:
        return "all labels right", f"{result['exact_match']:.2%}".replace("%", " %")
    if result.get("mean_iou") is not None:
        return "mean IoU on test images", f"{result['mean_iou']:.4f}"
    if result.get("psnr") is not None:
        return "PSNR on test images", f"{result['psnr']:.2f} dB"
    if result.get("r2"):
        return "mean R² on test images", f"{np.mean(result['r2']):.4f}"
    return None


def _points(name: str, true: np.ndarray, predicted: np.ndarray) -> Facts:
    chosen = np.unique(np.linspace(0, len(true) - 1, MOST_POINTS).astype(np.int64))
    chosen = chosen[np.argsort(true[chosen], kind="stable")]
    x, y = ([short_number(float(each)) for each in values[chosen]] for values in (true, predicted))
    begin, end = float(true.min()), float(true.max())
    room = 0.05 * (end - begin) or 1.0
    return {"name": name, "x": x, "y": y, "begin": short_number(begin - room), "end": short_number(end + room)}
