"""`gpucnn train --live`: the page that shows a training while it runs."""

import argparse
import contextlib
from collections.abc import Iterator

from gpucnn.config.build import TrainingData
from gpucnn.config.schema import Config
from gpucnn.data.loader import Loader, Loaders
from gpucnn.errors import InputError
from gpucnn.live import LiveServer, Watch
from gpucnn.live.mistakes import Mistakes
from gpucnn.live.server import served
from gpucnn.runs import RunFolder
from gpucnn.training import Trainer
from gpucnn.training.evaluation import outputs_to


@contextlib.contextmanager
def serving(port: int | None) -> Iterator[LiveServer]:
    """A server that waits for a training to show. Raises InputError where the port cannot be had."""
    try:
        server = LiveServer(port or 0)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}; give another, or none to have a free one chosen") from None
    with served(server):
        yield server


def check_options(arguments: argparse.Namespace, config: Config) -> None:
    """Raise InputError for options that do not go with --live."""
    if arguments.port is not None and not arguments.live:
        raise InputError("--port is that of the live page; say --live too, or leave it out")
    if arguments.live and arguments.find_lr:
        raise InputError("--live shows a training, and --find-lr makes none; leave one of them out")
    if arguments.live and config.train.folds is not None and config.train.fold is None:
        raise InputError(
            "--live shows one training, and train.folds makes several; give train.fold=N too, or no --live"
        )


def watch(
    server: LiveServer,
    folder: RunFolder,
    trainer: Trainer,
    config: Config,
    data: TrainingData,
    loaders: Loaders,
    steps: int,
) -> Watch:
    """Have the server show the training, which is to call the result with every record; print where.

    steps: those of an epoch.
    """
    mistakes = None
    if data.train.kind == "classes" and isinstance(loaders.validation, Loader):
        ignored = getattr(trainer.loss, "ignore_index", None)
        mistakes = Mistakes(loaders.validation, outputs_to("classes", trainer.net), ignored)
        trainer.on_outputs = mistakes
    server.watch = Watch(
        folder,
        config.name,
        data.train.image_shape,
        config.train.epochs,
        steps,
        data.train.class_names,
        mistakes,
        data.validation,
    )
    print(f"live: {server.url}", flush=True)
    return server.watch
