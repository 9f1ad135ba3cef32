"""How long things take, and how many rounds there is time for."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

FEWEST, MOST = 5, 15  # rounds of a workload
GROUP_SECONDS = 0.04  # that a contestant's steps of one kind are timed for in each round
ROUND_SECONDS = 0.08  # those, a warm-up of half as long, and the way there and back
PREPARATION_SECONDS = 20.0  # processes that start, compile, capture and warm up, all at once; measured as it goes on
DESCRIPTION_SECONDS, LIMITS_SECONDS, LASTING_SECONDS = 15.0, 12.0, 12.0
TRAINING_SECONDS, COLD_SECONDS = 4.0, 20.0  # from process start to result; more where all kernels are compiled


@dataclass
class Budget:
    """Seconds that a whole run may take, and what workloads have been seen to take of them."""

    seconds: float
    clock: Callable[[], float] = time.monotonic
    preparation: float = PREPARATION_SECONDS  # of the last workload: all but its rounds
    started: float = field(init=False)
    _rounds: float = field(init=False, default=0.0)  # seconds of those under way

    def __post_init__(self) -> None:
        self.started = self.clock()

    @contextlib.contextmanager
    def workload(self) -> Iterator[None]:
        """A workload, from the start of its processes to their end: what it takes beside its rounds is kept in mind."""
        start, self._rounds = self.clock(), 0.0
        yield
        self.preparation = self.clock() - start - self._rounds

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """The rounds of a workload."""
        start = self.clock()
        yield
        self._rounds = self.clock() - start

    def left(self) -> float:
        """Seconds."""
        return self.started + self.seconds - self.clock()

    def allows(self, kinds: int) -> bool:
        """Whether there is time for one more workload, with the fewest rounds."""
        return self.left() >= self.preparation + FEWEST * one_round(kinds)

    def rounds(self, kinds: int, later: int, reserved: float) -> int:
        """Of a workload that is prepared, so that `later` ones can have as many, and `reserved` seconds are left."""
        return rounds(self.left() - reserved, kinds, later, self.preparation)


def one_round(kinds: int) -> float:
    """Seconds of a round of so many kinds of steps, those of all contestants together."""
    return kinds * ROUND_SECONDS


def rounds(left: float, kinds: int, later: int, preparation: float) -> int:
    """Rounds of this workload and of each of `later` ones in the time that is left, but never fewer than `FEWEST`."""
    share = (left - later * preparation) / (1 + later)
    return max(FEWEST, min(MOST, int(share / one_round(kinds))))


def estimate(kinds: int, workloads: int, extras_seconds: float, seconds: float) -> float:
    """Seconds that a run will take, about: never more than it may, since there are fewer rounds then."""
    fixed = DESCRIPTION_SECONDS + LIMITS_SECONDS + extras_seconds
    return min(seconds, fixed + workloads * (PREPARATION_SECONDS + MOST * one_round(kinds)))
