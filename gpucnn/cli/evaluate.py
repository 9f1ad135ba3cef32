"""`gpucnn eval`: evaluate a trained network on test images."""

import argparse
import sys

import numpy as np

from gpucnn.cli.calibration import calibrate, check_calibrated, coverage_table, reliability_table
from gpucnn.cli.device import choose_device
from gpucnn.cli.table import table
from gpucnn.config.build import TrainingData, evaluation_loader, load_data
from gpucnn.config.schema import needs_files
from gpucnn.data import SOURCES, Dataset, load_source
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import ConfigError
from gpucnn.explain import reliability
from gpucnn.metrics import Classification, classify
from gpucnn.runs.classifier import check_finite
from gpucnn.runs.folder import PIPELINE
from gpucnn.runs.saved import SavedRun, open_run
from gpucnn.training import Evaluation, evaluate
from gpucnn.training.evaluation import Scores
from gpucnn.training.map_scores import PictureScores, PixelScores
from gpucnn.training.scores import NumberScores


def run(arguments: argparse.Namespace) -> None:
    """Print accuracy, loss, calibration and a line for each class."""
    saved = open_run(arguments.run_name)
    if arguments.tta and arguments.calibrate:
        raise ConfigError("--calibrate finds the temperature of single answers, not of means over views (--tta)")
    if arguments.calibrate:
        check_calibrated(saved)
    choose_device(None, saved.config)
    name, test = test_images(saved, arguments.data)
    figures = _averaged(saved, test, arguments.tta) if arguments.tta else _evaluated(saved, test)
    check_finite(figures.loss, saved.folder.path)
    print(f"{saved.folder.path} on the {len(test):,} test images of {name}")
    if figures.scores is not None:
        print(f"loss {figures.loss:.4f}\n\n{of_scores(figures.scores, test.class_names)}")
        return
    print(f"accuracy {figures.accuracy:.2%}, loss {figures.loss:.4f}")
    print(f"interval of the accuracy (95 %): {figures.classification.interval}\n")
    print(per_class(figures.classification, test.class_names))
    if not arguments.tta:
        print()
        _print_calibration(saved, test, figures.probabilities, arguments.calibrate)


def _print_calibration(saved: SavedRun, test: Dataset, plain: np.ndarray, anew: bool) -> None:
    """How far the probabilities are to be believed; `plain` (N, C) are those of temperature 1.

    anew: find the temperature first, and print tables too.
    """
    pipeline = calibrate(saved, own_data(saved)) if anew else saved.pipeline
    probabilities = as_probabilities(plain, "probabilities", pipeline.temperature)
    measured, before = reliability(test.labels, probabilities), reliability(test.labels, plain)
    without = f" (without it {before.error:.2%})" if pipeline.temperature != 1 else ""
    print(f"expected calibration error {measured.error:.2%}, temperature {pipeline.temperature:.4g}{without}")
    if anew and measured.error > before.error:
        print(
            f"calibration did not help: the error on the test images rose from {before.error:.2%} to "
            f"{measured.error:.2%}; to undo it, set temperature to 1 in {saved.folder.path / PIPELINE}"
        )
    if anew:
        print(f"\n{reliability_table(measured)}\n\n{coverage_table(test.labels, probabilities)}")


def _evaluated(saved: SavedRun, test: Dataset) -> Evaluation:
    loader = evaluation_loader(test, saved.normalizer(), saved.config.dtype)
    return evaluate(saved.network(), loader, saved.loss())


def _averaged(saved: SavedRun, test: Dataset, tta: str) -> Evaluation:
    """The figures of probabilities averaged over views; the loss is the cross-entropy of these means.

    Raises ConfigError where labels are no classes.
    """
    if saved.pipeline.outputs in ("label_logits", "numbers", "pixel_logits", "pictures"):
        raise ConfigError("--tta: its figures are those of classes, and the labels of this run are none")
    probabilities = saved.classifier().probabilities(test.images, tta)
    right = probabilities[np.arange(len(test)), test.labels]
    loss = float(-np.log(np.maximum(right, np.finfo(right.dtype).tiny)).mean())
    figures = classify(test.labels, probabilities.argmax(axis=1), probabilities.shape[1])
    return Evaluation(loss, figures.accuracy, figures, probabilities)


