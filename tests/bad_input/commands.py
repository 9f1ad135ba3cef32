"""A small configuration, and the commands that are given it."""

import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable

from tests.small import small_config

CONFIG = small_config(200, 40)
TRAIN = "train x.yaml --run-dir run --quiet"
GO_ON = "train x.yaml --resume run --quiet train.epochs=3"
LAST, PREVIOUS = "checkpoints/last.safetensors", "checkpoints/previous.safetensors"  # in a run's folder
MODEL = "model.safetensors"
Judge = Callable[..., None]  # the fixture `refused`


def changed(*pairs: tuple[str, str]) -> str:
    """`CONFIG` with some of its text exchanged."""
    text = CONFIG
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def process(command: str, limit: int | None = None, **variables: str) -> "subprocess.CompletedProcess[str]":
    """`gpucnn COMMAND` in a process of its own, none of whose files may grow beyond `limit` bytes."""
    bounds = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.run(
        [sys.executable, "-m", "gpucnn.cli", *shlex.split(command)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **variables},
        preexec_fn=bounds,
        capture_output=True,
        text=True,
        timeout=60,
    )
