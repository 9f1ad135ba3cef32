"""The page docs/results.md, made from the figures that tools/reproduce.py measured."""

import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HEAD = """# Published networks, trained again

Made by `python tools/reproduce.py`; edit that, not this page. Accuracy is that on the test images when training ends:
the mean over the seeds ± their standard deviation (the lowest of them). A seed is a draw of the weights, the order and,
where the configuration draws them, the images. Times are medians over the seeds: of training alone, of one epoch of it,
and of the whole process, from its start to its result. The twin is the same network in PyTorch (with one thread), from
the same initial weights on the same minibatches, where it was trained. Seeds whose training broke, with a loss that is
not finite, are counted apart and are in no mean; docs/results.json has their messages, and every epoch's figures.
Rows with a set of the CPU's kernels show that the accuracy is that of every set; their times are those of one thread,
on a machine that was busy.
"""
NOT_MEASURED = "not measured"
TASKS = "tasks.json"  # the figures that tools/tasks.py measured, beside the page
WITH = " with "  # in the name of a row, before what it differs in from the row before it
SHOWN_EPOCHS = (1, 2, 3, 4, 5, 9, 10, 20, 26, 30)  # those that something was published of, and some between


def page(published: Mapping[str, str], results: Mapping[str, Any], tasks: Mapping[str, Any]) -> str:
    """The whole page: a row for each published figure, measured or not, and for every other that was measured."""
    names = [*published, *(name for name in results if name not in published)]
    parts = [
        HEAD,
        table(
            _FIGURES, (_figures(name, published.get(name.split(WITH)[0], "none"), results.get(name)) for name in names)
        ),
    ]
    watched = [name for name in names if any(run["validation"] for run in results.get(name, {"runs": []})["runs"])]
    if watched:
        parts += ["## Validation images, after so many epochs (means over the seeds)\n"]
        parts += [table(_EPOCHS, (cells for name in watched for cells in _epochs(name, results[name]["runs"])))]
    measured = [name for name in names if name in results]
    parts += ["## How it was measured\n", table(_CIRCUMSTANCES, (_circumstances(n, results[n]) for n in measured))]
    return "\n".join(parts + [part for name in tasks for part in _task(name, tasks[name])])


_TITLES = {
    "thinned": "Rare classes: MNIST with 1 : 50 of the training images of two classes",
    "pairs": "Several labels: two digits side by side",
    "recipes": "What a recipe brings: lenet_fashion with one thing changed",
}


def _task(name: str, task: Mapping[str, Any]) -> list[str]:
    """A section of tools/tasks.py's figures: a row for each variant and figure, those of each seed behind the mean."""
    rows = [
        [variant, figure, f"{100 * statistics.mean(values):.2f} %", ", ".join(f"{100 * v:.2f}" for v in values)]
        for variant, figures in task["rows"].items()
        for figure, values in figures.items()
    ]
    rows += [[variant, "", NOT_MEASURED, ""] for variant, figures in task["rows"].items() if not figures]
    made = f"`python tools/tasks.py {name}`; {task['machine']}; {task['version']}; {task['date']}.\n"
    return [f"## {_TITLES[name]}\n", made, table(("", "figure", "mean of the seeds", "each"), rows)]


_FIGURES = (
    *("configuration", "published", "ours", "loss", "seeds"),
    *("training, s", "an epoch, s", "start to result, s"),
    *("twin", "twin's loss", "twin's training, s"),
)
_EPOCHS = ("configuration", "", *map(str, SHOWN_EPOCHS))
_CIRCUMSTANCES = ("configuration", "command", "data", "machine", "versions", "date")


def _figures(name: str, published: str, row: Mapping[str, Any] | None) -> list[str]:
    if row is None:
        return [name, published, NOT_MEASURED, *[""] * (len(_FIGURES) - 3)]
    runs = row["runs"]
    if not runs:
        return [name, published, outcome(row), "", "0", *[""] * (len(_FIGURES) - 5)]
    epoch = statistics.median(run["seconds"] / run["epochs"] for run in runs)
    ours = [outcome(row), _mean_loss(runs), str(len(runs)), _time(runs, "seconds"), f"{epoch:.2f}"]
    twins = [run["twin"] for run in runs if "twin" in run]
    theirs = [accuracy(twins), _mean_loss(twins), _time(twins, "seconds")] if twins else [NOT_MEASURED, "", ""]
    return [name, published, *ours, _time(runs, "whole_seconds"), *theirs]


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


def _mean_loss(runs: Sequence[Mapping[str, Any]]) -> str:
    return f"{statistics.mean(run['loss'] for run in runs):.4f}"


def _time(runs: Sequence[Mapping[str, Any]], key: str) -> str:
    return f"{statistics.median(run[key] for run in runs):.2f}"


def _epochs(name: str, runs: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """A line of mean accuracies after the shown epochs, and one of mean losses; nothing after the last epoch."""
    epochs = list(zip(*(run["validation"] for run in runs), strict=True))  # of each epoch, [accuracy, loss] of each run
    accuracies = [f"{100 * statistics.mean(accuracy for accuracy, _ in epoch):.2f}" for epoch in epochs]
    losses = [f"{statistics.mean(loss for _, loss in epoch):.4f}" for epoch in epochs]
    return [[name, "accuracy, %", *_shown(accuracies)], ["", "loss", *_shown(losses)]]


def _shown(figures: Sequence[str]) -> list[str]:
    return [figures[epoch - 1] if epoch <= len(figures) else "" for epoch in SHOWN_EPOCHS]


def _circumstances(name: str, row: Mapping[str, Any]) -> list[str]:
    return [name, f"`{row['command']}`", *(row[key] for key in _CIRCUMSTANCES[2:])]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
