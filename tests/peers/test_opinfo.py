"""PyTorch's own samples of inputs (its OpInfo): outputs and every gradient are PyTorch's, in float64."""

import warnings
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import InputError
from tests.judges import close, upstream

pytest.importorskip("torch", reason="PyTorch is not installed, whose samples these are")
pytest.importorskip("expecttest", reason="expecttest is not installed, which PyTorch's samples need")

pytestmark = pytest.mark.usefixtures("device")


class LacksError(Exception):
    """gpucnn does not offer this."""


def lacks(reason: str, condition: bool) -> None:
    if condition:
        raise LacksError(reason)


def batched(axes: int, function: Callable) -> Callable:
    """Pooling and convolution of images in a batch, by PyTorch's keywords."""

    def call(x, *args, return_indices=False, **options):
        lacks("images without a batch", x.ndim == axes + 1)
        lacks("indices", return_indices)
        lacks("empty batches", x.size == 0)
        return function(x, *args, **options)

    return call


def averaged(axes: int, function: Callable) -> Callable:
    def call(x, size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None):
        lacks("a divisor of one's own", divisor_override is not None)
        lacks("one number in a tuple for all axes", isinstance(padding, tuple) and len(padding) < axes)
        return function(x, size, stride, padding, ceil_mode, count_include_pad)

    return batched(axes, call)


def batch_norm(x, *args, **options):
    lacks("rows without a batch", x.ndim == 1)
    lacks("empty batches", x.size == 0)
    return F.batch_norm(x, *args, **options)


def adaptive(axes: int, function: Callable) -> Callable:
    def call(x, output_size, return_indices=False):
        lacks("indices", return_indices)
        lacks("images without a batch", x.ndim == axes + 1)
        lacks("empty batches", 0 in x.shape)
        return function(x, output_size)

    return call


def normalised(function: Callable) -> Callable:
    def call(x, *args, **options):
        lacks("empty batches", x.size == 0)
        return function(x, *args, **options)

    return call


def layer_norm(x, *args, **options):
    lacks("axes of a number", x.ndim == 0)
    lacks("empty batches", x.size == 0)
    return F.layer_norm(x, *args, **options)


def concatenate(tensors, dim=0):
    lacks("joining tensors of other numbers of axes", len({t.ndim for t in tensors}) > 1)
    return gpucnn.concatenate(tensors, dim)


def transpose(x, first, second):
    lacks("axes of a number", x.ndim == 0)
    return x.transpose(first, second)


def flatten(x, start_dim=0, end_dim=-1):
    lacks("flattening of some axes in the middle", end_dim not in (-1, x.ndim - 1))
    lacks("axes of a number", x.ndim == 0)
    return F.flatten(x, start_dim)


def cross_entropy(x, target, weight=None, ignore_index=-100, **options):
    lacks("weights of classes", weight is not None)
    lacks("labels that are ignored", ignore_index != -100)
    lacks("one image without a batch", x.ndim == 1)
    return F.cross_entropy(x, target, **options)


def pad(x, pad, mode="constant", value=None):
    lacks("padding that cuts off", min(pad) < 0)
    return F.pad(x, list(pad), {"constant": "zeros"}.get(mode, mode), value or 0.0)


def softmax(function: Callable) -> Callable:
    def call(x, dim, dtype=None):
        lacks("another dtype", dtype is not None)
        lacks("axes of a number", x.ndim == 0)
        lacks("empty batches", x.size == 0)
        return function(x, dim)

    return call


def prelu(x, weight):
    lacks("axes of a number", x.ndim == 0)
    return F.prelu(x, weight)


def reduction(name: str) -> Callable:
    def call(x, dim=None, keepdim=False, dtype=None):
        lacks("another dtype", dtype is not None)
        return getattr(x, name)(tuple(dim) if isinstance(dim, list) else dim, keepdim)

    return call


def scaled(function: Callable) -> Callable:
    """Addition with PyTorch's factor before the second operand."""
    return lambda a, b, alpha=1: function(a, b if alpha == 1 else b * alpha)


BATCHES = {"empty batches": 1}

