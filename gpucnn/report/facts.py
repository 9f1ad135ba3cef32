"""The contents of report pages, computed from runs: plain data, fit for JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gpucnn import nn
from gpucnn.data import Loader
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import InputError
from gpucnn.explain.layers import chosen_options, layer_facts
from gpucnn.garbage import uncollected
from gpucnn.metrics import Averages, Classification, Interval, wilson_interval
from gpucnn.report.answers import answers_inside
from gpucnn.report.belief import belief
from gpucnn.report.dataset import data_inside
from gpucnn.report.figures import MAGNITUDES, SERIES, SIGNED
from gpucnn.report.health import forming_inside, health_inside
from gpucnn.report.history import read_batches, read_confusion
from gpucnn.report.inside import kernels_inside, maps_inside
from gpucnn.report.likes import likes_inside
from gpucnn.report.pixels import Viewer
from gpucnn.report.predictions import MOST_ROWS, Predictions, class_rows, examples, groups_of, merged
from gpucnn.report.scatter import points_inside
from gpucnn.report.scores import headline_of, score_facts
from gpucnn.report.series import curves_of, short_number
from gpucnn.report.subject import Subject
from gpucnn.report.why import cams
from gpucnn.runs.health import read_health
from gpucnn.training.evaluation import evaluate

ANCHORS = 33  # colours that a page interpolates between
Facts = dict[str, Any]
Headline = list[list[str]]  # what, the figure, a remark on it


def report_facts(subject: Subject) -> Facts:
    """The contents of the report on one run.

    Raises InputError if no epoch is done, CheckpointError if its files are damaged.
    """
    curves, kept = curves_of(subject.folder), read_health(subject.folder)
    facts: Facts = {
        "title": subject.name,
        "path": str(subject.folder.path),
        "notes": list(_notes(subject)),
        "headline": _headline(subject, curves),
        "input": list(subject.image_shape),
        "layers": _architecture(subject),
        "runs": [{"name": subject.name, **curves}],
        "names": list(subject.class_names),
        "palettes": palettes(),
        "health": health_inside(kept),
        "kernels": kernels_inside(subject.net),
        "forming": forming_inside(kept),
    }
    if subject.test is None:
        facts["notes"].append("The test images were unavailable, so none are shown.")
        return facts | _recorded_figures(subject)
    loader = Loader(subject.test, 256, subject.normalizer, dtype=subject.config["dtype"])
    evaluation = evaluate(subject.net, loader, subject.loss)
    plain = evaluation.probabilities
    if not np.isfinite(evaluation.loss if plain is None else plain).all():
        raise InputError(
            f"{subject.folder.path}: the network's outputs are not finite, so its weights are damaged or were never "
            "finite; train again, with a lower learning rate (optimizer.lr)"
        )
    if evaluation.scores is not None:
        of_test = subject.test.labels, evaluation.probabilities
        facts["scores"] = score_facts(evaluation.scores, subject.class_names, *of_test)
        return facts | ({"answers": answers_inside(subject, subject.test)} if subject.test.labels.ndim > 2 else {})
    probabilities = as_probabilities(plain, "probabilities", subject.temperature)
    predictions, viewer = Predictions(subject.test.labels, probabilities), Viewer(subject.test)
    facts |= _figures(predictions.classification, list(subject.class_names))
    facts["belief"] = belief(subject.test.labels, plain, subject.temperature)
    facts["examples"] = shown = examples(predictions, viewer)
    mistakes = np.array([shown["images"][place][0] for place in shown["mistakes"]], np.int64)
    facts["cams"] = cams(subject, mistakes, predictions.predicted[mistakes], viewer)
    facts["space"] = points_inside(subject, predictions, viewer)
    facts["likes"] = likes_inside(subject, subject.test, viewer)
    facts["data"] = data_inside(subject, subject.test, predictions)
    maps = maps_inside(subject, subject.test, predictions, viewer)
    if maps is None:
        facts["notes"].append("The images are too large for a page, so no feature maps are shown.")
        return facts
    return facts | {"maps": maps}


def comparison_facts(subjects: Sequence[Subject], differing: Sequence[tuple[str, Sequence[str]]]) -> Facts:
    """The contents of the comparison of several runs; `differing` are the options in which they differ.

    Raises InputError if there are more runs than distinct colours, and as `report_facts` does.
    """
    if len(subjects) > len(SERIES):
        raise InputError(
            f"{len(subjects)} runs were given; there are {len(SERIES)} distinct colours for curves; compare fewer"
        )
    curves = [curves_of(subject.folder) for subject in subjects]
    headlines = [_headline(subject, each) for subject, each in zip(subjects, curves, strict=True)]
    return {
        "title": f"{len(subjects)} runs compared",
        "path": "",
        "notes": [f"{subject.name}: {note}" for subject in subjects for note in _notes(subject)],
        "runs": [{"name": subject.name, **each} for subject, each in zip(subjects, curves, strict=True)],
        "palettes": palettes(),
        "results": _results(headlines),
        "differences": [[key, *values] for key, values in differing],
    }


def _results(headlines: list[Headline]) -> list[list[str]]:
    """A row for each figure of the headlines: its name, then its value in each run."""
    return [
        [rows[0][0], *(f"{figure} ({remark})" if remark else figure for _, figure, remark in rows)]
        for rows in zip(*headlines, strict=True)
    ]


def palettes() -> Facts:
    """The colours of the pictures, for the page to use too."""
    with uncollected():
        import matplotlib

    def anchors(name: str) -> list[list[int]]:
        colours = matplotlib.colormaps[name](np.linspace(0, 1, ANCHORS))  # (anchors, 4), 0 to 1
        return np.rint(255 * colours[:, :3]).astype(int).tolist()

    return {"magnitudes": anchors(MAGNITUDES), "signed": anchors(SIGNED), "series": list(SERIES)}


def _notes(subject: Subject) -> Iterator[str]:
    """Remarks that belong before the figures."""
    requested, done = subject.config["data"]["name"], subject.folder.epochs_logged
    if requested != subject.dataset:
        yield f"Trained on {subject.dataset}, because {requested} was unavailable (data.fallback)."
    asked = subject.config["train"]["epochs"]
    if not subject.folder.finished:
        keep = (subject.config["train"].get("early_stop") or {}).get("keep")
        of = "best epoch so far" if keep == "best" else "last checkpoint"
        yield f"Not finished: {done} of {asked} epochs are done. The figures are those of the {of}."
        return
    if done < asked:
        yield f"Early stopping ended the training after {done} of {asked} epochs (train.early_stop)."
    result = subject.folder.result()
    yield from result.get("signs", [])
    weights = result.get("weights", {})
    if weights.get("which") == "best":
        yield f"The weights are those of epoch {weights['epoch']}, the best (train.early_stop)."
    if average := subject.config["train"].get("average"):
        name, epoch = average["name"], weights["epoch"]
        yield f"The weights are averages over the training ({name}), as of epoch {epoch} (train.average)."


def _headline(subject: Subject, curves: Facts) -> Headline:
    """The most important figures, with remarks."""
    result = subject.folder.result() if subject.folder.finished else {}
    recorded = read_confusion(subject.folder) if result else None
    remarks = [] if recorded is None else [_interval(Classification(recorded[0]).interval)]
    environment, epochs = subject.environment(), curves["epochs"]
    seconds = result.get("train_seconds") or sum(second or 0.0 for second in epochs["seconds"])
    accuracy, loss, validation = result.get("test_accuracy"), result.get("test_loss"), epochs["validation_accuracy"][-1]
    parameters = sum(parameter.size for parameter in subject.net.parameters())
    speed = np.median([each for each in epochs["images_per_second"] if each is not None] or [0.0])
    tested = headline_of(result) or ("test accuracy", percent(accuracy))
    score = epochs["validation_score"][-1]
    watched = ["validation accuracy", percent(validation), _of_validation(subject, validation, epochs["epoch"][-1])]
    if score is not None:
        watched = ["validation score", f"{score:.4f}", f"after epoch {epochs['epoch'][-1]}"]
    return [
        [*tested, ", ".join(([] if loss is None else [f"loss {loss:.4f}"]) + remarks)],
        watched,
        ["training time", duration(seconds), f"{epochs['epoch'][-1]} epochs, {speed:,.0f} images/s"],
        ["data", subject.dataset, " × ".join(map(str, subject.image_shape)) + f", {len(subject.class_names)} classes"],
        ["device", str(result.get("device", environment.get("device", "unknown"))), _computing(result, environment)],
        ["parameters", f"{parameters:,}", f"{subject.net.multiply_adds(subject.image_shape):,} multiply-adds an image"],
    ]  # fmt: skip


def _of_validation(subject: Subject, accuracy: float | None, epoch: int) -> str:
    """The remark on a validation accuracy: which epoch's it is, and its interval."""
    batches = read_batches(subject.folder)
    images = int(batches["images"][(batches["split"] == "validation") & (batches["epoch"] == epoch)].sum())
    if accuracy is None or not images:
        return f"after epoch {epoch}"
    return f"after epoch {epoch}, {_interval(wilson_interval(round(accuracy * images), images))}"


