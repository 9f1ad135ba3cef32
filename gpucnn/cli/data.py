"""`gpucnn data`: list the data sets, or download one."""

import argparse

from gpucnn.cli.table import table
from gpucnn.config.faults import did_you_mean
from gpucnn.config.schema import needs_files
from gpucnn.data import SOURCES, mnist
from gpucnn.data.download import data_folder
from gpucnn.errors import ConfigError


def list_sets(arguments: argparse.Namespace) -> None:
    """Print the data sets, where they are and what they contain."""
    rows = [(name, state(name), _what(name)) for name in SOURCES]
    print(table(("name", "where", "what"), rows, left=3))
    print(f"\ndata folder: {data_folder()} (GPUCNN_DATA_DIR sets it)")


def fetch(arguments: argparse.Namespace) -> None:
    """Download what is missing of a data set. Raises InputError if it cannot be downloaded."""
    name = arguments.name
    if name not in mnist.FILES:
        known = did_you_mean(name, mnist.FILES)
        why = f"{state(name)}; nothing is fetched" if name in SOURCES else known
        raise ConfigError(f"data fetch {name}: {why}")
    print(f"{name} is in {mnist.download(name)}")


def state(name: str) -> str:
    """Where a data set is or comes from."""
    if name in mnist.FILES:
        return "not here yet" if mnist.missing(name) else "in the data folder"
    return "your own files" if needs_files(name) else "comes with gpucnn"


def _what(name: str) -> str:
    """The first sentence of the loader's documentation."""
    first = (SOURCES[name].__doc__ or "").strip().partition("\n")[0]
    return first.partition(". ")[0].rstrip(".")
