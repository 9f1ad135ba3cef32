"""`gpucnn report`: write a page on a run, or one that compares several."""

import argparse
import sys
from pathlib import Path

from gpucnn.cli.device import choose_device
from gpucnn.cli.evaluate import own_data
from gpucnn.config.resolve import differing, resolve
from gpucnn.data import Dataset
from gpucnn.errors import InputError
from gpucnn.report import COMPARISON, Subject, write_comparison, write_report
from gpucnn.runs.saved import SavedRun, open_run


def run(arguments: argparse.Namespace) -> None:
    """Write the page, and print where it is."""
    out = None if arguments.out is None else checked_target(arguments.out)
    saved = [open_run(name) for name in arguments.runs]
    choose_device(None, saved[0].config)
    if len(saved) == 1:
        print_report(with_test_images(saved[0]), out)
        return
    subjects = [subject_of(each) for each in saved]
    page = write_comparison(subjects, differing([each.config for each in saved]), out or Path(COMPARISON))
    print(f"comparison: {page}")


def print_report(subject: Subject, page: Path | None = None, quiet: bool = False) -> None:
    """Write a run's page and pictures, and print where the page is unless `quiet`."""
    written = write_report(subject, page)
    if not quiet:
        print(f"report: {written}")


def with_test_images(saved: SavedRun) -> Subject:
    """A run with its test images; without them, after a line that says why, if they are unavailable."""
    try:
        data = own_data(saved)
    except (InputError, OSError) as error:
        print(f"the report has no test images: {error}", file=sys.stderr)
        return subject_of(saved)
    return subject_of(saved, data.test, data.train)


def subject_of(saved: SavedRun, test: Dataset | None = None, train: Dataset | None = None) -> Subject:
    """The subject of a report on a saved run."""
    return Subject(
        saved.folder,
        resolve(saved.config),
        saved.network(),
        saved.normalizer(),
        saved.image_shape,
        saved.class_names,
        saved.dataset,
        test,
        saved.loss(),
        train,
        1.0 if saved.kept is None else saved.kept.temperature,
    )


def checked_target(path: str) -> Path:
    """The path of the page. Raises InputError, before any work, unless it is HTML in an existing folder."""
    target = Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {target}: the page is HTML; give a name that ends in .html")
    if not target.parent.is_dir():
        raise InputError(f"--out {target}: there is no folder {target.parent}; make it, or give another")
    return target
