"""ONNX Runtime's inference, in float32, as many threads as it chooses."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import onnxruntime

from bench.with_onnx import exported
from bench.workloads import Network

Step = Callable[[], Any]


def describe(form: str) -> dict[str, Any]:
    """The version."""
    return {"version": onnxruntime.__version__}


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch."""
    model, images = exported(network, batch)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    given = {"images": images.numpy()}
    yield lambda: session.run(None, given)
