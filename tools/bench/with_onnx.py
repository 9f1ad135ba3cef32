"""A network as an ONNX model, which the libraries for inference alone read; PyTorch writes it."""

import io
import warnings
from typing import Any

import torch

from bench.with_torch import prepare
from bench.workloads import Network


def exported(network: Network, batch: int) -> tuple[bytes, torch.Tensor]:
    """The model for batches of that size, and images (N, C, H, W)."""
    net, images = prepare(network, batch, "eager")
    model: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch recommends its other exporter, which needs more packages
        torch.onnx.export(net.eval(), (images,), model, dynamo=False, input_names=["images"], output_names=["logits"])
    return model.getvalue(), images
