"""What the check has found so far, written to check.md after every part."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.gpu import page as benchmark_page
from results_page import table

from gpucnn.files import atomic_write

PAGE = "check.md"
HEAD = """# gpucnn on this GPU

Parts in the order in which they ran; what a part found in full is in the file beside it. A part that failed, or that
time did not reach, says so here.
"""


class Part(NamedTuple):
    """A part of the check: `work(record)` returns what it found, in a line, and raises PartError where it is bad.

    It begins only while at least `seconds` are left, and should take no more.
    """

    name: str
    file: str
    seconds: float
    work: Callable[["Record"], str]


class PartError(Exception):
    """What a part found is bad; the message says what."""


class Record:
    """The rows of check.md, and the benchmark's results, for the table of marks. `scale` is handed to the parts."""

    def __init__(self, out: Path, caches: Path, scale: Any, seconds: float) -> None:
        self.out, self.caches, self.scale = out, caches, scale
        self.results: dict[str, Any] = {}
        self.failed = False
        self._end = time.monotonic() + seconds
        self._rows: list[list[str]] = []

    def left(self) -> float:
        """Seconds until the check ends."""
        return self._end - time.monotonic()

    def run(self, part: Part) -> None:
        """Do a part, if there is time, and write what it found."""
        print(f"== {part.name}, {self.left():.0f} s left", flush=True)
        start = time.monotonic()
        outcome, found = self._outcome(part)
        print(f"   {outcome}: {found}", flush=True)
        self._rows.append([part.name, outcome, f"{time.monotonic() - start:.1f} s", found, part.file])
        self.write()

    def _outcome(self, part: Part) -> tuple[str, str]:
        if self.left() < part.seconds:
            return "not measured", f"{self.left():.0f} s were left, and it takes up to {part.seconds:.0f}"
        try:
            return "passed", part.work(self)
        except PartError as error:
            self.failed = True
            return "FAILED", str(error)
        except Exception as error:  # a fault of the check itself costs this part alone
            traceback.print_exc()
            self.failed = True
            return "FAILED", f"{type(error).__name__}: {error}"

    def write(self) -> None:
        """Write check.md."""
        atomic_write(self.out / PAGE, self.page().encode())

    def page(self) -> str:
        """The parts and the marks."""
        rows = [[cell.replace("|", "\\|") for cell in row] for row in self._rows]
        parts = table(["part", "", "took", "found", "in full"], rows)
        return f"{HEAD}\n{parts}\n{benchmark_page.required(self.results)}"
