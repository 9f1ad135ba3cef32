"""Parsing the command line: commands, their arguments and options."""

import argparse
import importlib
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gpucnn import __version__
from gpucnn.garbage import uncollected

CONFIG = "a YAML file, or the name of a configuration that comes with gpucnn (lenet, smoke, ...)"
RUN = "a run's folder, or 'latest'"
SHELLS = ("bash", "zsh", "fish")
OVERRIDE = "a change to the configuration, such as optimizer.lr=0.01 or train.clip_norm=null"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The parsed command line; `run` is the function to call with it. Exits with 2 if it is invalid."""
    parser = make_parser()
    parsed, rest = parser.parse_known_args(arguments)
    # Overrides and images may come before and after options; argparse accepts them on one side only.
    several = getattr(parsed, "overrides", getattr(parsed, "images", None))
    unknown = [word for word in rest if word.startswith("-") or several is None]
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if several is not None:
        several += rest
    return parsed


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = argparse.ArgumentParser(prog="gpucnn", description="Train convolutional networks from one YAML file.")
    parser.add_argument("--version", action="version", version=f"gpucnn {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _init,
        _train,
        _sweep,
        _eval,
        _predict,
        _summary,
        _report,
        _draw,
        _export,
        _filter,
        _info,
        _data,
        _config,
        _completion,
    ):
        add(commands)
    return parser


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def _init(commands: "Commands") -> None:
    init = _command(
        commands, "init", "write a first configuration for your data, after a look at them or a few questions"
    )
    init.add_argument(
        "data",
        metavar="FOLDER|FILE.csv|FILE.npz",
        nargs="?",
        help="a folder with one subfolder of pictures per class, a table, an archive (default: questions)",
    )
    init.add_argument("--out", metavar="FILE.yaml", help="the file to write, which must not exist (default: NAME.yaml)")
    init.add_argument("--minutes", metavar="M", type=_minutes, help="how long training may take here (default: 5)")


def _train(commands: "Commands") -> None:
    train = _command(commands, "train", "train a network, or resume a training")
    train.add_argument("config", metavar="CONFIG", help=CONFIG)
    train.add_argument("overrides", metavar="key.path=value", nargs="*", default=[], help=OVERRIDE)
    folder = train.add_mutually_exclusive_group()
    folder.add_argument("--run-dir", metavar="DIR", help="the run's folder (default: runs/NAME/TIME/)")
    folder.add_argument("--resume", metavar="RUN", help=f"resume a run that was stopped: {RUN}")
    train.add_argument("--device", metavar="D", help="auto, cpu, cuda or cuda:N")
    train.add_argument("--quiet", action="store_true", help="print only the result")
    train.add_argument(
        "--until", metavar="EPOCH", type=_count, help="stop after this epoch with a checkpoint, to resume later"
    )
    train.add_argument("--live", action="store_true", help="serve the report on 127.0.0.1 while it trains")
    train.add_argument("--port", metavar="N", type=_port, help="with --live: the port (default: a free one)")
    train.add_argument(
        "--find-lr", action="store_true", help="try growing learning rates, draw the losses and name a rate; then end"
    )


def _sweep(commands: "Commands") -> None:
    sweep = _command(commands, "sweep", "train with many combinations of options, and rank them on a page")
    sweep.add_argument("config", metavar="CONFIG", nargs="?", help=CONFIG)
    sweep.add_argument(
        "overrides",
        metavar="key.path=a,b,c",
        nargs="*",
        default=[],
        help="an option and its values: optimizer.lr=0.01,0.05, seed=0..9, or a range to draw from: lr=1e-4~1e-1",
    )
    how = sweep.add_mutually_exclusive_group()
    how.add_argument("--random", metavar="N", type=_count, help="try N settings drawn at random (default: all)")
    how.add_argument("--search", metavar="N", type=_count, help="try N settings that Optuna proposes")
    sweep.add_argument(
        "--halving", metavar="N", type=_count, help="after each stage let the best of every N runs go on, by validation"
    )
    where = sweep.add_mutually_exclusive_group()
    where.add_argument("--workers", metavar="N", type=_count, help="runs at the same time (default: a core for each)")
    where.add_argument("--mpi", action="store_true", help="train in the processes of mpirun, on several machines")
    folder = sweep.add_mutually_exclusive_group()
    folder.add_argument("--run-dir", metavar="DIR", help="the sweep's folder (default: sweeps/NAME/TIME/)")
    folder.add_argument("--resume", metavar="SWEEP", help="continue a sweep that was stopped; CONFIG is not needed")
    sweep.add_argument("--device", metavar="D", help="auto, cpu, cuda or cuda:N")
    sweep.add_argument("--quiet", action="store_true", help="print only the result")


def _eval(commands: "Commands") -> None:
    evaluate = _command(commands, "eval", "evaluate a trained network on test images", module="evaluate")
    evaluate.add_argument("run_name", metavar="RUN", help=RUN)
    evaluate.add_argument("--data", metavar="NAME", help="the data set whose test images are used (default: the run's)")
    _add_views(evaluate)
    evaluate.add_argument(
        "--calibrate",
        action="store_true",
        help="find the temperature that suits the validation images best, and keep it in the run's pipeline.json",
    )


def _predict(commands: "Commands") -> None:
    predict = _command(commands, "predict", "classify pictures, folders of them, tables and archives")
    predict.add_argument("run_name", metavar="RUN", help=RUN)
    predict.add_argument(
        "images",
        metavar="IMAGE|FOLDER|FILE.csv|FILE.npz|FILE.npy",
        nargs="+",
        help="a picture of any size (PNG, JPEG, ...), a folder of such, a table of pixels, an archive of arrays",
    )
    predict.add_argument("--invert", action="store_true", help="exchange black and white first")
    predict.add_argument(
        "--centre",
        action="store_true",
        help="scale and centre what is drawn, whatever the ground, as in MNIST's images",
    )
    predict.add_argument(
        "--background",
        choices=("white", "black"),
        help="what shows through transparent parts (default: as in training; black under a run whose ground is dark)",
    )
    _add_views(predict)
    predict.add_argument("--top", metavar="N", type=_count, help="how many classes to tell (default: 3; in JSON, all)")
    predict.add_argument(
        "--out",
        metavar="DIR",
        default="predicted",
        help="where masks and pictures are written, of runs that answer with such (default: predicted/)",
    )
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON with the probabilities")
    form.add_argument("--csv", metavar="OUT", help="write a table of id,label, the form that competitions take")


def _add_views(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tta",
        metavar="VIEWS",
        default="",
        help="average over views of each picture: shift (five, a pixel apart), flip (mirrored too), or shift,flip",
    )


def _summary(commands: "Commands") -> None:
    summary = _command(commands, "summary", "list a network's layers and their costs")
    summary.add_argument("network", metavar="CONFIG|RUN", help="what `train` takes, or a run's folder, or 'latest'")


def _report(commands: "Commands") -> None:
    report = _command(commands, "report", "write a page and pictures on a run, or a page that compares runs")
    report.add_argument("runs", metavar="RUN", nargs="+", help=f"{RUN}; several are compared on one page")
    report.add_argument(
        "--out", metavar="FILE.html", help="where to write the page (default: RUN/report.html; comparison.html)"
    )


def _draw(commands: "Commands") -> None:
    draw = _command(commands, "draw", "open a page to draw on, which shows the network's prediction")
    draw.add_argument("run_name", metavar="RUN", help=RUN)
    draw.add_argument("--port", metavar="N", type=_port, default=0, help="port on 127.0.0.1 (default: a free one)")


def _export(commands: "Commands") -> None:
    export = _command(commands, "export", "write a trained network for other places: ONNX, a page, a C header")
    export.add_argument("run_name", metavar="RUN", help=RUN)
    export.add_argument("--onnx", metavar="FILE", help="an ONNX model that takes pictures and gives probabilities")
    export.add_argument("--bare", action="store_true", help="with --onnx: the network alone, of normalised input")
    export.add_argument(
        "--page", metavar="FILE.html", help="a page to draw on, with the network in it, for any browser"
    )
    export.add_argument("--c", metavar="FILE.h", help="a C99 header: gpucnn_predict(picture, probabilities)")
    export.add_argument("--int8", action="store_true", help="with --c: weights in 8 bits, fitted on training images")


def _port(text: str) -> int:
    """A port's number; argparse reports anything else."""
    if not (text.isdecimal() and len(text) < 6 and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text} is not a port: a whole number from 1 to 65535")
    return int(text)


