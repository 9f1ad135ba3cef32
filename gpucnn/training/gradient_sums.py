"""Gradients summed over processes, while the backward pass still computes others."""

import functools
from dataclasses import dataclass, field

from gpucnn.backend import empty
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.optim import Optimizer
from gpucnn.optim.flat import FlatParameters, Place
from gpucnn.parallel import Communicator, Pending, interlude
from gpucnn.parallel.interlude import Action
from gpucnn.tensor import Tensor
from gpucnn.tensor.function import Variable

LARGE, SMALL = 1 << 20, 1 << 18  # bytes of gradients that are summed at a time, about
BUCKETS = 4  # of a network between: so that sums begin before the backward pass ends


def _nothing() -> None:
    """Before a sum."""


@dataclass
class _Bucket:
    """Neighbours in flat memory, whose gradients are summed by one call."""

    flat: FlatParameters
    members: list[tuple[Tensor, Place]] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)  # ids of parameters whose gradients are incomplete

    @property
    def bytes(self) -> int:
        """The size of the gradients."""
        return sum(place.value.nbytes for _, place in self.members)

    @property
    def unused(self) -> list[Place]:
        """The places of parameters that have no gradient, in any process."""
        return [place for parameter, place in self.members if parameter.grad is None]

    def begin(self, unused: list[Place], communicator: Communicator) -> Pending:
        """Begin the sum; `unused` are filled with zeros first."""
        for place in unused:
            place.gradient[...] = 0  # what was left there
        places = [place for _, place in self.members]
        part = self.flat.gradients[min(p.start for p in places) : max(p.stop for p in places)]
        return communicator.start_sum(part)


class GradientSums:
    """Sums over processes of the gradients of an optimizer's parameters, begun while the backward pass still runs.

    The flat memory is cut into buckets from its end, where the backward pass begins. They are summed in that order in
    every process. Each begins in an interlude: where a step is captured, its program is cut at the buckets' edges.
    """

    def __init__(self, optimizer: Optimizer, communicator: Communicator) -> None:
        self._flat, self._communicator = optimizer.flat, communicator
        self._buckets = [bucket for flat in reversed(self._flat) for bucket in _cut(flat)]
        self._of = {id(parameter): bucket for bucket in self._buckets for parameter, _ in bucket.members}
        self._begun: list[Pending] = []
        self._before: Action = _nothing

    def backward(self, loss: Tensor, weight: float, before: Action = _nothing) -> None:
        """Compute the gradients by weight · loss, and begin their sums; `wait` ends them.

        `before` is done right before the first of them begins: it needs no interlude of its own, at whose start the
        caches hold nothing of Python's.
        """
        for flat in self._flat:
            flat.take_back()
        for bucket in self._buckets:
            bucket.missing = {id(parameter) for parameter, _ in bucket.members}
        self._begun, self._before = [], before
        seed = empty(loss.memory.shape, loss.memory)
        kernels_of(type(seed)).arithmetic.fill(weight, seed)
        loss.backward(Tensor.from_batch_last(seed), on_complete=self._complete)
        self._begin(len(self._buckets))

    def wait(self) -> None:
        """Wait until all gradients are those of the whole batch. Raises TrainingError if a process does not answer."""
        for pending in self._begun:
            pending.wait()
        self._begun.clear()

    def _complete(self, leaf: Variable) -> None:
        """Begin the sums of those buckets that are complete, as far as all before them are."""
        if bucket := self._of.get(id(leaf)):
            bucket.missing.discard(id(leaf))
            waiting = (number for number, bucket in enumerate(self._buckets) if bucket.missing)
            self._begin(next(waiting, len(self._buckets)))

    def _begin(self, stop: int) -> None:
        """Begin the sums of all buckets up to number `stop` that have not begun."""
        for bucket in self._buckets[len(self._begun) : stop]:
            before = self._before if bucket is self._buckets[0] else _nothing
            interlude(functools.partial(self._begin_one, bucket, bucket.unused, before))

    def _begin_one(self, bucket: _Bucket, unused: list[Place], before: Action) -> None:
        before()
        self._begun.append(bucket.begin(unused, self._communicator))


def bucket_bytes(total: int) -> int:
    """The size of a sum of gradients, of `total` bytes of them."""
    return min(LARGE, max(SMALL, total // BUCKETS))


def _cut(flat: FlatParameters) -> list[_Bucket]:
    """The flat memory in buckets, from its end."""
    enough = bucket_bytes(flat.gradients.nbytes)
    buckets = [_Bucket(flat)]
    for member in zip(reversed(flat.parameters), reversed(flat.places), strict=True):
        if buckets[-1].bytes >= enough:
            buckets.append(_Bucket(flat))
        buckets[-1].members.append(member)
    return buckets
