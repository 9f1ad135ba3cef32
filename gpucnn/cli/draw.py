"""`gpucnn draw`: a page to draw on that shows a trained network's prediction."""

import argparse

from gpucnn import backend
from gpucnn.draw import DrawServer, Reader
from gpucnn.errors import InputError
from gpucnn.kernels import dispatch
from gpucnn.runs.saved import open_run


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C, on the CPU, since it takes single images. Raises InputError."""
    backend.set_device("cpu")
    dispatch.choose(dispatch.requested())
    saved = open_run(arguments.run_name)
    classifier = saved.classifier()
    what = {"numbers": "numbers", "pixel_logits": "a class per pixel", "pictures": "pictures"}
    if classifier.pipeline.outputs in what:
        raise InputError(
            f"{saved.folder.path} answers with {what[classifier.pipeline.outputs]}, and the page shows classes; "
            "see gpucnn predict"
        )
    reader = Reader(classifier)
    with _server(reader, f"{saved.config.name}, {saved.folder.path}", arguments.port) as server:
        try:
            print(f"{server.url} shows what {saved.folder.path} makes of what you draw; Ctrl-C ends it", flush=True)
            server.serve_forever()
        except KeyboardInterrupt:
            print("\nended")


def _server(reader: Reader, title: str, port: int) -> DrawServer:
    try:
        return DrawServer(reader, title, port)
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}; give another, or none to have a free one chosen") from None