# PyTorch's name, our word for it, how many of its samples run, and why the others do not
OPERATIONS = [
    ("nn.functional.conv1d", batched(1, F.conv1d), 5, {"images without a batch": 5}),
    ("nn.functional.conv2d", batched(2, F.conv2d), 15, {"images without a batch": 15}),
    ("nn.functional.conv3d", batched(3, F.conv3d), 10, {"images without a batch": 10}),
    ("nn.functional.conv_transpose1d", batched(1, F.conv_transpose1d), 5, {"images without a batch": 5}),
    ("nn.functional.conv_transpose2d", batched(2, F.conv_transpose2d), 6, {"images without a batch": 6}),
    ("nn.functional.conv_transpose3d", batched(3, F.conv_transpose3d), 5, {"images without a batch": 5}),
    ("nn.functional.max_pool1d", batched(1, F.max_pool1d), 288, {"indices": 288, "images without a batch": 288}),
    ("nn.functional.max_pool2d", batched(2, F.max_pool2d), 576, {"indices": 576, "images without a batch": 288}),
    ("nn.functional.max_pool3d", batched(3, F.max_pool3d), 192, {"indices": 192, "images without a batch": 192}),
    ("nn.functional.avg_pool1d", averaged(1, F.avg_pool1d), 8, {"empty batches": 1}),
    (
        "nn.functional.avg_pool2d",
        averaged(2, F.avg_pool2d),
        1,
        {"a divisor of one's own": 5, "one number in a tuple for all axes": 1},
    ),
    ("nn.functional.avg_pool3d", averaged(3, F.avg_pool3d), 3, {"a divisor of one's own": 4, "empty batches": 1}),
    ("nn.functional.batch_norm", batch_norm, 10, {"rows without a batch": 2}),
    (
        "nn.functional.adaptive_avg_pool1d",
        adaptive(1, F.adaptive_avg_pool1d),
        2,
        BATCHES | {"images without a batch": 3},
    ),
    ("nn.functional.adaptive_avg_pool2d", adaptive(2, F.adaptive_avg_pool2d), 5, {"images without a batch": 5}),
    (
        "nn.functional.adaptive_avg_pool3d",
        adaptive(3, F.adaptive_avg_pool3d),
        5,
        BATCHES | {"images without a batch": 6},
    ),
    *(
        (
            f"nn.functional.adaptive_max_pool{axes}d",
            adaptive(axes, getattr(F, f"adaptive_max_pool{axes}d")),
            ran,
            {"indices": 2 * ran, "images without a batch": ran},
        )
        for axes, ran in ((1, 2), (2, 6), (3, 5))
    ),
    *(
        (f"nn.functional.interpolate.{mode}", F.interpolate, ran, {})
        for mode, ran in (("nearest", 23), ("linear", 18), ("bilinear", 24), ("trilinear", 24))
    ),
    ("nn.functional.layer_norm", layer_norm, 5, {"empty batches": 1}),
    ("nn.functional.group_norm", normalised(F.group_norm), 17, {"empty batches": 4}),
    ("nn.functional.instance_norm", normalised(F.instance_norm), 9, {}),
    ("nn.functional.linear", F.linear, 18, {}),
    ("nn.functional.cross_entropy", cross_entropy, 14, {"weights of classes": 6, "labels that are ignored": 1}),
    ("nn.functional.mse_loss", F.mse_loss, 6, {}),
    ("nn.functional.pad", pad, 47, {"padding that cuts off": 4}),
    ("nn.functional.relu", F.relu, 4, {}),
    ("nn.functional.leaky_relu", F.leaky_relu, 9, {}),
    ("nn.functional.gelu", F.gelu, 8, {}),
    ("nn.functional.silu", F.silu, 3, {}),
    ("nn.functional.elu", F.elu, 3, {}),
    ("nn.functional.hardswish", F.hardswish, 4, {}),
    ("nn.functional.softplus", F.softplus, 3, {}),
    ("nn.functional.prelu", prelu, 19, {"axes of a number": 6}),
    ("softmax", softmax(F.softmax), 5, {"empty batches": 1, "axes of a number": 1}),
    ("log_softmax", softmax(F.log_softmax), 5, {"empty batches": 1, "axes of a number": 1}),
    ("sigmoid", F.sigmoid, 3, {}),
    ("tanh", F.tanh, 1, {}),
    ("matmul", lambda a, b: a @ b, 15, {}),
    ("add", scaled(lambda a, b: a + b), 11, {}),
    ("sub", scaled(lambda a, b: a - b), 11, {}),
    ("mul", lambda a, b: a * b, 9, {}),
    ("div", lambda a, b, rounding_mode=None: a / b, 9, {}),
    ("pow", lambda a, b: a**b, 9, {}),
    ("exp", lambda x: x.exp(), 3, {}),
    ("log", lambda x: x.log(), 3, {}),
    ("sqrt", lambda x: x.sqrt(), 1, {}),
    ("abs", lambda x: x.abs(), 1, {}),
    ("neg", lambda x: -x, 1, {}),
    ("sum", reduction("sum"), 20, {}),
    ("mean", reduction("mean"), 20, {}),
    ("amax", reduction("amax"), 20, {}),
    ("permute", lambda x, axes: x.permute(axes), 4, {}),
    ("transpose", transpose, 7, {"axes of a number": 1}),
    ("reshape", lambda x, shape: x.reshape(shape), 7, {}),
    ("flatten", flatten, 5, {"axes of a number": 1}),
    ("__getitem__", lambda x, index: x[index], 16, {}),
    ("cat", concatenate, 8, {"joining tensors of other numbers of axes": 1}),
    ("stack", lambda tensors, dim=0: gpucnn.stack(tensors, dim), 9, {}),
]


