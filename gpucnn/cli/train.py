"""`gpucnn train`: train the network of a configuration, in a run folder."""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from gpucnn.cli import live
from gpucnn.cli.device import accept_config, choose_device
from gpucnn.cli.find_lr import find
from gpucnn.cli.report import print_report, with_test_images
from gpucnn.cli.summary import summarize
from gpucnn.cli.together import together
from gpucnn.config.build import (
    TrainingData,
    build_loaders,
    build_network,
    build_pipeline,
    build_trainer,
    counted,
    load_data,
)
from gpucnn.config.resolve import differences, hyperparameters, resolve, to_yaml
from gpucnn.config.schema import Config
from gpucnn.errors import ConfigError, InputError
from gpucnn.generators import manual_seed
from gpucnn.live import LiveServer
from gpucnn.loggers import RunLoggers, check_installed, pictures
from gpucnn.parallel import Communicator
from gpucnn.parallel.nccl import over_gpus
from gpucnn.report import Subject
from gpucnn.runs import RunFolder, describe_environment, new_run_path, train_run
from gpucnn.runs.agreement import Work, check_agreement
from gpucnn.runs.initial import load_initial_weights
from gpucnn.runs.saved import DRAWN, SavedRun, drawn_as, open_run
from gpucnn.runs.silent import SilentFolder
from gpucnn.training import AVERAGES, EpochRecord, Progress, Trainer
from gpucnn.training.accumulation import joined
from gpucnn.training.progress import describe
from gpucnn.training.trainer import Record

INTERRUPTED = 130
MOST_DIFFERENCES = 20  # in one message


def run(arguments: argparse.Namespace) -> int:
    """Train, in this process or in as many as were started together."""
    return together(lambda communicator: _shown(arguments, communicator))


def _shown(arguments: argparse.Namespace, communicator: Communicator) -> int:
    """Train; with --live, rank 0 serves a page meanwhile."""
    if not arguments.live or communicator.rank:
        return _run(arguments, communicator, None)
    with live.serving(arguments.port) as server:
        return _run(arguments, communicator, server)


def _run(arguments: argparse.Namespace, communicator: Communicator, server: LiveServer | None) -> int:
    """Accept the configuration, the device and the data, in this order; then make the run's folder and train."""
    if arguments.find_lr and arguments.resume:
        raise InputError("--find-lr starts from the initial weights, and --resume goes on with a run; leave one out")
    checked = accept_config(arguments.config, arguments.overrides)
    config = checked.config
    live.check_options(arguments, config)
    communicator.timeout = config.train.timeout
    if config.train.folds is not None and config.train.fold is None:
        from gpucnn.cli import folds  # here: it needs what sweeps do, which a single run does not

        return folds.run(arguments, config, communicator)
    before = open_run(arguments.resume) if arguments.resume else None
    if before is not None:
        checked = counted(checked, len(before.class_names))
        config = drawn_as(checked.config, getattr(before.config.data, DRAWN, ""))
        check_same(before.config, config, before.folder.path)
        if before.folder.finished and before.config.train.epochs == config.train.epochs:
            return _already_finished(before, arguments.quiet)
    choose_device(arguments.device, config, communicator)
    check_installed(config.logging)
    data = load_data(config)
    _announce_data(data)
    if before is not None:
        data = before.same_data(data)
    if before is None:
        checked = counted(checked, len(data.train.class_names))
        config = checked.config
    check_agreement(communicator, Work.of(to_yaml(config), data.fingerprint()))
    manual_seed(config.seed)
    net = build_network(checked, data.train.image_shape, len(data.train.class_names))
    begun_with = None if before else load_initial_weights(config, net, data.train.class_names)
    trainer = build_trainer(config, net, over_gpus(communicator), data.train)
    if arguments.find_lr:
        return find(arguments, config, trainer, data)
    folder = _folder(arguments, config, before, communicator)
    try:
        with folder:
            table = summarize(net, data.train.image_shape, config)
            if not arguments.quiet:
                print(*filter(None, (table, begun_with)), sep="\n\n", end="\n\n", flush=True)
            result = _train(arguments, folder, trainer, config, data, table, server)
    except KeyboardInterrupt:
        if not folder.resumable:
            raise  # there is no checkpoint to resume from
        return _interrupted(arguments, folder, trainer.train_state.epoch, communicator)
    if communicator.rank:
        return 0  # rank 0 writes the rest
    _print_result(result, folder)
    if server is not None and server.watch is not None:
        server.watch.ended = f"The training is done: test {_figure(result)}."
    if config.report:
        subject = Subject(
            folder,
            resolve(config),
            net,
            data.normalizer,
            data.train.image_shape,
            data.train.class_names,
            data.loaded.used,
            data.test,
            trainer.loss,
            data.train,
        )
        print_report(subject, quiet=arguments.quiet)
    return 0


def check_same(before: Config, now: Config, path: Path) -> None:
    """Raise ConfigError that lists every difference from the run's configuration, except the number of epochs."""
    different = differences(before, now, ignoring=("train.epochs",))
    if different:
        if len(different) > MOST_DIFFERENCES:
            different[MOST_DIFFERENCES:] = [f"and {len(different) - MOST_DIFFERENCES} more options"]
        raise ConfigError(
            f"--resume {path}: the configuration is not the run's own; they differ in\n  "
            + "\n  ".join(different)
            + f"\n(the run's -> the one given). Give {path}/config.yaml, or begin a new run"
        )


