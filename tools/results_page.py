"""The page docs/results.md, made from the figures that tools/reproduce.py measured."""

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Published networks, trained again

Made by `python tools/reproduce.py`; edit that, not this page. Accuracy is that on the test images when training ends:
the mean over the seeds ± their standard deviation (the lowest of them). A seed is a draw of the weights, the order and,
where the configuration draws them, the images. Time is that of training alone. The twin is the same network in PyTorch
(with one thread), from the same initial weights on the same minibatches, where it was trained. Seeds whose training
broke, with a loss that is not finite, are counted apart and are in no mean; docs/results.json has their messages.
"""
NOT_MEASURED = "not measured"


def page(published: Mapping[str, str], results: Mapping[str, Any]) -> str:
    """The whole page: a row for each published configuration, measured or not, and for every other measured one."""
    names = [*published, *(name for name in results if name not in published)]
    parts = [HEAD, _table(_FIGURES, (_figures(name, published.get(name, "none"), results.get(name)) for name in names))]
    watched = [name for name in names if any(run["validation"] for run in results.get(name, {"runs": []})["runs"])]
    if watched:
        parts += ["## Validation images, after each epoch (means over the seeds)\n"]
        parts += [_table(_EPOCHS, (_epochs(name, results[name]["runs"]) for name in watched))]
    measured = [name for name in names if name in results]
    parts += ["## How it was measured\n", _table(_CIRCUMSTANCES, (_circumstances(n, results[n]) for n in measured))]
    return "\n".join(parts)


_FIGURES = ("configuration", "published", "ours", "loss", "seeds", "seconds", "twin", "twin's loss", "twin's seconds")
_EPOCHS = ("configuration", "accuracy, %", "loss")
_CIRCUMSTANCES = ("configuration", "data", "machine", "versions", "date")


def _figures(name: str, published: str, row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [name, published, NOT_MEASURED, *[""] * (len(_FIGURES) - 3)]
    runs = row["runs"]
    if not runs:
        return [name, published, outcome(row), "", "0", *[""] * (len(_FIGURES) - 5)]
    twins = [run["twin"] for run in runs if "twin" in run]
    theirs = [accuracy(twins), _mean(twins, "loss", 4), _mean(twins, "seconds", 1)] if twins else [NOT_MEASURED, "", ""]
    return [name, published, outcome(row), _mean(runs, "loss", 4), str(len(runs)), _mean(runs, "seconds", 1), *theirs]


def outcome(row: Mapping[str, Any]) -> str:
    """The accuracy of the seeds that were trained, and how many broke."""
    parts = [accuracy(row["runs"])] if row["runs"] else []
    parts += [f"{len(row['broken'])} broke"] if row["broken"] else []
    return "; ".join(parts)


def accuracy(runs: Sequence[Mapping[str, Any]]) -> str:
    """Mean ± standard deviation (lowest) of the runs' accuracies, in per cent; a single one alone."""
    percents = [100 * run["accuracy"] for run in runs]
    if len(percents) == 1:
        return f"{percents[0]:.2f} %"
    return f"{statistics.mean(percents):.2f} ± {statistics.stdev(percents):.2f} % ({min(percents):.2f} %)"


def _mean(runs: Sequence[Mapping[str, Any]], key: str, digits: int) -> str:
    return f"{statistics.mean(run[key] for run in runs):.{digits}f}"


def _epochs(name: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The mean accuracies and the mean losses of the epochs, one after the other."""
    epochs = list(zip(*(run["validation"] for run in runs), strict=True))  # of each epoch, [accuracy, loss] of each run
    accuracies = [f"{100 * statistics.mean(accuracy for accuracy, _ in epoch):.2f}" for epoch in epochs]
    losses = [f"{statistics.mean(loss for _, loss in epoch):.4f}" for epoch in epochs]
    return [name, ", ".join(accuracies), ", ".join(losses)]


def _circumstances(name: str, row: Mapping[str, Any]) -> list[str]:
    return [name, *(row[key] for key in _CIRCUMSTANCES[1:])]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
