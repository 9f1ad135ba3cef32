"""Measure what weights and draws of rare classes bring, and how well pairs of digits are told apart; prints a table.

    python tools/tasks.py [NAME...] [--seeds N] [--data SET] [--folder DIR]

NAME is thinned (MNIST with 1 : 50 of two classes' training images left: as it is, weighted, drawn alike), or pairs (two
digits side by side, each a label; a picture counts where all its labels are right); without one, both. SET is mnist, or
digits, which gpucnn brings along. A seed stands for a draw of everything, the images that are left included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gpucnn.data import Dataset, Source, load_source

CONFIGS = Path(__file__).with_name("tasks")
RARE, LEFT = (3, 8), 50  # the thinned classes, and of how many images one is left
PAIRS = (60_000, 10_000)  # training and test images; a sixth of them of the digits that gpucnn brings along
BALANCED = "loss={name: cross_entropy, weight: balanced}"
VARIANTS: dict[str, dict[str, list[str]]] = {
    "thinned": {
        "plain": [],
        "loss.weight: balanced": [BALANCED],
        "train.sampler: balanced": ["train.sampler=balanced"],
    },
    "pairs": {"binary cross-entropy": []},
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train each variant with each seed, and print a row for it when its seeds are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="thinned or pairs (default: both)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (default: 3)")
    parser.add_argument("--data", default="mnist", help="mnist or digits (default: mnist)")
    parser.add_argument("--folder", type=Path, help="where archives and runs go (default: a temporary folder)")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(VARIANTS)
    if unknown or options.seeds < 1:
        parser.error(f"given {', '.join(unknown) or options.seeds}; expected {' or '.join(VARIANTS)}, and a seed")
    print("| task | variant | figure | mean of the seeds | each |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.names or VARIANTS:
            measure(name, options.seeds, load_source(options.data).source, options.folder or Path(temporary))


def measure(name: str, seeds: int, source: Source, folder: Path) -> None:
    """Print the rows of one task."""
    folder.mkdir(parents=True, exist_ok=True)
    make = {"thinned": thinned, "pairs": pairs}[name]
    for seed in range(seeds):
        arrays: dict[str, Any] = make(source, np.random.default_rng(seed))
        np.savez(folder / f"{name}-{seed}.npz", **arrays)
    for number, (variant, overrides) in enumerate(VARIANTS[name].items()):
        results = [
            train(name, folder / f"{name}-{seed}.npz", [*overrides, f"seed={seed}"], folder / f"{name}-{number}-{seed}")
            for seed in range(seeds)
        ]
        for figure, values in figures(name, results).items():
            each = ", ".join(f"{100 * value:.2f}" for value in values)
            print(f"| {name} | {variant} | {figure} | {100 * np.mean(values):.2f} % | {each} |", flush=True)


def thinned(source: Source, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The data set with one in `LEFT` of the training images of the classes `RARE`, at least two of each."""
    labels = source.train.labels
    kept = np.ones(len(labels), bool)
    for rare in RARE:
        images = rng.permutation(np.flatnonzero(labels == rare))
        kept[images[max(2, len(images) // LEFT) :]] = False
    train = source.train.take(np.flatnonzero(kept))
    return _arrays((train.images[:, 0], train.labels), (source.test.images[:, 0], source.test.labels))


def pairs(source: Source, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Pairs of images side by side (N, H, 2W), and whether each class is there (N, 10): test pairs of test images."""
    share = min(1.0, 6 * len(source.train) / PAIRS[0])
    parts = zip((source.train, source.test), PAIRS, strict=True)
    return _arrays(*(_paired(part, int(count * share), rng) for part, count in parts))


def _paired(part: Dataset, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    left, right = rng.integers(len(part), size=(2, count))
    there = np.zeros((count, len(part.class_names)), np.uint8)
    there[np.arange(count), part.labels[left]] = there[np.arange(count), part.labels[right]] = 1
    return np.concatenate([part.images[left, 0], part.images[right, 0]], axis=2), there


def _arrays(train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
    return {"x_train": train[0], "y_train": train[1], "x_test": test[0], "y_test": test[1]}


def train(name: str, archive: Path, overrides: list[str], run: Path) -> dict[str, Any]:
    """The result.json of one run, in a process of its own."""
    config = str(CONFIGS / f"{name}.yaml")
    command = [sys.executable, "-m", "gpucnn.cli", "train", config, f"data.path={archive}", *overrides]
    subprocess.run([*command, "--run-dir", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL)
    return json.loads((run / "result.json").read_text())


def figures(name: str, results: list[dict[str, Any]]) -> dict[str, list[float]]:
    """What is told of the runs of a variant."""
    if name == "pairs":
        return {"exact matches": [result["exact_match"] for result in results]}
    recalls = [[result["classes"][k]["recall"] for k in RARE] for result in results]
    return {
        "mean recall of the rare": [sum(each) / len(each) for each in recalls],
        "accuracy": [r["test_accuracy"] for r in results],
    }


if __name__ == "__main__":
    main()
