"""What a run was trained with: versions, machine, device."""

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from gpucnn import backend, threads
from gpucnn.kernels import choice
from gpucnn.kernels.cuda import precision

PACKAGES = ("gpucnn", "numpy", "safetensors", "pillow", "cupy-cuda12x", "cupy-cuda13x")  # where installed


def describe_environment() -> dict[str, Any]:
    """What environment.json holds: `versions`, `platform`, `device`, `kernels`, `precision`, `threads`, `git_commit`.

    `git_commit` is that of the checkout this package lies in, None where it lies in none.
    """
    return {
        "versions": {"python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "device": str(backend.device()),
        "kernels": kernels_name(),
        "precision": precision.get() if backend.device().kind == "cuda" else "float32",
        "threads": threads.thread_count(),
        "git_commit": _git_commit(),
    }


def kernels_name() -> str:
    """The set of kernels that computes: cuda, cupy, numpy, or C for one instruction set, as in c-avx512."""
    if backend.device().kind == "cuda":
        return "cupy" if choice.asked() == "numpy" else "cuda"
    return choice.chosen() if choice.chosen() == "numpy" else f"c-{choice.chosen()}"


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _git_commit() -> str | None:
    """The commit of the checkout that tracks this file (not of one that a virtual environment lies in)."""
    here = Path(__file__).parent
    tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
    return _git(here, "rev-parse", "HEAD") if tracked else None


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, None where it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
