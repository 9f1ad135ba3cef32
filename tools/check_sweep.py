"""How long a sweep takes on one worker and on two, and whether one that was killed ends with the same page.

    python tools/check_sweep.py [FOLDER]

24 runs of LeNet on the digits of the package. Exits with 1 where two workers take more than 0.55 of the time
of one, or the pages differ. The machine should have two cores and nothing else to do.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

MOST = 0.55  # of one worker's time
OPTIONS = [
    "lenet", "data.name=digits", "data.fallback=null", "data.validation=0.2", "train.epochs=6",
    "optimizer.lr=0.01,0.02,0.05,0.1", "train.batch_size=16,32", "seed=0..2",
]  # fmt: skip


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    """The command, without what it prints."""
    return subprocess.Popen([sys.executable, "-m", "gpucnn", "sweep", *arguments], stdout=subprocess.DEVNULL)


def seconds(*arguments: str) -> float:
    """How long the command takes. Raises RuntimeError where it fails."""
    begin = time.perf_counter()
    if start(*arguments).wait():
        raise RuntimeError(f"failed: gpucnn sweep {' '.join(arguments)}")
    return time.perf_counter() - begin


def main(folder: Path) -> int:
    """Measure, kill, resume, compare."""
    one = seconds(*OPTIONS, "--workers", "1", "--run-dir", str(folder / "one"))
    two = seconds(*OPTIONS, "--workers", "2", "--run-dir", str(folder / "two"))
    print(f"one worker {one:.1f} s, two {two:.1f} s: {two / one:.3f} (at most {MOST})")
    cut = start(*OPTIONS, "--workers", "2", "--run-dir", str(folder / "cut"))
    time.sleep(two / 2)
    cut.kill()
    cut.wait()
    done = len(list((folder / "cut").glob("*/result.json")))
    seconds("--resume", str(folder / "cut"), "--workers", "2")
    pages = {(folder / name / "sweep.html").read_bytes() for name in ("one", "two", "cut")}
    print(f"killed after {done} of 24 runs and resumed: {'the same page' if len(pages) == 1 else 'ANOTHER PAGE'}")
    return int(two > MOST * one or len(pages) > 1)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else scratch)))
