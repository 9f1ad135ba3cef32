"""`gpucnn export`: write a trained network for other places."""

import argparse

from gpucnn import backend
from gpucnn.errors import InputError
from gpucnn.export import export_onnx
from gpucnn.kernels import dispatch
from gpucnn.runs.saved import SavedRun, open_run


def run(arguments: argparse.Namespace) -> None:
    """Write each file that is asked for, and print a line on it; the CPU's answers are those to agree with."""
    _check(arguments)
    backend.set_device("cpu")
    dispatch.choose(dispatch.requested())
    saved = open_run(arguments.run_name)
    if arguments.onnx:
        _onnx(saved, arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Raise InputError, before any work, where nothing is asked for, or an option of something that is not."""
    if not arguments.onnx:
        raise InputError("export: nothing to write; give --onnx FILE")
    if arguments.bare and not arguments.onnx:
        raise InputError("--bare: it is an option of --onnx FILE; give both")


def _onnx(saved: SavedRun, arguments: argparse.Namespace) -> None:
    worst = export_onnx(saved.classifier(), arguments.onnx, bare=arguments.bare)
    judged = "onnxruntime is not installed, so its answers were not compared"
    if worst is not None:
        judged = f"ONNX Runtime's answers differ by {worst:.1g} at most"
    print(f"{arguments.onnx}: {judged}")
