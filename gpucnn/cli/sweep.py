"""`gpucnn sweep`: train with many combinations of options, and rank them on a page."""

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

from gpucnn.cli.device import choose_device
from gpucnn.cli.table import table
from gpucnn.config.build import load_data
from gpucnn.config.check import check, read_config
from gpucnn.config.schema import Config
from gpucnn.config.yaml_reader import read_yaml
from gpucnn.data import MAY_VALIDATE
from gpucnn.errors import ConfigError, InputError
from gpucnn.runs import new_run_path
from gpucnn.sweep import Local, Member, Plan, Sweep, run_sweep, write_page
from gpucnn.sweep.folder import PAGE, SWEEPS
from gpucnn.sweep.grid import FOLD
from gpucnn.sweep.page import setting_rows
from gpucnn.sweep.ranking import ranked
from gpucnn.sweep.run import Train, mpi_executor, train_elsewhere
from gpucnn.threads import usable_cores

INTERRUPTED = 130
SHOWN = 10  # settings in the table that is printed
BETWEEN_PAGES = 10.0  # seconds
Run = Callable[[Sweep, Config], None]


def run(arguments: argparse.Namespace) -> int:
    """Accept plan, configuration, device and data; then train what is to be tried, and write the page."""
    if not arguments.mpi:
        return _lead(arguments, on_this_machine(arguments))
    with mpi_executor() as executor:
        if executor is None:
            return 0  # a worker, when all is done
        return _lead(arguments, lambda sweep, config: _run(arguments, sweep, config, executor, train_elsewhere))


def on_this_machine(arguments: argparse.Namespace) -> Run:
    """What trains a sweep's members in processes on this machine."""

    def train(sweep: Sweep, config: Config) -> None:
        local = Local(_workers(arguments))
        with local.executor:
            _run(arguments, sweep, config, local.executor, local.train, local.stop)

    return train


def _lead(arguments: argparse.Namespace, train: Run) -> int:
    """Make or open the sweep, and run it."""
    sweep, config = _opened(arguments) if arguments.resume else _created(arguments)
    again = ["gpucnn", "sweep", "--resume", str(sweep.path), *_worker_options(arguments)]
    return carry_out(arguments, sweep, config, train, again)


def carry_out(arguments: argparse.Namespace, sweep: Sweep, config: Config, train: Run, again: list[str]) -> int:
    """Train the members, and write the page; returns the exit status. `again` is the command that goes on with them."""
    with sweep:
        if not arguments.quiet:
            print(_announced(sweep), flush=True)
        try:
            train(sweep, config)
        except KeyboardInterrupt:
            write_page(sweep)
            print(f"\ninterrupted; go on with:\n  {shlex.join(again)}", file=sys.stderr)
            return INTERRUPTED
        write_page(sweep)
    print(_best(sweep))
    print(f"sweep: {sweep.path / PAGE}")
    failed = [member for member in sweep.members if member.fault is not None]
    if len(failed) == len(sweep.members):
        raise InputError(f"every run failed; the first, {failed[0].name}: {failed[0].fault}")
    return 0


def _created(arguments: argparse.Namespace) -> tuple[Sweep, Config]:
    """A new sweep, once its plan, configuration, device and data are accepted."""
    if arguments.config is None:
        raise InputError("CONFIG is missing: gpucnn sweep CONFIG key.path=a,b,c; or continue one with --resume SWEEP")
    plan = _plan(arguments)
    text, source = read_config(arguments.config)
    config = _checked(plan, text, source)
    choose_device(arguments.device, config)
    load_data(config)  # fails, or downloads, once instead of in every member
    path = Path(arguments.run_dir) if arguments.run_dir else new_run_path(config.name, SWEEPS)
    plan = replace(plan, name=config.name, epochs=config.train.epochs)
    return Sweep.create(path, text, plan), config


