"""How much longer a training takes while its live page is watched.

    python tools/check_live.py [PAIRS]

LeNet on the data of GPUCNN_DATA_DIR, PAIRS times (default 15) with the page and without, in turns. The page is asked as
an open one asks, by this process. Exits with 1 where the median of the pairs is more than 1 % longer. Nothing else
should run: between two trainings alike a machine that others share differs by more than that.
"""

import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

MOST = 1.01  # times as long
LOOK, APART = 1.0, 5.0  # seconds between two questions, and between two drawings: those of live.js
OPTIONS = ["lenet", "data.fallback=null", "train.epochs=4", "report=false", "--quiet"]


def watch(url: str, asked: list[int]) -> None:
    """Ask as the page does, until nobody answers; `asked` becomes how often, and how often for the facts."""
    drawn, version = -APART, None
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            now = json.loads(_read(f"{url}progress"))["version"]
            asked[0] += 1
            if now != version and time.monotonic() - drawn >= APART:
                _read(f"{url}facts")
                asked[1] += 1
                version, drawn = now, time.monotonic()
            time.sleep(LOOK)


def _read(url: str) -> bytes:
    """What lies at an address, once the training is prepared."""
    while True:
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.1)


def train(folder: Path, live: bool) -> float:
    """Seconds of a training, with a page that is watched or without."""
    line = [sys.executable, "-m", "gpucnn", "train", *OPTIONS, "--run-dir", str(folder), *["--live"] * live]
    asked = [0, 0]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            if text.startswith("live: "):
                threading.Thread(target=watch, args=(text.split()[1], asked), daemon=True).start()
    if process.returncode:
        raise RuntimeError(f"failed: {' '.join(line)}")
    if live and not all(asked):
        raise RuntimeError("the page was not asked")
    return json.loads((folder / "result.json").read_text())["train_seconds"]


def main(pairs: int) -> int:
    """Measure, and print each pair."""
    ratios = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(pairs):
            order = (True, False) if number % 2 else (False, True)
            seconds = {live: train(Path(scratch) / f"{number}-{live}", live) for live in order}
            ratios.append(seconds[True] / seconds[False])
            print(f"{seconds[False]:.2f} s without, {seconds[True]:.2f} s with the page: {ratios[-1]:.3f}", flush=True)
    median = statistics.median(ratios)
    print(f"median of {pairs} pairs: {median:.3f} (at most {MOST})")
    return int(median > MOST)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
