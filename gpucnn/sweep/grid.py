"""What a sweep tries: options with several values or a range, all combinations of them or some drawn at random."""

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from gpucnn.errors import InputError

SEED, FOLD = "seed", "train.fold"
REPEATS = (SEED, FOLD)  # the options over which a setting's figures are averaged
MOST_RUNS = 10_000
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})~({_NUMBER})")
_COUNTED = re.compile(r"(-?\d+)\.\.(-?\d+)")
_OPENING, _CLOSING, _QUOTES = "[{", "]}", "\"'"

Setting = dict[str, str]  # the value of every option, as an override has it


class Choice(NamedTuple):
    """An option and the values that it takes."""

    key: str
    values: tuple[str, ...]

    def draw(self, rng: np.random.Generator) -> str:
        """One of the values."""
        return self.values[rng.integers(len(self.values))]

    def ends(self) -> tuple[str, ...]:
        """The values to check before anything is trained."""
        return self.values


class Range(NamedTuple):
    """An option and the numbers between which it is drawn, whole ones if both ends are whole."""

    key: str
    low: float
    high: float
    whole: bool

    @property
    def logarithmic(self) -> bool:
        """Whether equal ratios are equally likely; not where the range reaches 0 or below."""
        return self.low > 0

    def draw(self, rng: np.random.Generator) -> str:
        """A number in the range."""
        at = rng.uniform()
        if self.logarithmic:
            return self.text(self.low * (self.high / self.low) ** at)
        return self.text(self.low + (self.high - self.low) * at)

    def text(self, value: float) -> str:
        """A number as an override has it."""
        return str(round(value)) if self.whole else f"{value:.4g}"

    def ends(self) -> tuple[str, ...]:
        """The values to check before anything is trained."""
        return self.text(self.low), self.text(self.high)


Option = Choice | Range


@dataclass(frozen=True)
class Plan:
    """What is tried, and how.

    options: overrides whose values may be lists such as 0.01,0.05 and 0..9, or ranges such as 1e-4~1e-1. random: how
    many settings are drawn at random; search: how many Optuna proposes, `at_once` of them before it sees their results;
    without both, all combinations are tried. A setting is run with every value of `seed` and `train.fold`.
    halving: one in how many settings goes on after each stage. name, epochs: of the configuration. Raises InputError
    for options that cannot be read or do not go together.
    """

    options: tuple[str, ...]
    random: int | None = None
    search: int | None = None
    at_once: int = 1
    halving: int | None = None
    name: str = "unnamed"
    epochs: int = 1

    def __post_init__(self) -> None:
        keys = [option.key for option in self._parsed()]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise InputError(f"{twice} is given more than once; list its values, as in {twice}=A,B")
        ranges = [option.key for option in self.varied if isinstance(option, Range)]
        if ranges and self.random is None and self.search is None:
            raise InputError(f"{ranges[0]} has a range: say how many values are tried, with --random N or --search N")
        repeated = [option.key for option in self.varied if isinstance(option, Range) and option.key in REPEATS]
        if repeated:
            what = "seeds" if repeated[0] == SEED else "folds"
            raise InputError(f"{repeated[0]} has a range; list the {what}, as in {repeated[0]}=1..5")
        if self.halving is not None and self.search is not None:
            raise InputError("--halving and --search exclude each other: Optuna needs the results of whole runs")
        if self.halving is not None and "train.epochs" in self.keys:
            raise InputError("--halving compares runs of the same length; give train.epochs one value")
        if not self.varied:
            raise InputError(
                "nothing is varied: give an option several values, as in optimizer.lr=0.01,0.05 or seed=0..9"
            )
        runs = len(self.seeds) * (self.random or self.search or math.prod(len(c.values) for c in self._choices))
        if runs > MOST_RUNS:
            raise InputError(f"these are {runs:,} runs, and at most {MOST_RUNS:,} are made; draw some with --random N")

    @property
    def keys(self) -> list[str]:
        """The options that vary."""
        return [option.key for option in self.varied]

    @property
    def varied(self) -> list[Option]:
        """The options with more than one value."""
        return [option for option in self._parsed() if isinstance(option, Range) or len(option.values) > 1]

    @property
    def fixed(self) -> list[str]:
        """The overrides that all runs have in common."""
        alone = [option for option in self._parsed() if isinstance(option, Choice) and len(option.values) == 1]
        return [f"{option.key}={option.values[0]}" for option in alone]

    @property
    def chosen(self) -> list[Option]:
        """The options that make a setting: those that vary, but for seeds and folds."""
        return [option for option in self.varied if option.key not in REPEATS]

    @property
    def repeated(self) -> list[str]:
        """Those of seeds and folds that vary."""
        return [key for key in self.keys if key in REPEATS]

    @property
    def seeds(self) -> list[Setting]:
        """What is added to a setting, once for each of its runs."""
        repeats = [option for option in self.varied if option.key in REPEATS]
        values = itertools.product(*(option.ends() for option in repeats))
        return [dict(zip(self.repeated, each, strict=True)) for each in values]

    def settings(self) -> list[Setting]:
        """All settings, for a plan that knows them before anything is trained."""
        if self.random is None:
            return list(self._combinations())
        rng = np.random.default_rng(0)  # the same command tries the same settings
        if len(self._choices) < len(self.chosen):
            return [{option.key: option.draw(rng) for option in self.chosen} for _ in range(self.random)]
        every = list(self._combinations())
        return [every[i] for i in np.sort(rng.permutation(len(every))[: self.random])]

    def to_check(self) -> Iterator[Setting]:
        """Settings that between them have every value, both ends of every range, and every combination that is run."""
        if self.search is None:
            yield from ({**setting, **self.seeds[0]} for setting in self.settings())
        first = {option.key: option.ends()[0] for option in self.varied}
        yield from ({**first, option.key: value} for option in self.varied for value in option.ends())

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        return asdict(self)

    @property
    def _choices(self) -> list[Choice]:
        return [option for option in self.chosen if isinstance(option, Choice)]

    def _combinations(self) -> Iterator[Setting]:
        keys = [choice.key for choice in self._choices]
        for values in itertools.product(*(choice.values for choice in self._choices)):
            yield dict(zip(keys, values, strict=True))

    def _parsed(self) -> list[Option]:
        return [parse(text) for text in self.options]


