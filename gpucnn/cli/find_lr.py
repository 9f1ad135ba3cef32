"""`gpucnn train --find-lr`: the learning rate range test of a configuration."""

import argparse
import math
from pathlib import Path

from gpucnn.cli.table import table
from gpucnn.config.build import TrainingData, build_loaders
from gpucnn.config.schema import Config
from gpucnn.errors import TrainingError
from gpucnn.files import atomic_write
from gpucnn.report.range_curve import plot_range
from gpucnn.runs.folder import RUNS
from gpucnn.training import Trainer
from gpucnn.training.range_test import HIGHEST, LOWEST, UPDATES, RangeTest, find_lr

PICTURE = "find_lr.png"
BAR = 40  # characters of the longest bar


def find(arguments: argparse.Namespace, config: Config, trainer: Trainer, data: TrainingData) -> int:
    """Test rates from the initial weights, draw the losses, and name a rate; there is no run afterwards.

    The picture lies in DIR of --run-dir, or in runs/NAME. Raises TrainingError where even the first loss is not finite.
    """
    rank = trainer.rank
    if not (arguments.quiet or rank):
        print(f"up to {UPDATES} updates, at rates from {LOWEST:g} to {HIGHEST:g} ...", flush=True)
    found = find_lr(trainer, build_loaders(config, data).train)
    if not found.means:
        raise TrainingError("the first loss of the network is not finite; check the data and the initial weights")
    if rank:
        return 0  # rank 0 prints and draws
    folder = Path(arguments.run_dir) if arguments.run_dir else RUNS / config.name
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(folder / PICTURE, plot_range(found).png())
    if not arguments.quiet:
        print(_as_table(found), end="\n\n")
    ended = ", where the loss diverged" if found.diverged else ""
    print(f"{len(found.rates)} updates took {found.seconds:.1f} s, up to a rate of {found.rates[-1]:.2g}{ended}")
    print(f"curve: {folder / PICTURE}")
    if found.suggestion is None:
        print("no rate is named: the loss did not fall at any. Check the network and the loss")
    else:
        print(f"learning rate to begin with: {found.suggestion:.2g} (optimizer.lr={found.suggestion:.2g})")
    return 0


def _as_table(found: RangeTest) -> str:
    """The running mean at rates a third of a power of ten apart, with bars."""
    lines, most, last = [], max(found.means), None
    for rate, mean in zip(found.rates, found.means, strict=True):
        if (third := math.floor(3 * math.log10(rate) + 1e-9)) != last:
            lines.append((f"{rate:.1e}", f"{mean:.4f}", "#" * max(1, round(BAR * mean / most))))
            last = third
    return table(("rate", "loss", ""), lines, left=3)