def _minutes(text: str) -> float:
    """A time; argparse reports anything else."""
    if not (re.fullmatch(r"\d{1,6}(\.\d*)?", text) and float(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes above 0")
    return float(text)


def _count(text: str) -> int:
    """A number of things; argparse reports anything else."""
    if not (text.isdecimal() and len(text) < 10 and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _filter(commands: "Commands") -> None:
    image_filter = _command(commands, "filter", "filter a picture with a fixed kernel", module="image_filter")
    image_filter.add_argument("image", metavar="IMAGE", help="a picture (PNG, JPEG, ...); transparency becomes white")
    image_filter.add_argument(
        "--kernel",
        metavar="NAME|FILE",
        required=True,
        help="blur, sharpen, edges, identity, or a text file of its rows",
    )
    image_filter.add_argument("--summed", action="store_true", help="add the channels (default: filter each by itself)")
    image_filter.add_argument(
        "--border",
        choices=("zero", "edge"),
        default="zero",
        help="what is outside: zeros, or the pixels of the edge",
    )
    image_filter.add_argument("--out", metavar="FILE.png", help="where to write (default: IMAGE-KERNEL.png)")


def _info(commands: "Commands") -> None:
    _command(commands, "info", "print versions, threads, device and folders")


def _data(commands: "Commands") -> None:
    data = commands.add_parser("data", help="list data sets, or fetch one", description="List data sets, or fetch one.")
    actions = data.add_subparsers(title="actions", metavar="list|fetch", required=True)
    _command(actions, "list", "list the data sets", module="data", function="list_sets")
    fetch = _command(actions, "fetch", "download a data set into the data folder", module="data", function="fetch")
    fetch.add_argument("name", metavar="NAME", help="mnist or fashion_mnist")


def _config(commands: "Commands") -> None:
    text = "Show a configuration with every default, check one, or print the JSON schema for editors."
    config = commands.add_parser("config", help=text[0].lower() + text[1:-1], description=text)
    actions = config.add_subparsers(title="actions", metavar="show|validate|schema", required=True)
    for name, what in (
        ("show", "print a configuration with every default filled in"),
        ("validate", "report every fault of a configuration"),
    ):
        action = _command(actions, name, what, module="config", function=name)
        action.add_argument("config", metavar="CONFIG", help=CONFIG)
        action.add_argument("overrides", metavar="key.path=value", nargs="*", default=[], help=OVERRIDE)
    _command(actions, "schema", "print the JSON schema of configurations", module="config", function="schema")


def _completion(commands: "Commands") -> None:
    completion = _command(commands, "completion", "print a script that lets a shell complete gpucnn's command line")
    completion.add_argument("shell", choices=SHELLS, help="the shell; docs/usage.md says where its script goes")


def _command(
    commands: "Commands", name: str, what: str, module: str | None = None, function: str = "run"
) -> argparse.ArgumentParser:
    """A command, run by `function` of gpucnn.cli's `module`, by default named like the command."""
    command = commands.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
    command.set_defaults(run=_later(module or name, function))
    return command


def _later(module: str, function: str) -> Callable[[argparse.Namespace], int | None]:
    """The function, imported when it is called."""

    def run(parsed: argparse.Namespace) -> int | None:
        with uncollected():
            found = getattr(importlib.import_module(f"gpucnn.cli.{module}"), function)
        return found(parsed)

    return run