def _train(
    arguments: argparse.Namespace,
    folder: RunFolder,
    trainer: Trainer,
    config: Config,
    data: TrainingData,
    table: str,
    server: LiveServer | None,
) -> dict[str, Any]:
    """Train in the folder, which must be entered, log, and show progress."""
    quiet, loaders = arguments.quiet, build_loaders(config, data)
    names = () if isinstance(folder, SilentFolder) else config.logging
    updates = len(joined(loaders.train, config.train.accumulate))
    loggers = RunLoggers(names, folder.path, updates, hyperparameters(config), table)
    watch = None if server is None else live.watch(server, folder, trainer, config, data, loaders, updates)
    with Progress(len(data.train), shown=not quiet) as progress, loggers:

        def told(record: Record) -> None:
            (progress if quiet or sys.stderr.isatty() else _print_epoch)(record)
            loggers(record)
            if watch is not None:
                watch(record)

        result = train_run(
            folder,
            trainer,
            loaders,
            config.train.epochs,
            class_names=data.train.class_names,
            dataset=data.loaded.used,
            dataset_requested=data.loaded.requested,
            resume=arguments.resume is not None,
            config_text=to_yaml(config),
            normalization=data.normalizer.arrays(),
            pipeline=build_pipeline(config, data, trainer.net),
            on_record=told,
            on_note=progress.note,
            until=arguments.until,
        )
        image = data.normalizer.apply(data.test.images[:1], config.dtype)[0]
        confusion = result["confusion_matrix"]
        loggers.finish(result, lambda: pictures(trainer.net, image, confusion, data.test.class_names))
    return result


def _folder(
    arguments: argparse.Namespace, config: Config, before: SavedRun | None, communicator: Communicator
) -> RunFolder:
    """The run's folder, in which rank 0 alone writes."""
    if communicator.rank:
        return SilentFolder(Path(arguments.resume or arguments.run_dir or "."))
    if before is not None:
        return before.folder
    path = Path(arguments.run_dir) if arguments.run_dir else new_run_path(config.name)
    return RunFolder.create(path, to_yaml(config), {**describe_environment(), "processes": communicator.size})


def _announce_data(data: TrainingData) -> None:
    loaded = data.loaded
    for note in loaded.source.notes:
        print(note, file=sys.stderr)
    if loaded.why is not None:
        reason = "\n".join(f"    {line}" for line in loaded.why.splitlines())
        print(
            f"WARNING: {loaded.requested} is unavailable; training on {loaded.used} instead (data.fallback):",
            reason,
            sep="\n",
            file=sys.stderr,
        )


def _print_epoch(record: Record) -> None:
    if isinstance(record, EpochRecord):
        print(describe(record), flush=True)


def _print_result(result: dict[str, Any], folder: RunFolder) -> None:
    print(f"test {_figure(result)}, loss {result['test_loss']:.4f} ({result['dataset']})")
    weights = result.get("weights", {})
    if weights.get("which") == "best":
        print(f"weights: those of epoch {weights['epoch']}, the best (train.early_stop)")
    elif weights.get("which") in AVERAGES:
        print(
            f"weights: averages over the training ({weights['which']}), as of epoch {weights['epoch']} (train.average)"
        )
    print(f"run: {folder.path}")


def _figure(result: dict[str, Any]) -> str:
    """The most important figure: the accuracy, or what stands in its place."""
    if result["test_accuracy"] is not None:
        return f"accuracy {result['test_accuracy']:.2%}"
    if "mean_iou" in result:
        return f"mean IoU {result['mean_iou']:.4f}"
    if "psnr" in result:
        return f"PSNR {result['psnr']:.2f} dB"
    if "exact_match" in result:
        return f"images with all labels right {result['exact_match']:.2%}"
    return "R2 " + ", ".join(f"{name} {r2:.4f}" for name, r2 in zip(result["outputs"], result["r2"], strict=True))


def _already_finished(before: SavedRun, quiet: bool) -> int:
    result, done = before.folder.result(), before.folder.epochs_logged
    early = done < before.config.train.epochs
    what = "early stopping ended it (train.early_stop)" if early else "raise train.epochs to continue it"
    print(f"{before.folder.path} is finished after {done} epochs; {what}")
    _print_result(result, before.folder)
    if before.config.report:
        print_report(with_test_images(before), quiet=quiet)
    return 0


def _interrupted(arguments: argparse.Namespace, folder: RunFolder, done: int, communicator: Communicator) -> int:
    again = [*communicator.command(), "train", arguments.config, *arguments.overrides, "--resume", str(folder.path)]
    again += ["--device", arguments.device] if arguments.device else []
    if arguments.until is not None and done >= arguments.until:
        print(f"stopped after epoch {done} (--until). Go on with:\n  {shlex.join(again)}")
        return 0
    print(f"\ninterrupted; a checkpoint is written. Go on with:\n  {shlex.join(again)}", file=sys.stderr)
    return INTERRUPTED
