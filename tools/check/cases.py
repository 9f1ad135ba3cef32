"""Operations of CUDA kernels and of CuPy, through the public functions: the same arrays in, arrays out, on any device.

A case is a function of a random generator and a dtype, and returns the named arrays that it computed. Run with NumPy's
kernels on the CPU and with the CUDA kernels on a GPU, it must return the same but for rounding.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from gpucnn import Tensor, Trainer, nn, optim
from gpucnn import functional as F
from gpucnn.backend import to_host
from gpucnn.data import Dataset, Loader, Normalizer

Arrays = dict[str, np.ndarray]
Case = Callable[[np.random.Generator, str], Arrays]


def all_cases() -> Iterator[tuple[str, Case]]:
    """Every case under its name."""
    for number, options in enumerate(CONVOLUTIONS):
        yield f"convolution {number}: {options}", partial(convolution, **options)
    for number, options in enumerate(POOLED_CONVOLUTIONS):
        yield f"convolution and max-pooling {number}: {options}", partial(pooled_convolution, **options)
    for number, options in enumerate(TRANSPOSED_CONVOLUTIONS):
        yield f"transposed convolution {number}: {options}", partial(transposed_convolution, **options)
    for name, function in ELEMENTWISE.items():
        yield name, partial(elementwise, function)
    for number, (function, shape) in enumerate(POOLING):
        yield f"pooling {number}", partial(with_gradient, function, shape)
    for number, (function, shape) in enumerate(RESAMPLING):
        yield f"resampling {number}", partial(with_gradient, function, shape)
    for name, layer, inputs in WEIGHTED:
        yield f"{name} {inputs}", partial(weighted, layer, inputs)
    for number, (function, shape) in enumerate(SOFTMAX):
        yield f"softmax {number}", partial(with_gradient, function, shape)
    for shape in ((64, 10), (3, 7), (2048, 10), (5, 1000), (33, 4, 6, 5)):
        for smoothing in (0.0, 0.1):
            yield f"cross-entropy {shape}, smoothing {smoothing}", partial(cross_entropy, shape, smoothing)
    for shape in ((64, 6, 12, 12), (3, 5, 7, 6), (64, 16), (128, 4, 40, 40)):
        for training in (True, False):
            yield f"batch norm {shape}, training {training}", partial(batch_norm, shape, training)
    for mode in ("zeros", "replicate", "reflect"):
        pad = partial(F.pad, pad=(1, 2, 3, 1), mode=mode)
        yield f"pad {mode}", partial(with_gradient, pad, (3, 2, 6, 7))
    for m, k, n in ((10, 84, 64), (120, 400, 64), (3, 5, 1), (300, 700, 200), (32, 4096, 48)):
        for relu in (False, True):
            yield f"linear {m}x{k}, {n} images, relu {relu}", partial(linear, m, k, n, relu)
    for shapes in (((7, 5), (5, 9)), ((3, 20, 30), (3, 30, 40)), ((5, 6), (2, 6, 4)), ((2, 50, 2000), (2, 2000, 60))):
        yield f"matmul {shapes}", partial(matmul, *shapes)
    for name, make in OPTIMIZERS.items():
        yield f"optimizer {name}", partial(updates, make)
    for norm, value in ((0.5, None), (None, 0.01)):
        yield f"clipping to norm {norm}, value {value}", partial(clipping, norm, value)
    yield "accumulated gradients", accumulating
    for kind in ("uint8", "float32"):
        yield f"batches of {kind} images", partial(batches, kind)
    yield "subsampling", subsampling


CONVOLUTIONS: list[dict[str, Any]] = [
    {"x": (64, 1, 28, 28), "w": (6, 1, 5, 5), "padding": 2},
    {"x": (64, 6, 14, 14), "w": (16, 6, 5, 5)},
    {"x": (64, 32, 14, 14), "w": (64, 32, 3, 3), "padding": 1},
    {"x": (8, 16, 9, 11), "w": (8, 16, 3, 3), "stride": 2, "padding": 1},
    {"x": (3, 4, 9, 7), "w": (6, 2, 3, 2), "groups": 2, "dilation": 2},
    {"x": (1, 3, 8, 8), "w": (1, 3, 3, 3), "padding": "same"},
    {"x": (1, 2, 6, 5), "w": (4, 2, 1, 1)},
    {"x": (5, 8, 6, 6), "w": (8, 1, 3, 3), "groups": 8, "padding": 1},
    {"x": (64, 2, 10, 10), "w": (2, 2, 3, 3)},
    {"x": (64, 2, 10, 10), "w": (1, 2, 3, 3)},
    {"x": (64, 2, 6, 6), "w": (4, 2, 3, 3)},
    {"x": (7, 40, 6, 6), "w": (48, 40, 3, 3), "padding": 1},
    {"x": (64, 1, 60, 60), "w": (2, 1, 50, 50), "bias": False},
    {"x": (3, 1, 60, 60), "w": (2, 1, 50, 50)},
    {"x": (64, 2, 28, 28), "w": (64, 2, 3, 3), "padding": 1},
    {"x": (64, 4, 28, 28), "w": (2, 4, 3, 3), "padding": 1},
    {"x": (64, 4, 28, 28), "w": (4, 4, 3, 3), "padding": 1},
    {"x": (63, 4, 28, 28), "w": (4, 4, 3, 3), "padding": 1},
    {"x": (3, 2, 6, 5), "w": (12, 2, 3, 3)},
    {"x": (16, 3, 20), "w": (5, 3, 4), "stride": 3},
    {"x": (4, 2, 5, 6, 4), "w": (3, 2, 2, 3, 2), "padding": 1},
]

TRANSPOSED_CONVOLUTIONS: list[dict[str, Any]] = [
    {"x": (64, 16, 7, 7), "w": (16, 8, 4, 4), "stride": 2, "padding": 1},
    {"x": (5, 16, 9, 11), "w": (16, 8, 2, 2), "stride": 2, "bias": False},
    {"x": (64, 32, 1, 1), "w": (32, 32, 7, 7)},
    {"x": (3, 4, 5, 6), "w": (4, 2, 3, 2), "stride": (2, 3), "padding": 1, "output_padding": (1, 2), "groups": 2},
    {"x": (3, 6, 5, 4), "w": (6, 1, 3, 3), "dilation": 2, "groups": 6},
    {"x": (16, 5, 20), "w": (5, 3, 4), "stride": 3, "output_padding": 1},
    {"x": (4, 3, 3, 4, 2), "w": (3, 2, 2, 3, 2), "stride": 2, "padding": (1, 1, 0)},
]

POOLED_CONVOLUTIONS: list[dict[str, Any]] = [
    {"x": (64, 1, 28, 28), "outs": 6, "kernel": 5, "padding": 2},
    {"x": (64, 6, 14, 14), "outs": 16, "kernel": 5},
    {"x": (8, 3, 9, 7), "outs": 4, "kernel": 3},
    {"x": (3, 3, 9, 7), "outs": 4, "kernel": 3},
    {"x": (64, 16, 12, 12), "outs": 32, "kernel": 1},
    {"x": (4, 64, 6, 6), "outs": 32, "kernel": 3, "padding": 1},
    {"x": (4, 32, 6, 6), "outs": 64, "kernel": 3, "padding": 1},
]
ROUNDED_CONVOLUTIONS = [CONVOLUTIONS[2], {"x": (4, 64, 7, 7), "w": (32, 64, 3, 3), "padding": 1}, CONVOLUTIONS[11]]

ELEMENTWISE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky relu": F.leaky_relu,
    "tanh": F.tanh,
    "scaled tanh": F.scaled_tanh,
    "sigmoid": F.sigmoid,
    "gelu": F.gelu,
    "gelu by tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
    "elu": partial(F.elu, alpha=0.3),
    "hard swish": F.hardswish,
    "softplus": F.softplus,
    "softplus with a threshold": partial(F.softplus, beta=2.0, threshold=1.0),
}

POOLING: list[tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = [
    (partial(F.max_pool2d, kernel_size=2), (64, 6, 28, 28)),
    (partial(F.max_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True), (3, 4, 10, 9)),
    (partial(F.max_pool2d, kernel_size=2, stride=1, dilation=2), (5, 2, 8, 8)),
    (partial(F.max_pool2d, kernel_size=17, stride=1), (2, 2, 20, 20)),
    (partial(F.avg_pool2d, kernel_size=(2, 3), padding=1), (64, 3, 9, 9)),
    (partial(F.avg_pool2d, kernel_size=3, padding=1, count_include_pad=False), (3, 2, 7, 8)),
    (F.global_avg_pool2d, (64, 8, 7, 7)),
    (F.global_max_pool2d, (64, 8, 7, 7)),
    (partial(F.max_pool1d, kernel_size=3), (4, 2, 12)),
    (partial(F.avg_pool3d, kernel_size=2), (4, 2, 4, 6, 4)),
    (F.global_avg_pool1d, (5, 3, 300)),
    (F.global_avg_pool3d, (64, 4, 3, 4, 5)),
    (F.global_max_pool1d, (5, 3, 300)),
    (F.global_max_pool3d, (64, 4, 3, 4, 5)),
    (partial(F.adaptive_avg_pool2d, output_size=(2, 4)), (64, 3, 8, 12)),
    (partial(F.adaptive_max_pool2d, output_size=(2, 4)), (64, 3, 8, 12)),
]

RESAMPLING: list[tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = [
    (partial(F.adaptive_avg_pool1d, output_size=4), (5, 3, 11)),
    (partial(F.adaptive_avg_pool2d, output_size=(3, 9)), (64, 3, 7, 5)),
    (partial(F.adaptive_avg_pool3d, output_size=(2, 5, 3)), (3, 2, 3, 4, 5)),
    (partial(F.adaptive_max_pool1d, output_size=4), (5, 3, 11)),
    (partial(F.adaptive_max_pool2d, output_size=(3, 9)), (64, 3, 7, 5)),
    (partial(F.adaptive_max_pool3d, output_size=(2, 5, 3)), (3, 2, 3, 4, 5)),
    (partial(F.interpolate, scale_factor=2), (64, 4, 7, 7)),
    (partial(F.interpolate, size=(5, 13)), (3, 2, 9, 6)),
    (partial(F.interpolate, size=17, mode="linear"), (5, 3, 11)),
    (partial(F.interpolate, scale_factor=2, mode="bilinear"), (64, 4, 7, 7)),
    (partial(F.interpolate, size=(5, 13), mode="bilinear", align_corners=True), (3, 2, 9, 6)),
    (partial(F.interpolate, size=(6, 3, 8), mode="trilinear"), (3, 2, 3, 4, 5)),
]

WEIGHTED: list[tuple[str, Callable[..., Tensor], list[tuple[int, ...]]]] = [
    ("prelu", F.prelu, [(64, 6, 12, 12), (6,)]),
    ("prelu", F.prelu, [(33, 5), (1,)]),
    ("group norm", lambda x, w, b: F.group_norm(x, 2, w, b), [(64, 6, 12, 12), (6,), (6,)]),
    ("group norm", lambda x, w, b: F.group_norm(x, 3, w, b), [(7, 9), (9,), (9,)]),
    ("instance norm", lambda x, w, b: F.instance_norm(x, None, None, w, b), [(64, 6, 12, 12), (6,), (6,)]),
    ("instance norm", lambda x, w, b: F.instance_norm(x, None, None, w, b), [(5, 3, 11), (3,), (3,)]),
    ("layer norm", lambda x, w, b: F.layer_norm(x, x.shape[1:], w, b), [(64, 6, 5, 7), (6, 5, 7), (6, 5, 7)]),
    ("layer norm", lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b), [(33, 40), (40,), (40,)]),
]

SOFTMAX: list[tuple[Callable[[Tensor], Tensor], tuple[int, ...]]] = [
    (F.softmax, (64, 10)),
    (F.log_softmax, (64, 10)),
    (partial(F.softmax, dim=-1), (6, 3, 5, 40)),
    (partial(F.log_softmax, dim=2), (20_000, 2, 3)),
]

OPTIMIZERS: dict[str, Callable[[list[Tensor]], optim.Optimizer]] = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.1, weight_decay=0.01),
    "momentum": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "nesterov": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda parameters: optim.Adam(parameters, lr=0.01, weight_decay=0.1),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.01),
    "rmsprop": lambda parameters: optim.RMSprop(parameters, lr=0.01, eps=0.01, momentum=0.9, centered=True),
    "muon": lambda parameters: optim.Muon(parameters, lr=0.02),
}


def with_gradient(function: Callable[..., Tensor], shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Any:
    """The function of one random array, and its gradient."""
    return _judged(function, rng, dtype, shape)


def weighted(
    function: Callable[..., Tensor], shapes: list[tuple[int, ...]], rng: np.random.Generator, dtype: str
) -> Arrays:
    """The function of an array and of weights, and the gradients by all of them."""
    return _judged(function, rng, dtype, *shapes)


def elementwise(function: Callable[[Tensor], Tensor], rng: np.random.Generator, dtype: str) -> Arrays:
    """An activation, of shapes that fill blocks and that do not."""
    results: Arrays = {}
    for shape in ((64, 6, 28, 28), (3, 5), (1, 1, 1, 1)):
        results |= {f"{name} {shape}": array for name, array in _judged(function, rng, dtype, shape).items()}
    return results


def convolution(rng: np.random.Generator, dtype: str, *, x: Any, w: Any, bias: bool = True, **options: Any) -> Arrays:
    """A convolution with and without ReLU in the same launch, and the gradients by input, weight and bias."""
    function: Callable[..., Tensor] = [F.conv1d, F.conv2d, F.conv3d][len(x) - 3]
    shapes = [x, w, w[:1]] if bias else [x, w]
    scale = 1 / math.sqrt(math.prod(w[1:]))

    def scaled(x: Tensor, w: Tensor, *b: Tensor) -> Tensor:
        return function(x, w * scale, *b, **options)

    return _judged(scaled, rng, dtype, *shapes)


def transposed_convolution(
    rng: np.random.Generator, dtype: str, *, x: Any, w: Any, bias: bool = True, **options: Any
) -> Arrays:
    """A transposed convolution, and the gradients by input, weight and bias."""
    function: Callable[..., Tensor] = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][len(x) - 3]
    shapes = [x, w, (w[1] * options.get("groups", 1),)] if bias else [x, w]
    scale = 1 / math.sqrt(w[0])

    def scaled(x: Tensor, w: Tensor, *b: Tensor) -> Tensor:
        return function(x, w * scale, *b, **options)

    return _judged(scaled, rng, dtype, *shapes)


def pooled_convolution(
    rng: np.random.Generator, dtype: str, *, x: Any, outs: int, kernel: int, padding: int = 0
) -> Arrays:
    """A convolution, ReLU and max-pooling by 2 x 2, and the gradients by input, weight and bias."""
    net = nn.Sequential(nn.Conv2d(x[1], outs, kernel, padding=padding), nn.ReLU(), nn.MaxPool2d(2)).astype(dtype)
    net.load_state_dict({name: _whole_numbers(rng, value.shape) for name, value in net.state_dict().items()})
    images = Tensor(_whole_numbers(rng, x).astype(dtype), requires_grad=True)
    result = net(images)
    result.backward(Tensor(_whole_numbers(rng, result.shape).astype(dtype)))
    found = {"result": result.numpy(), "gradient": _gradient(images)}
    return found | {f"gradient of {name}": _gradient(value) for name, value in net.named_parameters()}


def _whole_numbers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Small ones: sums are exact in every precision, so that the same taps win on every device."""
    return rng.integers(-2, 3, shape)