def _opened(arguments: argparse.Namespace) -> tuple[Sweep, Config]:
    """The sweep to go on with. Raises InputError if another plan or configuration is given with it."""
    sweep = Sweep.open(Path(arguments.resume))
    given = arguments.random, arguments.search, arguments.halving
    kept = sweep.plan.random, sweep.plan.search, sweep.plan.halving
    other = arguments.overrides and tuple(arguments.overrides) != sweep.plan.options
    if other or any(now not in (None, then) for now, then in zip(given, kept, strict=True)):
        raise InputError(
            f"--resume {sweep.path}: it tries {shlex.join(sweep.plan.options)}; leave options, --random, --search and "
            "--halving out, or begin a new sweep"
        )
    if arguments.config is not None and read_config(arguments.config)[0] != sweep.config_text:
        raise InputError(f"--resume {sweep.path}: {arguments.config} has changed since; leave CONFIG out")
    config = _checked(sweep.plan, sweep.config_text, str(sweep.path / "config.yaml"))
    choose_device(arguments.device, config)
    return sweep, config


def _plan(arguments: argparse.Namespace) -> Plan:
    at_once = _workers(arguments) if arguments.search else 1
    return Plan(tuple(arguments.overrides), arguments.random, arguments.search, at_once, arguments.halving)


def _checked(plan: Plan, text: str, source: str) -> Config:
    """The configuration of the first member, all of them being checked. Raises ConfigError, naming the member's."""
    tried = {tuple(f"{key}={value}" for key, value in setting.items()): None for setting in plan.to_check()}
    configs = []
    for overrides in tried:
        try:
            configs.append(check(read_yaml(text, source), [*plan.fixed, *overrides]).config)
        except ConfigError as error:
            raise ConfigError(f"with {shlex.join(overrides)}:\n{error}") from None
    if configs[0].train.folds is not None and configs[0].train.fold is None:
        raise ConfigError(f"with train.folds give the folds too: {FOLD}=1..{configs[0].train.folds}")
    none = not configs[0].train.folds and not configs[0].data.validation and configs[0].data.name not in MAY_VALIDATE
    if none and (plan.halving or plan.search):
        raise ConfigError(
            "--halving and --search compare runs by validation images; hold some out: data.validation=0.2"
        )
    return configs[0]


def _run(
    arguments: argparse.Namespace,
    sweep: Sweep,
    config: Config,
    executor: Executor,
    train: Train,
    stop: Callable[[], None] | None = None,
) -> None:
    """Train the members, tell of each that ends, and keep the page up to date."""
    written = time.monotonic()

    def ended(member: Member) -> None:
        nonlocal written
        if not arguments.quiet:
            print(_told(sweep, member), flush=True)
        if time.monotonic() - written > BETWEEN_PAGES:
            write_page(sweep)
            written = time.monotonic()

    options = ["--device", arguments.device] if arguments.device else []
    run_sweep(sweep, executor, train, options, ended, stop)


def _workers(arguments: argparse.Namespace) -> int:
    return getattr(arguments, "workers", None) or usable_cores()


def _worker_options(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.workers:
        yield from ("--workers", str(arguments.workers))
    if arguments.device:
        yield from ("--device", arguments.device)


def _announced(sweep: Sweep) -> str:
    seeds = len(sweep.plan.seeds)
    settings = sweep.plan.search or len(sweep.members) // seeds
    return f"{settings * seeds} runs in {sweep.path}: {', '.join(sweep.plan.keys)}"


def _told(sweep: Sweep, member: Member) -> str:
    """One line on a member that has ended."""
    if member.fault is not None:
        return f"{member.name}: failed: {member.fault.splitlines()[-1]}"
    epochs = sweep.epochs(member)
    record = sweep.record(member) or epochs[-1]
    accuracy, loss = record.validation_accuracy, record.validation_loss
    figures = [] if accuracy is None else [f"validation accuracy {accuracy:.2%}"]
    figures += [f"training loss {record.train_loss:.4f}"] if loss is None else [f"validation loss {loss:.4f}"]
    return f"{member.name}: {', '.join(figures)} after {len(epochs)} epochs"


def _best(sweep: Sweep) -> str:
    """The best settings as a table."""
    header, rows = setting_rows(sweep, ranked(sweep))
    return table(header, rows[:SHOWN], left=len(header))
