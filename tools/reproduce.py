"""Train the published networks over several seeds, and write docs/results.md: published figures beside ours.

    python tools/reproduce.py [NAME...] [--seeds N] [--twins]

NAME is a shipped configuration or a file; without one, every published configuration and its *_best. A seed stands for
a draw of everything: weights, order, and the images where the configuration draws them. Only the rows of the
configurations that are trained change: docs/results.json keeps the figures that the page is made from. It says first
how long it will take. With --twins each network is trained a second time, in PyTorch (tools/twins.py), from the same
weights on the same minibatches: a difference means a fault.

The data comes from GPUCNN_DATA_DIR, or is downloaded.
"""

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import results_page

import gpucnn
from gpucnn.backend import manual_seed
from gpucnn.config.build import TrainingData, build_loaders, build_network, build_trainer, load_data
from gpucnn.config.check import Checked, load_config
from gpucnn.errors import InputError, TrainingError
from gpucnn.files import atomic_write
from gpucnn.nn import Sequential
from gpucnn.threads import usable_cores
from gpucnn.training import EpochRecord, Loaders, describe_environment
from gpucnn.training.sources import Batches

DOCS = Path(__file__).parents[1] / "docs"
TWIN_SHARE = 1.0  # of our own time, for the estimate


class Published(NamedTuple):
    """What a configuration is measured against, how many seeds by default, and how long one takes, about."""

    figure: str
    seeds: int
    seconds: float  # of training, one seed on two slow cores, for the estimate


PUBLISHED = {
    "lenet_published": Published("98.1 % after 5 epochs, 98.6 to 99.0 % in epochs 26 to 30", 3, 105),
    "lenet_best": Published("98.6 to 99.0 %", 3, 80),
    "scala_cnn": Published("92 %, up to an hour", 3, 16),
    "scala_cnn_best": Published("92 %, up to an hour", 3, 105),
    "fashion_mlp": Published("87.40 %, loss 0.3514, 4.3 s an epoch", 5, 10),
    "renom": Published("validation loss 0.2918 after 1 epoch, 0.1192 after 10", 1, 490),
    "three_digits": Published("70 % of 30 images, 41 s", 10, 2),
    "three_digits_best": Published("70 % of 30 images, 41 s", 5, 1),
}


def main(arguments: Sequence[str] | None = None, folder: Path = DOCS) -> None:
    """Train what is named, and write the figures and the page into `folder` after each configuration."""
    options = _options(arguments)
    names = options.names or list(PUBLISHED)
    try:
        for name in names:
            load_config(name)  # every fault before the first hour
        print(f"{len(names)} configurations; {estimate(names, options.seeds, options.twins)}", flush=True)
        for name in names:
            config = load_config(name).config
            row = measure(name, _seeds(name, options.seeds), options.twins)
            results = read_results(folder) | {config.name: row}
            write_results(folder, results)
            print(f"{config.name}: {results_page.outcome(row)}", flush=True)
    except InputError as error:
        raise SystemExit(f"reproduce: {error}") from None


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="configurations (default: all published)")
    parser.add_argument("--seeds", type=_count, help="how many, from 0 on (default: each configuration's own number)")
    parser.add_argument("--twins", action="store_true", help="also train each network in PyTorch")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"given {text}, expected a number from 1 to 1000")
    return int(text)


def _seeds(name: str, given: int | None) -> int:
    """How many seeds: those given, or the configuration's own number."""
    if given is not None:
        return given
    return PUBLISHED[name].seeds if name in PUBLISHED else 1


def estimate(names: Sequence[str], seeds: int | None, twins: bool) -> str:
    """How long it will take, in words."""
    known = [name for name in names if name in PUBLISHED]
    seconds = sum(_seeds(name, seeds) * PUBLISHED[name].seconds for name in known) * (1 + TWIN_SHARE * twins)
    unknown = [name for name in names if name not in PUBLISHED]
    words = [f"this takes about {seconds:.0f} s"] if known else []
    words += [f"nothing is known of {', '.join(unknown)}"] if unknown else []
    return "; ".join(words)