def linear(m: int, k: int, n: int, relu: bool, rng: np.random.Generator, dtype: str) -> Arrays:
    """A linear layer of n images, k numbers each, with m outputs; followed by ReLU as a layer has it."""
    layers = [nn.Linear(k, m), nn.ReLU()] if relu else [nn.Linear(k, m)]
    net = nn.Sequential(*layers).astype(dtype)
    net.load_state_dict(
        {name: rng.standard_normal(value.shape) / math.sqrt(k) for name, value in net.state_dict().items()}
    )
    results = _judged(net, rng, dtype, (n, k))
    return results | {f"gradient of {name}": _gradient(value) for name, value in net.named_parameters()}


def matmul(a: tuple[int, ...], b: tuple[int, ...], rng: np.random.Generator, dtype: str) -> Arrays:
    """A matrix product, of stacks too."""
    return _judged(lambda x, y: x @ y, rng, dtype, a, b)


def cross_entropy(shape: tuple[int, ...], smoothing: float, rng: np.random.Generator, dtype: str) -> Arrays:
    """Cross-entropy of class numbers, and of rows."""
    images, classes, *rest = shape
    labels = rng.integers(0, classes, (images, *rest))
    found = _judged(lambda x: F.cross_entropy(x, labels, label_smoothing=smoothing), rng, dtype, shape)
    if not rest:
        rows = rng.random(shape).astype(dtype)
        rows /= rows.sum(1, keepdims=True)
        by_rows = _judged(lambda x: F.cross_entropy(x, Tensor(rows), label_smoothing=smoothing), rng, dtype, shape)
        found |= {f"{name}, by rows": array for name, array in by_rows.items()}
    return found


