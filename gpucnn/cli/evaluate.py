"""`gpucnn eval`: evaluate a trained network on test images."""

import argparse

from gpucnn.cli.device import choose_device
from gpucnn.cli.table import by, table
from gpucnn.config.build import build_loss, evaluation_loader, load_data
from gpucnn.config.schema import needs_files
from gpucnn.data import SOURCES, Dataset, load_source
from gpucnn.errors import ConfigError, ShapeError
from gpucnn.metrics import Classification
from gpucnn.runs.saved import SavedRun, open_run
from gpucnn.training import evaluate


def run(arguments: argparse.Namespace) -> None:
    """Print accuracy, loss and a line for each class."""
    saved = open_run(arguments.run_name)
    choose_device(None, saved.config)
    name, test = test_images(saved, arguments.data)
    loader = evaluation_loader(test, saved.normalizer(), saved.config.dtype)
    figures = evaluate(saved.network(), loader, build_loss(saved.config))
    saved.check_finite(figures.loss)
    print(f"{saved.folder.path} on the {len(test):,} test images of {name}")
    print(f"accuracy {figures.accuracy:.2%}, loss {figures.loss:.4f}\n")
    print(per_class(figures.classification, test.class_names))


def test_images(saved: SavedRun, name: str | None) -> tuple[str, Dataset]:
    """The test images of the run, or those of the data set `name`, and what they are of.

    Raises InputError for a data set that has other images than the network takes.
    """
    if name is None or name == saved.config.data.name:
        data = load_data(saved.config)
        return data.loaded.used, _fitting(data.test, saved, data.loaded.used)
    if name in SOURCES and needs_files(name):
        raise ConfigError(f"--data {name}: it needs options, which only a configuration can give; train on it instead")
    return name, _fitting(load_source(name).source.test, saved, name)


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


def _fitting(test: Dataset, saved: SavedRun, name: str) -> Dataset:
    if test.image_shape != saved.image_shape:
        raise ShapeError(
            f"the images of {name} are {by(test.image_shape)}, and the network was trained on "
            f"{by(saved.image_shape)}; give a data set of that shape"
        )
    if len(test.class_names) != len(saved.class_names):
        raise ShapeError(
            f"{name} has {len(test.class_names)} classes, and the network distinguishes {len(saved.class_names)}; "
            "give a data set with as many"
        )
    return test
