"""`gpucnn info`: what gpucnn finds on this machine. It reports problems, and never fails."""

import argparse
import importlib.metadata
import os
import platform
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_info

import gpucnn
from gpucnn import backend, threads
from gpucnn.cli.table import in_bytes, table
from gpucnn.data.download import data_folder
from gpucnn.data.room import cache_folder, image_memory
from gpucnn.errors import InputError
from gpucnn.kernels import dispatch
from gpucnn.parallel import describe_mpi, describe_nccl


def run(arguments: argparse.Namespace) -> None:
    """Print a line for each thing found."""
    lines: list[tuple[str, Callable[[], str]]] = [
        ("gpucnn", lambda: gpucnn.__version__),
        ("Python", lambda: f"{platform.python_version()} on {platform.platform()}"),
        ("NumPy", lambda: np.__version__),
        ("BLAS", _blas),
        ("CuPy", _cupy_version),
        ("MPI", describe_mpi),
        ("NCCL", describe_nccl),
        ("cores usable", lambda: str(threads.usable_cores())),
        ("threads", lambda: str(threads.thread_count())),
        ("device", lambda: str(backend.set_device(os.environ.get("GPUCNN_DEVICE") or "auto"))),
        ("GPU", lambda: f"none: {cause}" if (cause := backend.why_no_gpu()) else backend.describe_gpu()),
        ("kernels on a CPU", dispatch.describe),
        ("C kernels", lambda: ", ".join(dispatch.library.usable()) or "none"),
        ("data folder", lambda: str(data_folder())),
        ("memory for images", lambda: in_bytes(image_memory())),
        ("decoded pictures", _decoded),
    ]
    print(table(("", ""), [(name, _said(find)) for name, find in lines], left=2).lstrip("\n"))


def _said(find: Callable[[], str]) -> str:
    """The finding, or the error that prevented it."""
    try:
        return find()
    except (InputError, OSError) as error:
        return f"none: {error}"


def _decoded() -> str:
    """The folder of decoded pictures, and what is in it."""
    files = list(cache_folder().glob("*.pixels"))
    return f"{cache_folder()}: {len(files)} files, {in_bytes(sum(file.stat().st_size for file in files))}"


def _blas() -> str:
    """The libraries that multiply matrices, and their threads before gpucnn holds them to one."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return (
        ", ".join(
            f"{library['internal_api']} {library['version']}, {library['num_threads']} threads" for library in libraries
        )
        or "unknown to threadpoolctl"
    )


def _cupy_version() -> str:
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "not installed"