def batch_norm(shape: tuple[int, ...], training: bool, rng: np.random.Generator, dtype: str) -> Arrays:
    """Batch normalisation, its gradients and its running statistics."""
    layer = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(shape[1]).astype(dtype).train(training)
    results = _judged(layer, rng, dtype, shape)
    state = {name: np.asarray(value) for name, value in layer.state_dict().items()}
    return results | {f"gradient of {name}": _gradient(value) for name, value in layer.named_parameters()} | state


def updates(
    make: Callable[[list[Tensor]], optim.Optimizer], rng: np.random.Generator, dtype: str, steps: int = 3
) -> Arrays:
    """Parameters after some steps."""
    parameters = [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in ((300, 41), (7,))]
    optimizer = make(parameters)
    for _ in range(steps):
        optimizer.zero_grad()
        _loss(parameters).backward()
        optimizer.step()
    return {f"parameter {number}": parameter.numpy() for number, parameter in enumerate(parameters)}


def clipping(norm: float | None, value: float | None, rng: np.random.Generator, dtype: str) -> Arrays:
    """Gradients that were clipped, and their norm before."""
    parameters = [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in ((300, 41), (7,))]
    _loss(parameters).backward()
    results: Arrays = {}
    if norm is not None:
        results["norm"] = np.asarray(optim.clip_grad_norm_(parameters, norm), dtype)
    if value is not None:
        optim.clip_grad_value_(parameters, value)
    return results | {f"gradient {number}": _gradient(each) for number, each in enumerate(parameters)}