def parse(text: str) -> Option:
    """The option that `key=a,b,c`, `key=0..9` or `key=low~high` describes. Raises InputError."""
    key, equals, values = text.partition("=")
    key, values = key.strip(), values.strip()
    if not equals or not key:
        raise InputError(f"'{text}': expected key.path=value,value, for example optimizer.lr=0.01,0.05 or seed=0..9")
    if found := _RANGE.fullmatch(values):
        low, high = map(float, found.groups())
        if not (low < high and math.isfinite(high - low)):
            raise InputError(f"'{text}': the range must go from a lower to a higher number")
        return Range(key, low, high, whole=all(part.lstrip("+-").isdecimal() for part in found.groups()))
    every = [value for part in _split(values) for value in _counted(text, part)]
    twice = next((value for value in every if every.count(value) > 1), None)
    if twice is not None:
        raise InputError(f"'{text}': the value {twice} is listed more than once")
    return Choice(key, tuple(every))


def _split(values: str) -> Iterator[str]:
    """The parts between commas, of which those in brackets or quotes separate nothing."""
    depth, quote, start = 0, "", 0
    for i, character in enumerate(values):
        if quote:
            quote = "" if character == quote else quote
        elif character in _QUOTES and not values[start:i].strip():
            quote = character
        elif character in _OPENING or character in _CLOSING:
            depth += 1 if character in _OPENING else -1
        elif character == "," and depth == 0:
            yield values[start:i].strip()
            start = i + 1
    yield values[start:].strip()


def _counted(text: str, part: str) -> Sequence[str]:
    """The whole numbers from a to b of a..b; anything else is one value."""
    found = _COUNTED.fullmatch(part)
    if found is None:
        return [part]
    first, last = map(int, found.groups())
    if not first <= last < first + MOST_RUNS:
        raise InputError(f"'{text}': {part} must count from a lower to a higher number, over at most {MOST_RUNS:,}")
    return [str(number) for number in range(first, last + 1)]
