"""What a page shows of labels that are no classes: a table of labels or numbers, and predicted against true numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gpucnn.report.series import short_number
from gpucnn.training.scores import NumberScores, Scores

MOST_POINTS = 1000  # of a chart, evenly chosen from the test images
Facts = dict[str, Any]


def score_facts(scores: Scores, names: Sequence[str], labels: np.ndarray, outputs: np.ndarray) -> Facts:
    """The table of each label's or number's figures; of numbers a chart each, from labels and outputs (N, K)."""
    figures = scores.as_dict(names)
    if isinstance(scores, NumberScores):
        rows = [list(row) for row in zip(names, *(figures[key] for key in ("mae", "rmse", "r2")), strict=True)]
        header, title = ["output", "MAE", "RMSE", "R²"], "Errors"
        hint = (
            "MAE: the mean of the absolute errors. RMSE: the root of the mean squared error; both in the unit of the "
            "labels. R²: the share of the labels' variance that is predicted. A heading sorts."
        )
        charts = [_points(name, *pair) for name, *pair in zip(names, labels.T, outputs.T, strict=True)]
    else:
        rows = [list(row.values()) for row in figures["labels"]]
        header, title, charts = ["label", "threshold", "precision", "recall", "F1", "images"], "Labels", []
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
