"""Train the published networks over several seeds, and write docs/results.md: published figures beside ours.

    python tools/reproduce.py [NAME...] [--seeds N] [--twins] [--kernels SET]

NAME is a row of the page, or any other configuration, shipped or a file; without one, every row. A seed stands for a
draw of everything: weights, order, and the images where the configuration draws them. Each is a `gpucnn train` of its
own, as a reader would start it. Only the rows that are trained change: docs/results.json keeps the figures that the
page is made from. It says first how long it will take. With --kernels the CPU computes with that set (numpy, plain,
avx2, ...), in rows of their own. With --twins each network is trained a second time, in PyTorch
(tools/twins.py), from the same weights on the same minibatches: a difference means a fault.

The data comes from GPUCNN_DATA_DIR, or is downloaded.
"""

import argparse
import datetime
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import results_page

import gpucnn
from gpucnn.config.build import build_loaders, build_network, counted, load_data
from gpucnn.config.check import load_config
from gpucnn.errors import InputError, TrainingError
from gpucnn.files import atomic_write
from gpucnn.generators import manual_seed
from gpucnn.kernels.dispatch import choose, requested
from gpucnn.report.history import read_epochs
from gpucnn.runs.folder import ENVIRONMENT, RunFolder
from gpucnn.threads import usable_cores

DOCS = Path(__file__).parents[1] / "docs"
TWIN_SHARE = 1.0  # of our own time, for the estimate
WITH_KERNELS = results_page.WITH + "{} kernels"
STOPPED = "training stopped: "  # what `gpucnn train` says before a loss that is not finite


class Row(NamedTuple):
    """What is trained, what that is measured against, how many seeds, and how long one takes, about."""

    published: str = "none"
    seeds: int = 1
    seconds: float | None = None  # from start to result, one seed on two slow cores, for the estimate
    config: str = ""  # where it is not that of the row's name
    overrides: tuple[str, ...] = ()


ROWS = {
    "lenet_published": Row("98.1 % after 5 epochs, 98.6 to 99.0 % in epochs 26 to 30", 3, 42),
    "lenet_best": Row("98.6 to 99.0 %", 3, 50),
    "scala_cnn": Row("92 %, up to an hour", 3, 5),
    "scala_cnn_best": Row("92 %, up to an hour", 3, 20),
    "fashion_mlp": Row("87.40 %, loss 0.3514, 4.3 s an epoch", 5, 5),
    "fashion_mlp_official": Row("as fashion_mlp, on another split", 5, 5, "fashion_mlp", ("data.split=null",)),
    "lenet_fashion": Row(seeds=3, seconds=20),
    "best_fashion": Row("93.4 % with some 500,000 parameters, 95.4 % with 768,000", 3, 1300),
    "small_fashion": Row("92.5 % with fewer than 100,000 parameters", 3, 850),
    "fashion_mlp_60000": Row(
        "4.3 s an epoch",
        3,
        3,
        "fashion_mlp",
        ("data={name: synthetic, train: 60000, test: 10000, validation: test, normalize: mean_image}",),
    ),
    "renom": Row("validation loss 0.2918 after 1 epoch, 0.1192 after 10", 1, 400),
    "renom_by_label": Row("as renom, whose split may have been this one", 1, 400, "renom", ("data.split.order=label",)),
    "renom_best": Row("validation loss 0.1192", 3, 400),
    "three_digits": Row("70 % of 30 images, 41 s", 10, 2),
    "three_digits_best": Row("70 % of 30 images, 41 s", 10, 2),
    "ten_digits": Row(
        "about 10 %",
        3,
        4,
        "three_digits_best",
        (
            "data={name: mnist, normalize: unit}",
            "model.8.linear.out_features=10",
            "train={epochs: 6, batch_size: 50}",
        ),
    ),
    "lenet5_1998": Row("99.05 %", 3, 24),
    "mlp": Row("twice LeNet's errors", 3, 5),
    "separable": Row(seeds=3, seconds=26),
    "lenet_bn": Row(seeds=3, seconds=12),
    "fast99": Row("99 % after 0.76 s of training, on a laptop's GPU", 10, 2),
    "best_mnist": Row("99.641 %, mean of single networks of this kind", 3, 600),
    "tiny_mnist": Row("99.1 % with 1,936 parameters", 3, 550),
}


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> None:
    """Train what is named, and write the figures and the page into `folder` after each row."""
    options = _options(arguments)
    try:
        choose(options.kernels or requested())
        with_set = WITH_KERNELS.format(options.kernels) if options.kernels else ""
        rows = {_name(given) + with_set: _row(given, options.seeds) for given in options.names or ROWS}
        print(f"{len(rows)} configurations; {estimate(rows, options.twins)}", flush=True)
        for name, row in rows.items():
            measured = measure(name, row, options.twins, options.kernels)
            write_results(folder, read_results(folder) | {name: measured})
            print(f"{name}: {results_page.outcome(measured)}", flush=True)
    except InputError as error:
        raise SystemExit(f"reproduce: {error}") from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows of the page, or configurations (default: all)")
    parser.add_argument("--seeds", type=_count, help="how many, from 0 on (default: each row's own number)")
    parser.add_argument("--kernels", metavar="SET", help="the CPU's kernels (default: those GPUCNN_KERNELS asks for)")
    parser.add_argument("--twins", action="store_true", help="also train each network in PyTorch")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"given {text}, expected a number from 1 to 1000")
    return int(text)


def _name(given: str) -> str:
    """The row's name; that of a configuration which has no row is its own."""
    return given if given in ROWS else load_config(given).config.name


