"""`gpucnn train` with `train.folds`: a run for each fold, in a folder that holds them all, and one page over them."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.cli.device import choose_device
from gpucnn.cli.sweep import carry_out, on_this_machine
from gpucnn.config.build import load_data
from gpucnn.config.check import load_options
from gpucnn.config.resolve import differences, to_yaml
from gpucnn.config.schema import Config
from gpucnn.errors import ConfigError, InputError
from gpucnn.files import atomic_write
from gpucnn.parallel import Communicator
from gpucnn.runs import new_run_path
from gpucnn.sweep import Plan, Sweep
from gpucnn.sweep.folder import CONFIG
from gpucnn.sweep.grid import FOLD

FOLDS = "folds.json"
OF_EPOCHS = ("validation_accuracy", "validation_loss", "validation_score")
OF_RESULTS = ("test_accuracy", "test_loss", "exact_match", "mean_iou", "psnr")


def run(arguments: argparse.Namespace, config: Config, communicator: Communicator) -> int:
    """Train every fold, those at a time that there are cores; then write the page and folds.json."""
    if communicator.size > 1:
        raise InputError(
            "train.folds trains in processes of its own; give train.fold=N too, or start it without mpirun"
        )
    if arguments.until is not None:
        raise InputError("--until stops one run, and train.folds makes several; leave one of them out")
    choose_device(arguments.device, config)
    load_data(config)  # fails, or downloads, once instead of in every fold
    sweep = _opened(Path(arguments.resume), config) if arguments.resume else _created(arguments, config)
    again = ["gpucnn", "train", arguments.config, *arguments.overrides, "--resume", str(sweep.path)]
    status = carry_out(arguments, sweep, config, on_this_machine(arguments), again)
    if status == 0:
        values = json.dumps(summary(sweep), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        atomic_write(sweep.path / FOLDS, values.encode())
    return status


def summary(sweep: Sweep) -> dict[str, Any]:
    """The figures of each fold, of the epoch whose weights it ends with; their means and standard deviations.

    The latter are over the folds that have the figure, None for one that fewer than two have.
    """
    rows: list[dict[str, Any]] = []
    for member in sweep.members:
        folder, record = sweep.folder(member), sweep.record(member)
        result = folder.result() if folder.finished else {}
        figures = {name: getattr(record, name, None) for name in OF_EPOCHS} | {n: result.get(n) for n in OF_RESULTS}
        rows.append({"fold": int(member.values[FOLD]), "run": member.name, "fault": member.fault, **figures})
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in (*OF_EPOCHS, *OF_RESULTS)}
    return {
        "folds": rows,
        "mean": {name: float(np.mean(each)) if each else None for name, each in columns.items()},
        "deviation": {name: float(np.std(each, ddof=1)) if len(each) > 1 else None for name, each in columns.items()},
    }


def _created(arguments: argparse.Namespace, config: Config) -> Sweep:
    path = Path(arguments.run_dir) if arguments.run_dir else new_run_path(config.name)
    plan = Plan((f"{FOLD}=1..{config.train.folds}",), name=config.name, epochs=config.train.epochs)
    return Sweep.create(path, to_yaml(config), plan)


def _opened(path: Path, config: Config) -> Sweep:
    """The folds to go on with. Raises ConfigError if they have another configuration."""
    sweep = Sweep.open(path)
    different = differences(load_options(str(path / CONFIG)).config, config)
    if different:
        listed = "\n  ".join(different)
        raise ConfigError(f"--resume {path}: the configuration is not that of its folds; they differ in\n  {listed}")
    return sweep