@pytest.fixture(scope="module")
def samples_of(torch) -> dict:
    """PyTorch's descriptions of its operations, by name; of variants the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    names = {operation.name: operation for operation in reversed(op_db)}
    variants = {f"{each.name}.{each.variant_test_name}": each for each in op_db if each.variant_test_name}
    return variants | names


class Converter:
    """PyTorch's arguments as ours, with every leaf that wants a gradient beside its twin."""

    def __init__(self, torch):
        self.torch, self.leaves = torch, []

    def __call__(self, value):
        if isinstance(value, self.torch.Tensor):
            lacks("complex numbers", value.is_complex())
            mine = Tensor(value.detach().numpy(), requires_grad=value.requires_grad)
            if value.requires_grad:
                self.leaves.append((mine, value))
            return mine
        if isinstance(value, list | tuple) and not isinstance(value, self.torch.Size):
            return type(value)(map(self, value))
        return {key: self(part) for key, part in value.items()} if isinstance(value, dict) else value


def judge(torch, operation, ours, sample) -> None:
    """Run a sample on both sides and compare outputs and gradients."""
    convert = Converter(torch)
    args, options = convert((sample.input, *sample.args)), convert(sample.kwargs)
    expected = operation(sample.input, *sample.args, **sample.kwargs)
    with np.errstate(all="ignore"):
        found = ours(*args, **options)
        what = f"{operation.name} of {sample.summary()}"
        close(found.numpy(), expected.detach(), what)
        gradient = upstream(expected.shape)
        gradients = torch.autograd.grad(
            expected, [leaf for _, leaf in convert.leaves], torch.tensor(gradient), allow_unused=True
        )
        found.backward(Tensor(gradient))
    for (mine, leaf), wanted in zip(convert.leaves, gradients, strict=True):
        wanted = np.zeros(leaf.shape) if wanted is None else wanted.numpy()
        close(np.zeros(leaf.shape) if mine.grad is None else mine.grad.numpy(), wanted, f"gradient of {what}")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "ours", "enough", "known"), OPERATIONS, ids=[name for name, *_ in OPERATIONS])
def test_samples(torch, samples_of, name, ours, enough, known):
    ran, lacking = 0, Counter()
    for sample in samples_of[name].sample_inputs("cpu", torch.float64, requires_grad=True):
        try:
            judge(torch, samples_of[name], ours, sample)
            ran += 1
        except LacksError as reason:
            lacking[str(reason)] += 1
    assert (ran, dict(lacking)) == (enough, known)


WINDOWED = [  # PyTorch says of none that it refuses what a transposed convolution does not take
    entry[:2] for entry in OPERATIONS if ("conv" in entry[0] or "pool" in entry[0]) and "transpose" not in entry[0]
]


@pytest.mark.parametrize(("name", "ours"), WINDOWED, ids=[name for name, _ in WINDOWED])
def test_what_pytorch_refuses_is_refused_in_words(torch, samples_of, name, ours):
    for bad in samples_of[name].error_inputs("cpu"):
        if "same" in str(bad.sample_input.kwargs.get("padding")):
            continue  # at a stride: gpucnn has it
        sample, convert = bad.sample_input, Converter(torch)
        with pytest.raises((InputError, LacksError)):
            ours(*convert((sample.input, *sample.args)), **convert(sample.kwargs))
