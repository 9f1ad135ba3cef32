"""Faults of a configuration with their places, collected so that all are reported at once."""

import difflib
from collections.abc import Iterable
from typing import NamedTuple

from gpucnn.errors import ConfigError

Path = tuple[str | int, ...]  # the keys and list positions that lead to a value, from the top

MOST_FAULTS = 50  # faults in one message
NOTHING_TO_SCALE = "this layer has no parameters, and so no learning rate; remove it"


class Place(NamedTuple):
    """Where a value was written: a line and column of a file (both from 1), or an override (line 0)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class Fault(NamedTuple):
    """One error, with its place."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def config_error(faults: Iterable[Fault]) -> ConfigError:
    """One error with a line for every fault: overrides first, then the file in its order."""
    lines = [str(fault) for fault in sorted(dict.fromkeys(faults), key=lambda fault: fault.place[1:])]
    if len(lines) > MOST_FAULTS:
        lines = [*lines[:MOST_FAULTS], f"and {len(lines) - MOST_FAULTS} more faults"]
    return ConfigError("\n".join(lines))


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """A hint with the known names most like the given one, or with all of them if none is."""
    known = list(known)
    alike = difflib.get_close_matches(str(given), known, n=2, cutoff=0.6)
    if alike:
        return "did you mean " + " or ".join(alike) + "?"
    return "known are " + ", ".join(known) if known else "there is nothing to choose here"