def measure(name: str, seeds: int, twins: bool) -> dict[str, Any]:
    """One configuration's row: the figures of each seed, and what they were measured on."""
    runs, broken = [], []
    for seed in range(seeds):
        checked = load_config(name, [f"seed={seed}"])
        gpucnn.set_device(checked.config.device)
        data = load_data(checked.config)
        try:
            runs.append(train(checked, data, twins))
        except TrainingError as error:  # a result too: so many seeds of the recipe diverge
            broken.append({"seed": seed, "error": str(error)})
    environment = describe_environment()
    return {
        "runs": runs,
        "broken": broken,
        "data": f"{data.loaded.used}: {len(data.train):,} training, {len(data.test):,} test images",
        "machine": f"{results_page.processor()}, {usable_cores()} cores; {_device(environment)}",
        "versions": _versions(environment["versions"], twins),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _device(environment: dict[str, Any]) -> str:
    """The device, and on a CPU the number of threads that computed."""
    device = str(environment["device"])
    return f"{device}, {environment['threads']} threads" if device == "cpu" else device


def _versions(ours: dict[str, str], twins: bool) -> str:
    shown = {name: ours[name] for name in ("gpucnn", "python", "numpy")}
    if twins:
        import torch

        shown["torch"] = torch.__version__
    return ", ".join(f"{name} {version}" for name, version in shown.items())


def train(checked: Checked, data: TrainingData, twins: bool) -> dict[str, Any]:
    """One seed's figures: on the test images at the end, and on the validation images, if any, after each epoch."""
    config = checked.config
    manual_seed(config.seed)
    net = build_network(checked, data.train.image_shape, len(data.train.class_names))
    loaders = build_loaders(config, data)
    twin = _twin(checked, data, net, loaders) if twins else {}  # before `net` has other weights than its first
    trainer = build_trainer(config, net)
    records = trainer.run(loaders.train, loaders.validation, config.train.epochs)
    epochs = [record for record in records if isinstance(record, EpochRecord)]
    figures = trainer.evaluate(_tested(loaders))
    return {
        "seed": config.seed,
        "accuracy": figures.accuracy,
        "loss": figures.loss,
        "seconds": sum(epoch.seconds for epoch in epochs),
        "validation": [[epoch.validation_accuracy, epoch.validation_loss] for epoch in epochs if loaders.validation],
        **twin,
    }


def _tested(loaders: Loaders) -> Batches:
    """The test images. Raises InputError where there are none."""
    if loaders.test is None:
        raise InputError("the configuration has no test images; nothing can be reported")
    return loaders.test


def _twin(checked: Checked, data: TrainingData, net: Sequential, loaders: Loaders) -> dict[str, Any]:
    """The figures of the PyTorch twin that begins with the weights of `net`."""
    import torch
    from twins import build_twin, train_twin

    torch.set_num_threads(1)
    torch.manual_seed(checked.config.seed)  # what dropout drops
    weights = net.state_dict()
    twin = build_twin(checked.config.model, data.train.image_shape, weights, checked.config.dtype)
    return {"twin": train_twin(checked.config, twin, loaders)._asdict()}


def read_results(folder: Path) -> dict[str, Any]:
    """The figures measured so far, by configuration; none where there is no such file."""
    path = folder / "results.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write_results(folder: Path, results: dict[str, Any]) -> None:
    """Write the figures, and the page made from them."""
    published = {name: row.figure for name, row in PUBLISHED.items()}
    atomic_write(folder / "results.json", (json.dumps(results, indent=1, sort_keys=True) + "\n").encode())
    atomic_write(folder / "results.md", results_page.page(published, results).encode())


if __name__ == "__main__":
    main()
