"""`gpucnn eval`: evaluate a trained network on test images."""

import argparse
import sys

import numpy as np

from gpucnn.cli.calibration import calibrate, coverage_table, reliability_table
from gpucnn.cli.device import choose_device
from gpucnn.cli.table import table
from gpucnn.config.build import TrainingData, build_loss, evaluation_loader, load_data
from gpucnn.config.schema import needs_files
from gpucnn.data import SOURCES, Dataset, load_source
from gpucnn.data.pipeline import as_probabilities
from gpucnn.errors import ConfigError
from gpucnn.explain import reliability
from gpucnn.metrics import Classification
from gpucnn.runs.classifier import check_finite
from gpucnn.runs.saved import SavedRun, open_run
from gpucnn.training import evaluate


def run(arguments: argparse.Namespace) -> None:
    """Print accuracy, loss, calibration and a line for each class."""
    saved = open_run(arguments.run_name)
    choose_device(None, saved.config)
    name, test = test_images(saved, arguments.data)
    loader = evaluation_loader(test, saved.normalizer(), saved.config.dtype)
    figures = evaluate(saved.network(), loader, build_loss(saved.config))
    check_finite(figures.loss, saved.folder.path)
    print(f"{saved.folder.path} on the {len(test):,} test images of {name}")
    print(f"accuracy {figures.accuracy:.2%}, loss {figures.loss:.4f}")
    print(f"interval of the accuracy (95 %): {figures.classification.interval}\n")
    print(per_class(figures.classification, test.class_names), end="\n\n")
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
    if anew:
        print(f"\n{reliability_table(measured)}\n\n{coverage_table(test.labels, probabilities)}")


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
    data = load_data(saved.config, saved.dataset)
    changed = saved.changes(data)
    if not changed:
        return data
    used, from_files = data.loaded.used, data.loaded.source.from_files
    validation = None if data.validation is None else saved.fitting(data.validation, used, from_files)
    train, test = (saved.fitting(part, used, from_files) for part in (data.train, data.test))
    print(f"the data have changed since the run was trained: {'; '.join(changed)}", file=sys.stderr)
    return data._replace(train=train, validation=validation, test=test)


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