def _row(given: str, seeds: int | None) -> Row:
    """What to train, its configuration checked: every fault is told before the first hour."""
    row = ROWS.get(given, Row())
    row = row._replace(config=row.config or given, seeds=seeds or row.seeds)
    load_config(row.config, row.overrides)
    return row


def estimate(rows: dict[str, Row], twins: bool) -> str:
    """How long it will take, in words."""
    known = [row.seeds * row.seconds for row in rows.values() if row.seconds is not None]
    unknown = [name for name, row in rows.items() if row.seconds is None]
    words = [f"this takes about {sum(known) * (1 + TWIN_SHARE * twins):.0f} s"] if known else []
    words += [f"nothing is known of {', '.join(unknown)}"] if unknown else []
    return "; ".join(words)


def measure(name: str, row: Row, twins: bool, kernels: str | None = None) -> dict[str, Any]:
    """One row's figures: those of each seed, and what they were measured on; by one set of kernels, if it is given."""
    runs, broken = [], []
    with tempfile.TemporaryDirectory() as root:
        for seed in range(row.seeds):
            overrides, folder = [*row.overrides, f"seed={seed}"], Path(root) / str(seed)
            try:
                run = train(row.config, overrides, folder, kernels)
            except TrainingError as error:  # a result too: so many seeds of the recipe diverge
                broken.append({"seed": seed, "error": str(error)})
                continue
            runs.append({"seed": seed, **run, **(_twin(row.config, overrides) if twins else {})})
        environment = json.loads((folder / ENVIRONMENT).read_text())
    data = load_data(load_config(row.config, row.overrides).config)
    return {
        "runs": runs,
        "broken": broken,
        "command": _setting(kernels) + shlex.join(["gpucnn", "train", row.config, *row.overrides]),
        "data": f"{data.loaded.used}: {len(data.train):,} training, {len(data.test):,} test images",
        "machine": f"{results_page.processor()}, {usable_cores()} cores; {_device(environment)}",
        "versions": _versions(environment["versions"], twins),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _setting(kernels: str | None) -> str:
    return f"GPUCNN_KERNELS={kernels} " if kernels else ""


def _device(environment: dict[str, Any]) -> str:
    """The device, and on a CPU the kernels and the number of threads that computed."""
    device, kernels = str(environment["device"]), environment["kernels"]
    return f"{device}, {kernels} kernels, {environment['threads']} threads" if device == "cpu" else device


def _versions(ours: dict[str, str], twins: bool) -> str:
    shown = {name: ours[name] for name in ("gpucnn", "python", "numpy")}
    if twins:
        import torch

        shown["torch"] = torch.__version__
    return ", ".join(f"{name} {version}" for name, version in shown.items())


def train(config: str, overrides: Sequence[str], folder: Path, kernels: str | None = None) -> dict[str, Any]:
    """One seed's figures: on the test images at the end, and on the validation images, if any, after each epoch.

    It is trained in `folder`, in a process of its own, by the set `kernels` if it is given. Raises TrainingError where
    the training broke, InputError where it could not be done or there are no test images.
    """
    command = [sys.executable, "-m", "gpucnn.cli", "train", config, *overrides, "--run-dir", str(folder), "--quiet"]
    command += ["report=false"]  # a report is not part of what is timed
    began = time.perf_counter()
    environment = os.environ | ({"GPUCNN_KERNELS": kernels} if kernels else {})
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    whole = time.perf_counter() - began
    _, stopped, why = done.stderr.partition(STOPPED)
    if stopped:
        raise TrainingError(why.strip())
    if done.returncode:
        raise InputError(done.stderr.strip() or f"{shlex.join(command)} ended with {done.returncode}")
    run = RunFolder.open(folder)
    result, epochs = run.result(), read_epochs(run)
    if result["test_accuracy"] is None:
        raise InputError(f"{config} has no test images; nothing can be reported")
    watched = [epoch for epoch in epochs if epoch.validation_loss is not None]
    return {
        "accuracy": result["test_accuracy"],
        "loss": result["test_loss"],
        "whole_seconds": whole,
        "seconds": result["train_seconds"],
        "epochs": len(epochs),
        "validation": [[epoch.validation_accuracy, epoch.validation_loss] for epoch in watched],
    }


def _twin(config: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The figures of the PyTorch twin that begins with the same weights."""
    import torch
    from twins import build_twin, train_twin

    gpucnn.set_device("cpu")
    checked = load_config(config, overrides)
    data = load_data(checked.config)
    checked = counted(checked, len(data.train.class_names))
    manual_seed(checked.config.seed)
    net = build_network(checked, data.train.image_shape, len(data.train.class_names))
    torch.set_num_threads(1)
    torch.manual_seed(checked.config.seed)  # what dropout drops
    twin = build_twin(checked.config.model, data.train.image_shape, net.state_dict(), checked.config.dtype)
    return {"twin": train_twin(checked.config, twin, build_loaders(checked.config, data))._asdict()}


def read_results(folder: Path) -> dict[str, Any]:
    """The figures measured so far, by row; none where there is no such file."""
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write the figures, and the page made from them."""
    published = {name: row.published for name, row in ROWS.items()}
    atomic_write(folder / "results.json", (json.dumps(results, indent=1, sort_keys=True) + "\n").encode())
    path = folder / results_page.TASKS
    tasks = json.loads(path.read_text()) if path.exists() else {}
    atomic_write(folder / "results.md", results_page.page(published, results, tasks).encode())


if __name__ == "__main__":
    main()
