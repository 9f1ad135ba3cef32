"""Ranking of a sweep's settings by their figures on the validation images, and which go on after a stage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gpucnn.sweep.folder import Member, Sweep
from gpucnn.sweep.grid import Setting
from gpucnn.training.records import EpochRecord


class Measure(NamedTuple):
    """A figure that settings are ranked by: its name, how it is read off an epoch, whether it is a share of images."""

    name: str
    of: Callable[[EpochRecord], float | None]
    share: bool

    def value(self, record: EpochRecord) -> float:
        """The figure of an epoch, which must have it."""
        value = self.of(record)
        if value is None:
            raise ValueError(f"epoch {record.epoch} has no {self.name}")
        return value

    def cost(self, record: EpochRecord) -> float:
        """The less, the better: a share of right answers is taken from 1, a loss as it is."""
        return 1 - self.value(record) if self.share else self.value(record)


MEASURES = (
    Measure("validation accuracy", lambda epoch: epoch.validation_accuracy, share=True),
    Measure("validation loss", lambda epoch: epoch.validation_loss, share=False),
    Measure("training loss", lambda epoch: epoch.train_loss, share=False),
)


def measure_of(records: Sequence[EpochRecord]) -> Measure:
    """The first of `MEASURES` that all of these epochs have."""
    return next(measure for measure in MEASURES if all(measure.of(record) is not None for record in records))


@dataclass(frozen=True)
class Standing:
    """A setting, its members, one for each seed, and the epoch that each is judged by, None for one that has none.

    until: the stage that it was judged at, an epoch, or None for the whole of the training.
    """

    setting: Setting
    members: list[Member]
    records: list[EpochRecord | None]
    until: int | None

    @property
    def judged(self) -> list[EpochRecord]:
        """The epochs of the members that have one."""
        return [record for record in self.records if record is not None]

    def figures(self, measure: Measure) -> list[float]:
        """The measure of every member that has it."""
        return [measure.value(record) for record in self.judged]

    def cost(self, measure: Measure) -> float | None:
        """The mean cost over the seeds, the less the better; None where a member has none."""
        costs = [measure.cost(record) for record in self.judged]
        return float(np.mean(costs)) if len(costs) == len(self.members) else None


def stages(epochs: int, settings: int, halving: int | None) -> list[int | None]:
    """The epochs after which settings are compared, and None for the whole of the training.

    After each stage one in `halving` goes on, for `halving` times as many epochs.
    """
    found: list[int | None] = [None]
    left, at = settings, epochs
    while halving is not None and left > 1 and at > 1:
        at, left = -(-at // halving), -(-left // halving)
        found.insert(0, at)
    return found


def by_setting(members: list[Member]) -> list[list[Member]]:
    """The members of every setting, in the order of the first of each."""
    groups: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for member in members:
        groups.setdefault(tuple(member.setting.items()), []).append(member)
    return list(groups.values())


def judge(sweep: Sweep, members: list[Member], until: int | None) -> Standing:
    """The standing of a setting after epoch `until`, or at its end."""
    return Standing(members[0].setting, members, [sweep.record(member, until) for member in members], until)


def survivors(standings: list[Standing], halving: int) -> list[Standing]:
    """The best of the settings, one in `halving`, in their order; those of which every run failed are out."""
    best = [each for each in best_first(standings) if each.judged][: -(-len(standings) // halving)]
    return [each for each in standings if each in best]


def best_first(standings: list[Standing]) -> list[Standing]:
    """Settings of one stage by their mean cost, then loss; those with failed runs behind the others."""
    measure = measure_of([record for each in standings for record in each.judged])

    def key(standing: Standing) -> tuple[float, ...]:
        records = standing.judged
        if not records:
            return 2, 0, 0
        losses = [r.train_loss if r.validation_loss is None else r.validation_loss for r in records]
        incomplete = len(records) < len(standing.members)
        return incomplete, float(np.mean([measure.cost(record) for record in records])), float(np.mean(losses))

    return sorted(standings, key=key)


def ranked(sweep: Sweep) -> list[Standing]:
    """All settings, the best first: those that went further through the stages before those that were stopped."""
    groups, behind = by_setting(sweep.members), list[Standing]()
    for until in stages(sweep.plan.epochs, len(groups), sweep.plan.halving):
        standings = [judge(sweep, members, until) for members in groups]
        waiting = any(m.fault is None and not sweep.reached(m, until) for members in groups for m in members)
        if until is None or waiting:
            return best_first(standings) + behind
        going = survivors(standings, sweep.plan.halving or 1)
        behind = best_first([each for each in standings if each not in going]) + behind
        groups = [each.members for each in going]
    return behind
