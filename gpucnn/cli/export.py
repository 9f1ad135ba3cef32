"""`gpucnn export`: write a trained network for other places."""

import argparse

from gpucnn import backend
from gpucnn.cli.evaluate import own_data
from gpucnn.errors import InputError
from gpucnn.export import export_c, export_c_int8, export_onnx, export_page
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
    if arguments.page:
        export_page(saved.classifier(), arguments.page, saved.config.name)
        print(f"{arguments.page}: open it in a browser")
    if arguments.c:
        _c(saved, arguments)


def _check(arguments: argparse.Namespace) -> None:
    """Raise InputError, before any work, where nothing is asked for, or an option of something that is not."""
    if not (arguments.onnx or arguments.page or arguments.c):
        raise InputError("export: nothing to write; give --onnx FILE, --page FILE.html or --c FILE.h")
    for option, target in (("bare", "onnx"), ("int8", "c")):
        if getattr(arguments, option) and not getattr(arguments, target):
            raise InputError(f"--{option}: it is an option of --{target}; give both")


def _onnx(saved: SavedRun, arguments: argparse.Namespace) -> None:
    worst = export_onnx(saved.classifier(), arguments.onnx, bare=arguments.bare)
    judged = "onnxruntime is not installed, so its answers were not compared"
    if worst is not None:
        judged = f"ONNX Runtime's answers differ by {worst:.1g} at most"
    print(f"{arguments.onnx}: {judged}")


def _c(saved: SavedRun, arguments: argparse.Namespace) -> None:
    title = saved.config.name
    if not arguments.int8:
        export_c(saved.classifier(), arguments.c, title)
        print(f"{arguments.c}: weights in float32")
        return
    data = own_data(saved)
    before, after = export_c_int8(saved.classifier(), arguments.c, data.train.images, data.test, title)
    print(f"{arguments.c}: weights in 8 bits; accuracy on the test images {before:.2%} before, {after:.2%} after")
