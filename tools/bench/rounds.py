"""Contestants in turn, round after round, so that what else the machine does meets all of them alike."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.processes import ContestantError, measure_layers, measure_step
from bench.workloads import Network, Workload

Figures = dict[str, list[float]]  # by name, one of each round


class Failures(dict[str, str]):
    """Why a contestant failed at something, by both their names. It is then out of it."""

    @contextlib.contextmanager
    def noted(self, what: str, name: str) -> Iterator[None]:
        """Note a failure of contestant `name` at `what` in this block."""
        try:
            yield
        except ContestantError as error:
            self[f"{what} {name}"] = str(error)

    def has(self, what: str, name: str) -> bool:
        """Whether contestant `name` has failed at `what`."""
        return f"{what} {name}" in self


def in_turn(names: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, contestant) for all of each round, each round begun by the next contestant."""
    for number in range(rounds):
        yield from ((number, name) for name in turn(names, number))


def turn(names: Sequence[str], number: int) -> Sequence[str]:
    """The contestants in the order of round `number`."""
    begin = number % max(1, len(names))
    return (*names[begin:], *names[:begin])


def contest(
    names: Sequence[str], rounds: int, what: str, failures: Failures, measure: Callable[[str, int], Any]
) -> dict[str, list[Any]]:
    """What `measure(contestant, round)` found, by contestant, in the order of the rounds; failed ones left out."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for number, name in in_turn(names, rounds):
        if not failures.has(what, name):
            with failures.noted(what, name):
                found[name].append(measure(name, number))
    return {name: all_of_it for name, all_of_it in found.items() if not failures.has(what, name)}


def steps(
    names: Sequence[str], workload: Workload, network: Network, rounds: int, seconds: float, failures: Failures
) -> dict[str, Figures]:
    """Every contestant's figures for a workload. Compiled code is kept for the next rounds, and thrown away then."""
    with tempfile.TemporaryDirectory() as cache:
        found = contest(
            names,
            rounds,
            workload.name,
            failures,
            lambda name, number: measure_step(name, network, workload.batch, seconds, cache),
        )
    return {name: transposed(runs) for name, runs in found.items()}


def layers(
    names: Sequence[str], workload: Workload, network: Network, rounds: int, seconds: float, failures: Failures
) -> dict[str, list[dict[str, Any]]]:
    """The parts of every layer's work, by gpucnn's form: each with its seconds in every round."""
    found = contest(
        names,
        rounds,
        f"layers of {workload.name}",
        failures,
        lambda name, number: measure_layers(name, network, workload.batch, seconds),
    )
    return {
        name: [{**parts[0], "seconds": [part["seconds"] for part in parts]} for parts in zip(*runs, strict=True)]
        for name, runs in found.items()
    }


def transposed(runs: Sequence[dict[str, float]]) -> Figures:
    """Figures by name, one of each run."""
    return {key: [run[key] for run in runs] for key in runs[0]}
