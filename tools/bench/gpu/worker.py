"""One contestant, in a process that loads its library alone and does what it is asked for, line by line.

    python -m bench.gpu.worker MODULE FORM PRECISION

Requests and answers are one line of JSON each: a request names a function of `Answers` under "do", and what it is
given; an answer is {"answer": ...}, or {"error": the cause in a line} with the whole traceback on standard error. What
libraries print goes there too. The process ends where its standard input does.
"""

import contextlib
import gc
import importlib
import json
import os
import sys
import time
import traceback
from typing import IO, Any

from bench.gpu.clock import Timed
from bench.gpu.contestants import TRAINING
from bench.gpu.trials import waited
from bench.workloads import Network


class Answers:
    """What a contestant's process can be asked for; every function gives what JSON can hold."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self._timed: dict[str, Timed] = {}

    def describe(self) -> dict[str, Any]:
        """Versions."""
        return self._library.describe()

    def prepare(self, kind: str, network: str, batch: int) -> dict[str, float]:
        """Build, compile or capture steps of one kind; the seconds until they run, and the memory they have taken.

        Training comes first at a workload: the steps of the workload before are given up, and their memory.
        """
        if kind == TRAINING:
            self._timed.clear()
            gc.collect()
            self._library.give_back()
        start = time.perf_counter() - waited()
        timed = self._library.prepare(kind, Network.from_json(network), batch)
        ready = time.perf_counter() - waited() - start
        timed.probe()
        self._timed[kind] = timed
        return {"ready_s": ready, "memory_MiB": self._library.memory_mib()}

    def measure(self, kind: str, seconds: float) -> float:
        """Milliseconds of one step."""
        return self._timed[kind].milliseconds(seconds)

    def launches(self, kind: str) -> int | None:
        """Kernels, copies and fills of one step, where they can be counted."""
        return self._timed[kind].launches()

    def limits(self) -> dict[str, float]:
        """What the device can do at most."""
        return self._library.limits()

    def lasting(self, network: str, batch: int, steps: int) -> dict[str, float]:
        """Device memory before and after so many captured steps."""
        return self._library.lasting(Network.from_json(network), batch, steps)


def main() -> None:
    """Answer until nothing more is asked."""
    module, form, precision = sys.argv[1:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    answers: Answers | None = None
    for line in sys.stdin:
        with _replied(replies, f"{form}, {precision}: {line:.80}") as reply:
            request = json.loads(line)
            if answers is None:
                answers = Answers(importlib.import_module(module).Library(form, precision))
            reply["answer"] = getattr(answers, request.pop("do"))(**request)


@contextlib.contextmanager
def _replied(replies: IO[str], asked: str) -> Any:
    """A reply to fill in; what is raised inside becomes an error in it, and is told of with what was asked."""
    reply: dict[str, Any] = {}
    try:
        yield reply
    except Exception as error:  # whatever a library raises is its contestant's failure alone
        print(f"--- {asked}", file=sys.stderr)
        traceback.print_exc()
        said = str(error).strip().splitlines()
        reply = {"error": f"{type(error).__name__}: {said[0]}" if said else type(error).__name__}
    print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
