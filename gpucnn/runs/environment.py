"""The environment of a run: versions, machine, device, kernels."""

import contextlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

from gpucnn import backend, threads
from gpucnn.kernels import dispatch
from gpucnn.kernels.cuda import precision
from gpucnn.version import __version__

PACKAGES = ("numpy", "safetensors", "pillow", "cupy-cuda12x", "cupy-cuda13x")  # listed if installed


def describe_environment() -> dict[str, Any]:
    """The contents of environment.json.

    Its keys are `versions`, `platform`, `device`, `kernels`, `precision`, `threads` and `git_commit`, which is that of
    the checkout that holds the package, or None outside a checkout.
    """
    return {
        "versions": {"gpucnn": __version__, "python": platform.python_version(), **_versions()},
        "platform": platform.platform(),
        "device": str(backend.device()),
        "kernels": kernels_name(),
        "precision": precision.get() if backend.device().kind == "cuda" else "float32",
        "threads": threads.thread_count(),
        "git_commit": _git_commit(),
    }


def kernels_name() -> str:
    """The kernel set in use: cuda, cupy, numpy, or C for an instruction set, such as c-avx512."""
    if backend.device().kind == "cuda":
        return "cupy" if dispatch.asked() == "numpy" else "cuda"
    return dispatch.chosen() if dispatch.chosen() == "numpy" else f"c-{dispatch.chosen()}"


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _git_commit() -> str | None:
    """The commit of the checkout that tracks this file, not of one that merely contains the virtual environment."""
    here = Path(__file__).parent
    tracked = _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
    return _git(here, "rev-parse", "HEAD") if tracked else None


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None if it fails or is not installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
