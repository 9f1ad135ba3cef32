"""Settings proposed by Optuna from the results of those before."""

from collections.abc import Iterator
from typing import Any

from gpucnn.errors import InputError
from gpucnn.sweep.grid import Choice, Option, Plan, Setting


class Search:
    """Optuna's proposals, in rounds: the settings of a round are proposed together, and their costs told together.

    Rounds make proposals depend on results alone, not on which run ends first: gone through again with the same
    costs, a search proposes the same. Raises InputError where Optuna is not installed.
    """

    def __init__(self, plan: Plan) -> None:
        optuna = _optuna()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
        self._options = {option.key: option for option in plan.chosen}
        self._distributions = {key: _distribution(optuna, option) for key, option in self._options.items()}
        self._rounds = _rounds(plan.search or 0, plan.at_once)
        self._failed = optuna.trial.TrialState.FAIL

    def rounds(self) -> Iterator[tuple[list[Any], list[Setting]]]:
        """For each round its trials, to be told the costs, and their settings."""
        for size in self._rounds:
            trials = [self._study.ask(self._distributions) for _ in range(size)]
            yield trials, [self._setting(trial.params) for trial in trials]

    def tell(self, trial: Any, cost: float | None) -> None:
        """The cost of a trial, the less the better; None if it failed."""
        if cost is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, cost)

    def _setting(self, parameters: dict[str, Any]) -> Setting:
        return {
            key: parameters[key] if isinstance(option, Choice) else option.text(parameters[key])
            for key, option in self._options.items()
        }


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError(
            "--search needs Optuna, which is not installed: pip install optuna; or draw settings with --random N"
        ) from None
    return optuna


def _distribution(optuna: Any, option: Option) -> Any:
    if isinstance(option, Choice):
        return optuna.distributions.CategoricalDistribution(option.values)
    if option.whole:
        return optuna.distributions.IntDistribution(int(option.low), int(option.high), log=option.logarithmic)
    return optuna.distributions.FloatDistribution(option.low, option.high, log=option.logarithmic)


def _rounds(count: int, size: int) -> list[int]:
    return [min(size, count - first) for first in range(0, count, size)]
