"""A contestant's process as its owner sees it: asked, waited for, given up."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

from bench.contestants import CHOSEN_HERE
from bench.gpu.contestants import CONTESTANTS, MODULES, Contestant
from bench.gpu.trials import LOCK
from bench.processes import TOOLS, ContestantError

START_SECONDS, ANSWER_SECONDS = 150.0, 60.0  # before a process that does not answer is given up
ON_THE_GPU = {
    "GPUCNN_DEVICE": "cuda",
    "JAX_PLATFORMS": "cuda",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # JAX would take three quarters of the device's memory at once
    "TORCHINDUCTOR_COMPILE_THREADS": "1",  # no processes beside the contestant's own
    "PYTHONUNBUFFERED": "1",
}
CHOSEN_ON_THE_GPU = (*CHOSEN_HERE, "CUPY_TF32", "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE")
CACHES = ("CUPY_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")


def environment(precision: str, caches: Path) -> dict[str, str]:
    """For a process that measures: its choices are made here, and compiled code is kept in the folder `caches`."""
    kept = {key: value for key, value in os.environ.items() if key not in CHOSEN_ON_THE_GPU}
    path = os.pathsep.join(filter(None, [str(TOOLS), os.environ.get("PYTHONPATH", "")]))
    own = {"PYTHONPATH": path, "CUPY_TF32": str(int(precision == "tf32")), LOCK: str(caches / "trials.lock")}
    return kept | ON_THE_GPU | own | {name: str(caches / name.lower()) for name in CACHES}


class Worker:
    """A contestant's process. Whatever it is asked for raises ContestantError where it fails; `close` always ends it.

    Tracebacks, and all that its library prints, go to the file `log`.
    """

    def __init__(self, contestant: Contestant, caches: Path, log: IO[str]) -> None:
        command = [
            *(sys.executable, "-m", "bench.gpu.worker"),
            *(MODULES[contestant.library], contestant.form, contestant.precision),
        ]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment(contestant.precision, caches),
        )
        self._replies: queue.Queue[str] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Hand on the replies; an empty one is the end."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put("")

    def ask(self, do: str, patience: float = ANSWER_SECONDS, **given: Any) -> Any:
        """The answer to a request; `patience` is in seconds."""
        assert self._process.stdin is not None
        try:
            print(json.dumps({"do": do, **given}), file=self._process.stdin, flush=True)
            reply = self._replies.get(timeout=max(1.0, patience))
        except queue.Empty:
            raise ContestantError(f"no answer after {patience:.0f} s") from None
        except OSError:
            reply = ""
        if not reply:
            raise ContestantError(f"its process ended with exit code {self._process.wait()}")
        found = json.loads(reply)
        if "error" in found:
            raise ContestantError(found["error"])
        return found["answer"]

    def kill(self) -> None:
        """End the process, without waiting for it."""
        self._process.kill()

    def close(self) -> None:
        """End the process, and wait until it has given its memory back."""
        self.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was asked last may still wait in the pipe
                assert pipe is not None
                pipe.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Workers:
    """The contestants' processes, each started when it is first needed and kept for what comes later.

    `caches` is a folder for compiled code; what the processes print goes to the file `log`.
    """

    def __init__(self, caches: Path, log: IO[str]) -> None:
        self._caches, self._log = caches, log
        self._running: dict[str, Worker] = {}

    def get(self, name: str) -> Worker:
        """The process of contestant `name`."""
        if name not in self._running:
            self._running[name] = Worker(CONTESTANTS[name], self._caches, self._log)
        return self._running[name]

    def end(self, *names: str) -> None:
        """End these contestants' processes: all are killed before one is waited for."""
        ended = [self._running.pop(name) for name in names if name in self._running]
        for worker in ended:
            worker.kill()
        for worker in ended:
            worker.close()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self.end(*list(self._running))