def _interval(interval: Interval) -> str:
    return f"95 % interval {percent(interval.low)} to {percent(interval.high)}"


def _computing(result: Facts, environment: Facts) -> str:
    """The kernels that computed, and their threads."""
    threads = environment.get("threads")
    kernels = f"kernels {result.get('kernels', environment.get('kernels', 'unknown'))}"
    return f"{kernels}, {threads} threads" if isinstance(threads, int) and threads > 1 else kernels


def percent(share: float | None) -> str:
    """A share of images as text; "none" for None."""
    return "none" if share is None else f"{share:.2%}".replace("%", " %")


def duration(seconds: float) -> str:
    """Seconds as text, in hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.3g} s"


def _architecture(subject: Subject) -> list[Facts]:
    return [
        {
            "name": facts.name,
            "kind": facts.layer.kind,
            "options": chosen_options(facts.layer),
            "paths": len(facts.layer) if isinstance(facts.layer, nn.Branches) else 0,
            "output": list(facts.output),
            "parameters": facts.parameters,
            "multiply_adds": facts.multiply_adds,
            "field": {name: list(axes) for name, axes in facts.field.facts().items()},
        }
        for facts in layer_facts(subject.net, subject.image_shape)
    ]


def _figures(figures: Classification, names: list[str]) -> Facts:
    """The confusion matrix as it is shown, and the table of classes."""
    matrix, rows = merged(figures.confusion, names)
    return {
        "confusion": {"matrix": matrix, "names": rows, "merged": groups_of(figures.confusion) is not None},
        "classes": {
            "rows": class_rows(figures, names),
            "left_out": max(0, len(names) - MOST_ROWS),
            "means": [_mean("macro mean", figures.macro), _mean("weighted mean", figures.weighted)],
            "images": int(figures.support.sum()),
        },
    }


def _mean(name: str, mean: Averages) -> list[Any]:
    return [name, *(short_number(each) for each in (mean.precision, mean.recall, mean.f1))]


def _recorded_figures(subject: Subject) -> Facts:
    """`_figures` from result.json; empty if it has no confusion matrix."""
    recorded = read_confusion(subject.folder) if subject.folder.finished else None
    return {} if recorded is None else _figures(Classification(recorded[0]), recorded[1])