def test_images(saved: SavedRun, name: str | None) -> tuple[str, Dataset]:
    """The test images of the run, or those of the data set `name`, and what they are of.

    Prints a line if they are not what they were when the run was trained, or their ground is not that of the training
    images. Raises InputError for a data set that has other images or classes than the network.
    """
    if name is None or name == saved.config.data.name:
        return saved.dataset, own_data(saved).test
    if name in SOURCES and needs_files(name):
        raise ConfigError(f"--data {name}: it needs options, which only a configuration can give; train on it instead")
    test = saved.fitting(load_source(name).source.test, name)
    opposed = int(saved.pipeline.opposed(test.images).sum())
    if 2 * opposed > len(test):
        print(f"{name}: {saved.classifier().about_grounds(opposed, len(test))}", file=sys.stderr)
    return name, test


def own_data(saved: SavedRun) -> TrainingData:
    """The run's own data; a line tells what has changed there. Raises InputError, OSError."""
    data = load_data(saved.config, saved.dataset, saved.normalizer())
    changed = saved.changes(data)
    if not changed:
        return data
    used, from_files = data.loaded.used, data.loaded.source.from_files
    validation = None if data.validation is None else saved.fitting(data.validation, used, from_files)
    train, test = (saved.fitting(part, used, from_files) for part in (data.train, data.test))
    print(f"the data have changed since the run was trained: {'; '.join(changed)}", file=sys.stderr)
    return data._replace(train=train, validation=validation, test=test)


def of_scores(scores: Scores, names: tuple[str, ...]) -> str:
    """The figures of each label, and how many images have all of theirs right; or those of each number.

    Of a class per pixel those of each class; of pictures those of all.
    """
    if isinstance(scores, PictureScores):
        return f"PSNR {scores.score:.2f} dB, mean absolute error {scores.absolute / scores.numbers:.4f} of white"
    if isinstance(scores, PixelScores):
        return _of_pixels(scores, names)
    if isinstance(scores, NumberScores):
        figures = (scores.mae, scores.rmse, scores.r2)
        rows = [(name, *(f"{each:.4f}" for each in row)) for name, *row in zip(names, *figures, strict=True)]
        return table(("output", "MAE", "RMSE", "R2"), rows)
    columns = (scores.thresholds, scores.precision, scores.recall, scores.f1)
    rows = [
        (name, *(f"{each:.4f}" for each in row), f"{count:,}")
        for name, count, *row in zip(names, scores.support, *columns, strict=True)
    ]
    means = (("macro mean", scores.macro), ("weighted mean", scores.weighted))
    rows += [(name, "", *(f"{each:.4f}" for each in vars(mean).values()), "") for name, mean in means]
    listed = table(("label", "threshold", "precision", "recall", "F1", "images"), rows)
    return f"all labels right {scores.score:.2%} ({scores.exact:,} of {scores.images:,})\n\n{listed}"


def _of_pixels(scores: PixelScores, names: tuple[str, ...]) -> str:
    figures = scores.as_dict(names)
    keys = ("iou", "dice", "precision", "recall")
    rows = [
        (each["name"], *(f"{each[key]:.4f}" for key in keys), f"{each['support']:,}") for each in figures["classes"]
    ]
    listed = table(("class", "IoU", "Dice", "precision", "recall", "pixels"), rows)
    means = f"mean IoU {figures['mean_iou']:.4f}, mean Dice {figures['mean_dice']:.4f}"
    return f"{means}, pixels right {figures['pixel_accuracy']:.2%}\n\n{listed}"


def per_class(figures: Classification, names: tuple[str, ...]) -> str:
    """Precision, recall, F1 and number of images of each class, and their means."""
    rows = [
        (name, f"{precision:.4f}", f"{recall:.4f}", f"{f1:.4f}", f"{count:,}")
        for name, precision, recall, f1, count in zip(
            names, figures.precision, figures.recall, figures.f1, figures.support, strict=True
        )
    ]
    total = f"{figures.support.sum():,}"
    for name, mean in (("macro mean", figures.macro), ("weighted mean", figures.weighted)):
        rows.append((name, f"{mean.precision:.4f}", f"{mean.recall:.4f}", f"{mean.f1:.4f}", total))
    return table(("class", "precision", "recall", "F1", "images"), rows)
