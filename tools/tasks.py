"""Measure what weights of rare classes, several labels and recipes bring, and write it into docs/results.md.

    python tools/tasks.py [NAME...] [--variants VARIANT...] [--seeds N] [--data SET] [--folder DIR]

NAME is thinned (MNIST with 1 : 50 of two classes' training images left: as it is, weighted, drawn alike), pairs (two
digits side by side, each a label; a picture counts where all its labels are right), or recipes (the configuration
lenet_fashion, with one thing changed at a time); without one, all. VARIANT is a row of theirs, such as "mixup 0.2";
without one, all. Rows that are not trained keep their figures. SET, of the first two, is mnist, or digits, which gpucnn
brings along; only mnist's figures are written. A seed stands for a draw of everything, the images that are left
included.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import reproduce
import results_page

import gpucnn
from gpucnn.data import Dataset, Source, load_source
from gpucnn.files import atomic_write
from gpucnn.threads import thread_count

Rows = dict[str, dict[str, list[float]]]  # of each variant, each figure's values, a seed each

CONFIGS = Path(__file__).with_name("tasks")
RARE, LEFT = (3, 8), 50  # the thinned classes, and of how many images one is left
PAIRS = (60_000, 10_000)  # training and test images; a sixth of them of the digits that gpucnn brings along
RECIPES = "recipes"
FLIPPED = "data.augment={crop: 2, flip: true}"
BALANCED = "loss={name: cross_entropy, weight: balanced}"
VARIANTS: dict[str, dict[str, list[str]]] = {
    "thinned": {
        "plain": [],
        "loss.weight: balanced": [BALANCED],
        "train.sampler: balanced": ["train.sampler=balanced"],
    },
    "pairs": {"binary cross-entropy": []},
    RECIPES: {
        "as it is": [],
        "label smoothing 0.1": ["loss.label_smoothing=0.1"],
        "crop 2, flip": [FLIPPED],
        "crop 2, flip, erase 0.25": ["data.augment={crop: 2, flip: true, erase: 0.25}"],
        "crop 2, flip, cutout 8": ["data.augment={crop: 2, flip: true, cutout: 8}"],
        "elastic 20": ["data.augment={elastic: 20}"],
        "brightness, contrast 0.2": ["data.augment={brightness: 0.2, contrast: 0.2}"],
        "mixup 0.2": ["data.augment={mixup: 0.2}"],
        "cutmix 1": ["data.augment={cutmix: 1.0}"],
        "ema 0.999": ["train.average={name: ema}"],
        "swa, constant rate 0.02": ["train.average={name: swa}", "schedule={name: constant}", "optimizer.lr=0.02"],
        "adam 0.002": ["optimizer={name: adam, lr: 0.002}"],
        "rmsprop 0.001": ["optimizer={name: rmsprop, lr: 0.001}"],
        "muon 0.02": ["optimizer={name: muon, lr: 0.02}"],
        "accumulate 2": ["train.accumulate=2"],
    },
}


def main(arguments: Sequence[str] | None = None, docs: Path = reproduce.DOCS) -> None:
    """Train each variant with each seed, and print a row for it when its seeds are done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="thinned, pairs or recipes (default: all)")
    parser.add_argument("--variants", nargs="+", metavar="VARIANT", help="rows of these tables (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (default: 3)")
    parser.add_argument("--data", default="mnist", help="mnist or digits (default: mnist)")
    parser.add_argument("--folder", type=Path, help="where archives and runs go (default: a temporary folder)")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(VARIANTS)
    if unknown or options.seeds < 1:
        parser.error(f"given {', '.join(unknown) or options.seeds}; expected {' or '.join(VARIANTS)}, and a seed")
    names = options.names or list(VARIANTS)
    there = [variant for name in names for variant in VARIANTS[name]]
    variants = options.variants or there
    if missing := [variant for variant in variants if variant not in there]:
        parser.error(f"{', '.join(names)}: no row {', '.join(missing)}; there are {', '.join(there)}")
    print("| task | variant | figure | mean of the seeds | each |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            folder = options.folder or Path(temporary)
            for variant, found in measure(name, variants, options.seeds, options.data, folder):
                if name == RECIPES or options.data == "mnist":
                    keep(docs, name, {variant: found})  # now: all of them take an hour


def measure(
    name: str, variants: Sequence[str], seeds: int, data: str, folder: Path
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Those of the variants that one task has, each with its figures, printed as they come."""
    folder.mkdir(parents=True, exist_ok=True)
    given = [[] if name == RECIPES else [f"data.path={archive(name, data, seed, folder)}"] for seed in range(seeds)]
    for number, (variant, overrides) in enumerate(VARIANTS[name].items()):
        if variant not in variants:
            continue
        runs = [folder / f"{name}-{number}-{seed}" for seed in range(seeds)]
        for seed, run in enumerate(runs):
            train(name, [*given[seed], *overrides, f"seed={seed}"], run)
        found = figures(name, runs)
        for figure, values in found.items():
            each = ", ".join(f"{100 * value:.2f}" for value in values)
            print(f"| {name} | {variant} | {figure} | {100 * np.mean(values):.2f} % | {each} |", flush=True)
        yield variant, found


def keep(docs: Path, name: str, rows: Rows) -> None:
    """Write the figures of some variants of one task beside those that are known, and the page.

    Machine, version and date are those of the last ones.
    """
    path = docs / results_page.TASKS
    known = json.loads(path.read_text()) if path.exists() else {}
    all_rows = known.get(name, {}).get("rows", {}) | rows
    threads = thread_count()
    known[name] = {
        "rows": {variant: all_rows.get(variant, {}) for variant in VARIANTS[name]},
        "machine": f"{results_page.processor()}, {threads} thread{'s' * (threads > 1)}",
        "version": f"gpucnn {gpucnn.__version__}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    atomic_write(path, (json.dumps(known, indent=1) + "\n").encode())
    reproduce.write_results(docs, reproduce.read_results(docs))


def archive(name: str, data: str, seed: int, folder: Path) -> Path:
    """The file of a seed's images."""
    make = {"thinned": thinned, "pairs": pairs}[name]
    arrays: dict[str, Any] = make(load_source(data).source, np.random.default_rng(seed))
    path = folder / f"{name}-{seed}.npz"
    np.savez(path, **arrays)
    return path


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


def train(name: str, overrides: list[str], run: Path) -> None:
    """One run, in a process of its own."""
    config = "lenet_fashion" if name == RECIPES else str(CONFIGS / f"{name}.yaml")
    command = [sys.executable, "-m", "gpucnn.cli", "train", config, *overrides, "report=false"]
    subprocess.run([*command, "--run-dir", str(run), "--quiet"], check=True, stdout=subprocess.DEVNULL)


def figures(name: str, runs: list[Path]) -> dict[str, list[float]]:
    """What is told of the runs of a variant."""
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    if name == "pairs":
        return {"exact matches": [result["exact_match"] for result in results]}
    accuracies = [result["test_accuracy"] for result in results]
    if name == RECIPES:
        return {"accuracy": accuracies, "accuracy, --tta flip": [flipped(run) for run in runs]}
    recalls = [[result["classes"][k]["recall"] for k in RARE] for result in results]
    return {"mean recall of the rare": [sum(each) / len(each) for each in recalls], "accuracy": accuracies}


def flipped(run: Path) -> float:
    """The accuracy of a run's network over each test image and its mirror image."""
    test = load_source("fashion_mnist").source.test
    answers = gpucnn.load(run).predict_proba(test.images[:, 0], tta="flip").argmax(axis=1)
    return float((answers == test.labels).mean())


if __name__ == "__main__":
    main()
