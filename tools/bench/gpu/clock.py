"""Steps timed in groups, on the device's clock: how many make up a group, and what each of them takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

FEWEST, MOST = 5, 20_000  # steps in a group
PROBE_SECONDS = 0.005  # a group of this length tells how many steps make up a longer one
WARM_UP = 0.5  # of a group, before it: an idle device has lowered its clock

Run = Callable[[int], int]  # takes at least so many steps, and tells how many they were


class Clock(Protocol):
    """Seconds that some work takes, from when the device is idle to when it is idle again."""

    def __call__(self, work: Callable[[], object]) -> float:
        """Do the work."""


@dataclass
class Timed:
    """Steps of one kind, what one of them takes, about, and how to count what it launches (None: it cannot be)."""

    run: Run
    clock: Clock
    launches: Callable[[], int | None] = lambda: None
    step_seconds: float = 0.0

    def probe(self) -> None:
        """Find out what a step takes."""
        steps, seconds = FEWEST, 0.0
        while True:
            steps, seconds = self._time(steps)
            if seconds >= PROBE_SECONDS or steps >= MOST:
                break
            steps *= 4
        self.step_seconds = seconds / steps

    def milliseconds(self, seconds: float) -> float:
        """Of one step, as the mean of a group that takes about so many seconds."""
        steps = self.steps_in(seconds)
        self.run(max(1, round(WARM_UP * steps)))
        done, taken = self._time(steps)
        self.step_seconds = taken / done
        return 1e3 * self.step_seconds

    def steps_in(self, seconds: float) -> int:
        """How many steps take so long."""
        return max(FEWEST, min(MOST, round(seconds / max(self.step_seconds, 1e-9))))

    def _time(self, steps: int) -> tuple[int, float]:
        """The steps that were done, at least so many, and their seconds."""
        done = []
        seconds = self.clock(lambda: done.append(self.run(steps)))
        return done[0], seconds


def repeated(step: Callable[[], object]) -> Run:
    """Steps that are taken one after the other."""

    def run(steps: int) -> int:
        for _ in range(steps):
            step()
        return steps

    return run
