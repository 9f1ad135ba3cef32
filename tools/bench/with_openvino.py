"""OpenVINO's inference, in float32: its default may be bfloat16."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import openvino

from bench.with_onnx import exported
from bench.workloads import Network

Step = Callable[[], Any]
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}


def describe(form: str) -> dict[str, Any]:
    """The version."""
    return {"version": openvino.__version__}


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch."""
    model, images = exported(network, batch)
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model), "CPU", OPTIONS)
    given = [images.numpy()]
    yield lambda: compiled(given)
