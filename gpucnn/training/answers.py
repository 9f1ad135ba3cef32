"""What a network answers with, against labels of every kind: the shape that is expected, and how many are right."""

from typing import Any

from gpucnn.backend import Array, module_of, to_device
from gpucnn.errors import ShapeError
from gpucnn.tensor import Tensor
from gpucnn.training.class_numbers import class_numbers


def check_answers(output: Tensor, labels: Any) -> None:
    """Raise ShapeError unless an output (N, C, ...) is one for such labels.

    That is (N, C) for labels (N,) or rows, (N, C, H, W) for a class per pixel (N, H, W), and the labels' own shape for
    pictures.
    """
    if labels.ndim < 3:
        if output.ndim != 2:
            raise ShapeError(
                f"the network's output is {output.shape}; expected (images, classes). End it with flatten and linear"
            )
    elif output.ndim == labels.ndim + 1:
        if (output.shape[0], *output.shape[2:]) != labels.shape:
            raise ShapeError(
                f"the network's output is {output.shape}, and labels are a class per pixel, {labels.shape}; expected "
                f"{(labels.shape[0], 'classes', *labels.shape[1:])}. Let its layers keep the size of the images"
            )
    elif output.shape != labels.shape:
        raise ShapeError(
            f"the network's output is {output.shape}, and labels are {labels.shape}; expected pictures of that shape, "
            "or classes for each pixel. Let its last layer have as many channels, and the sizes of the labels"
        )


def count_right(output: Tensor, labels: Array) -> int:
    """How many images an output (N, C) classifies correctly; 0 where it has an answer for each pixel."""
    if output.ndim != 2:
        return 0
    scores = output.memory if output.batch_last else output.memory.T  # (C, N)
    return int(module_of(scores).count_nonzero(scores.argmax(axis=0) == to_device(class_numbers(labels))))