def accumulating(rng: np.random.Generator, dtype: str) -> Arrays:
    """Weights after an epoch whose batches are cut into parts, the last of 11 images into parts of different size."""
    images, labels = rng.standard_normal((47, 2, 5, 5)).astype(dtype), rng.integers(0, 3, 47)
    net = nn.Sequential(nn.Flatten(), nn.Linear(50, 3)).astype(dtype)
    net.load_state_dict(
        {name: rng.standard_normal(value.shape).astype(dtype) for name, value in net.state_dict().items()}
    )
    trainer = Trainer(net, optim.SGD(net.parameters(), lr=0.1), accumulate=3)
    list(trainer.run((images, labels), epochs=1, batch_size=4))
    return {name: np.asarray(to_host(value)) for name, value in net.state_dict().items()}


def batches(kind: str, rng: np.random.Generator, dtype: str) -> Arrays:
    """Minibatches as a loader makes them of images of one kind: normalised, laid batch-last."""
    pixels = rng.integers(0, 256, (30, 2, 9, 7)).astype(kind)
    dataset = Dataset(pixels, rng.integers(0, 3, 30), ("a", "b", "c"))
    normalizer = Normalizer.fit("standard", dataset)
    loader = Loader(dataset, 8, normalizer, shuffle=True, seed=1, dtype=dtype)
    return {f"batch {number}": to_host(batch.images) for number, batch in enumerate(loader.batches(0))}


def subsampling(rng: np.random.Generator, dtype: str) -> Arrays:
    """LeNet-5's trainable subsampling."""
    return _judged(F.subsample2d, rng, dtype, (8, 3, 6, 6), (3,), (3,))


def _loss(parameters: list[Tensor]) -> Tensor:
    """A sum whose gradient is of either sign, and differs from element to element."""
    first, second = parameters
    return (first * first * first).sum() + (second * second).sum()


def _judged(function: Callable[..., Tensor], rng: np.random.Generator, dtype: str, *shapes: tuple[int, ...]) -> Arrays:
    """The function of random arrays of these shapes, and its gradient by each of them."""
    inputs = [Tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True) for shape in shapes]
    result = function(*inputs)
    result.backward(Tensor(rng.standard_normal(result.shape).astype(dtype)))
    return {"result": result.numpy(), **{f"gradient {i}": _gradient(each) for i, each in enumerate(inputs)}}


def _gradient(tensor: Tensor) -> np.ndarray:
    assert tensor.grad is not None
    return tensor.grad.numpy()
