"""The programs in docs/examples run as they are, learn, and are short."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def printed(name: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def accuracy(line: str) -> float:
    (percent,) = re.findall(r"test accuracy (\d+\.\d+)%", line)
    return float(percent)


def test_the_training_loop_learns():
    epochs = printed("training_loop.py")
    assert [line.split(":")[0] for line in epochs] == ["epoch 1", "epoch 2", "epoch 3"]
    assert accuracy(epochs[-1]) > 93 and accuracy(epochs[-1]) > accuracy(epochs[0])


def test_gradients_add_up_and_the_own_function_learns():
    fork, network = printed("own_function.py")
    assert fork == "y = x·x + 3·x at x = 2 is 10, and its slope is 7"
    assert accuracy(network) > 90


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_they_are_short(path):
    assert len(path.read_text().splitlines()) <= 60
