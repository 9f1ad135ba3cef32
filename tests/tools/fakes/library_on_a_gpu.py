"""A library for the GPU benchmark that computes nothing: its forms succeed or fail as their names have it."""

import json
import os
import time
from pathlib import Path

from bench.gpu.clock import Timed, repeated

STEP_SECONDS = 1e-4


class Library:
    """What FAKE_FAILURES in the environment says of a form, or of a library's first form, happens to it."""

    def __init__(self, form: str, precision: str) -> None:
        self._name = f"{form}-{precision}"
        self._fate = json.loads(os.environ.get("FAKE_FAILURES", "{}")).get(self._name, "")
        print("libraries print")  # which is no answer
        if self._fate == "is absent":
            raise ImportError("no such library\nand more")

    def describe(self) -> dict[str, str]:
        return {"version": "1.0", "beneath": os.environ["CUPY_TF32"]}

    def prepare(self, kind: str, network, batch: int) -> Timed:
        if self._fate == "cannot prepare":
            raise MemoryError("out of memory: batch 64 | the largest\nand a stack")
        timed = Timed(repeated(self._step), self._clock, lambda: self._launched(kind))
        with Path(os.environ["FAKE_ORDER"]).open("a") as order:
            order.write(f"prepared {self._name} {kind}\n")
        return timed

    def give_back(self) -> None:
        """It holds nothing."""

    def _step(self) -> None:
        if self._fate == "dies":
            os._exit(3)

    def _clock(self, work) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start + STEP_SECONDS

    def _launched(self, kind: str) -> int:
        if self._fate == "cannot count":
            raise OSError("no profiler")
        return 7

    def memory_mib(self) -> float:
        return 12.5

    def limits(self) -> dict[str, float]:
        if self._fate == "is slow":
            time.sleep(60)
        return {"copy_gbytes": 4000.0, "tflops": 50.0}

    def lasting(self, network, batch: int, steps: int) -> dict[str, float]:
        held = {"device_before_MiB": 700.0, "pool_before_MiB": 50.0}
        return {"steps": steps, **held, "device_after_MiB": 700.0, "pool_after_MiB": 50.0}
