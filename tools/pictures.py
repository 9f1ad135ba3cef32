"""Train networks that answer with pictures, and PyTorch's twins of them; prints a table of PSNR and mean IoU.

    python tools/pictures.py [CONFIG...] [--seeds N]

CONFIG is a configuration, shipped or a file, whose labels are pictures or a class per pixel; without one, autoencoder
and unet. Both libraries begin with the same weights, see the same minibatches, and compute with GPUCNN_THREADS threads.
"""

import argparse
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from twins import build_twin, fit_twin, to_torch

from gpucnn.config.build import build_loaders, build_network, build_trainer, counted, evaluation_loader, load_data
from gpucnn.config.check import load_config
from gpucnn.data.loader import Batches
from gpucnn.errors import InputError
from gpucnn.generators import manual_seed
from gpucnn.kernels.dispatch import choose, requested
from gpucnn.threads import thread_count
from gpucnn.training.evaluation import Answers, Scores
from gpucnn.training.losses import Loss

CONFIGS = ("autoencoder", "unet")


class Pair(NamedTuple):
    """The figure of both, its name, and the seconds of both trainings."""

    name: str
    ours: float
    theirs: float
    seconds: float
    their_seconds: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Train each configuration with each seed, and print a row for each, then the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", metavar="CONFIG", default=CONFIGS, help="default: autoencoder unet")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 on (default: 3)")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}; expected at least 1")
    choose(requested())
    torch.set_num_threads(thread_count())
    print("| configuration | seed | figure | gpucnn | PyTorch | difference | seconds of training, both |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for config in options.configs:
        pairs = []
        for seed in range(options.seeds):
            pairs.append(train(config, seed))
            print(_row(config, str(seed), pairs[-1]), flush=True)
        means = np.mean([pair[1:] for pair in pairs], axis=0).tolist()
        print(_row(config, "mean", Pair(pairs[0].name, *means)), flush=True)


def train(name: str, seed: int) -> Pair:
    """Train one configuration in both libraries. Raises InputError where labels are neither of these."""
    checked = load_config(name, [f"seed={seed}"])
    data = load_data(checked.config)
    if data.train.kind not in ("pixels", "pictures"):
        raise InputError(f"{name}: labels are {data.train.kind}; expected a class per pixel, or pictures")
    checked = counted(checked, len(data.train.class_names))
    config, loaders = checked.config, build_loaders(checked.config, data)
    manual_seed(seed)
    net = build_network(checked, data.train.image_shape, len(data.train.class_names))
    twin = build_twin(config.model, data.train.image_shape, net.state_dict(), config.dtype)
    trainer = build_trainer(config, net, train=data.train)
    began = time.perf_counter()
    for _ in trainer.run(loaders.train, epochs=config.train.epochs):
        pass
    seconds = time.perf_counter() - began
    test = evaluation_loader(data.test, data.normalizer, config.dtype)
    ours: Any = trainer.evaluate(test).scores
    their_seconds = fit_twin(config, twin, loaders.train)
    theirs: Any = evaluate_twin(twin, test, trainer.loss)
    return Pair(ours.name, ours.score, theirs.score, seconds, their_seconds)


def evaluate_twin(twin: torch.nn.Module, test: Batches, loss: Loss) -> Scores | None:
    """The figures of the twin's answers, by the same formulas."""
    answers = Answers(loss)
    twin.eval()
    with torch.no_grad():
        for batch in test.batches(0):
            answers.add(batch.labels, twin(to_torch(batch)[0]).numpy())
    return answers.scores


def _row(config: str, seed: str, pair: Pair) -> str:
    unit = " dB" if pair.name == "psnr" else ""
    figures = f"{pair.ours:.4f}{unit} | {pair.theirs:.4f}{unit} | {pair.ours - pair.theirs:+.4f}"
    return f"| {config} | {seed} | {pair.name} | {figures} | {pair.seconds:.0f}, {pair.their_seconds:.0f} |"


if __name__ == "__main__":
    main()
