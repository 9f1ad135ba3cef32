"""JAX's steps, compiled by jit; images are (N, H, W, C), as is usual there."""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax import numpy as jnp

from bench.workloads import LEARNING_RATE, MOMENTUM, Entry, Network

Step = Callable[[], Any]
Array = Any
Weights = list[
    Any
]  # one for each layer: a dict of nothing, weight, or weight and bias; of branches, those of each path


def describe(form: str) -> dict[str, Any]:
    """The version."""
    return {"version": jax.__version__}


@contextlib.contextmanager
def training(network: Network, batch: int, form: str) -> Iterator[Step]:
    """A training step on a batch that lies ready in memory."""
    images, labels = inputs(network, batch)
    state = initial_state(network)
    update = update_of(network.layers, network.optimizer)

    def step() -> float:
        nonlocal state
        state, loss = update(state, images, labels)
        jax.block_until_ready(state)
        return float(loss)

    yield step


def initial_state(network: Network) -> tuple[Weights, Any, Array]:
    """Weights, momenta and the random key, before the first step."""
    weights = initial_weights(network)
    return weights, OPTIMIZERS[network.optimizer][0](weights), jax.random.key(0)


def update_of(layers: Sequence[Entry], optimizer: str = "sgd") -> Callable[..., Any]:
    """(state, images, labels) -> (state, loss), compiled; the state is what `initial_state` makes."""

    def loss_of(weights: Weights, images: Array, labels: Array, key: Array) -> Array:
        logits = apply(layers, weights, images, key)  # (N, C)
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1).mean()

    def update(state: Any, images: Array, labels: Array) -> Any:
        weights, momenta, key = state
        key, drawn = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_of)(weights, images, labels, drawn)
        weights, momenta = OPTIMIZERS[optimizer][1](weights, momenta, gradients)
        return (weights, momenta, key), loss

    return jax.jit(update, donate_argnums=0)


def _zeros(weights: Weights) -> Weights:
    return jax.tree.map(jnp.zeros_like, weights)


def _sgd(weights: Weights, momenta: Weights, gradients: Weights) -> tuple[Weights, Weights]:
    momenta = jax.tree.map(lambda momentum, gradient: MOMENTUM * momentum + gradient, momenta, gradients)
    return jax.tree.map(lambda weight, momentum: weight - LEARNING_RATE * momentum, weights, momenta), momenta


def _adam(weights: Weights, moments: Any, gradients: Weights) -> tuple[Weights, Any]:
    """PyTorch's defaults: betas of 0.9 and 0.999, eps 1e-8."""
    means, squares, count = moments
    means = jax.tree.map(lambda mean, gradient: 0.9 * mean + 0.1 * gradient, means, gradients)
    squares = jax.tree.map(lambda square, gradient: 0.999 * square + 0.001 * gradient**2, squares, gradients)
    rate, root = LEARNING_RATE / (1 - 0.9 ** (count + 1)), jnp.sqrt(1 - 0.999 ** (count + 1))
    moved = jax.tree.map(
        lambda weight, mean, square: weight - rate * mean / (jnp.sqrt(square) / root + 1e-8), weights, means, squares
    )
    return moved, (means, squares, count + 1)


OPTIMIZERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sgd": (_zeros, _sgd),
    "adam": (lambda weights: (_zeros(weights), _zeros(weights), jnp.zeros(())), _adam),
}


@contextlib.contextmanager
def inference(network: Network, batch: int, form: str) -> Iterator[Step]:
    """The logits of a batch."""
    images, _ = inputs(network, batch)
    weights = initial_weights(network)
    forward = jax.jit(functools.partial(apply, network.layers))
    yield lambda: jax.block_until_ready(forward(weights, images))


def apply(layers: Sequence[Entry], weights: Weights, images: Array, key: Array | None = None) -> Array:
    """The logits (N, C) of images (N, H, W, C); dropout drops where there is a key to draw from."""
    x = images
    for position, ((name, options), weight) in enumerate(zip(layers, weights, strict=True)):
        drawn = None if key is None else jax.random.fold_in(key, position)
        x = LAYERS[name](x, weight, options, drawn)
    return x


def _conv2d(x: Array, weight: dict[str, Array], options: dict[str, Any], key: Array | None) -> Array:
    padding = options["padding"]
    sides = padding.upper() if isinstance(padding, str) else [(padding, padding)] * 2
    strides = (options["stride"],) * 2
    order, groups = ("NHWC", "HWIO", "NHWC"), options["groups"]
    x = lax.conv_general_dilated(
        x, weight["weight"], strides, sides, dimension_numbers=order, feature_group_count=groups
    )
    return x + weight["bias"] if "bias" in weight else x


def _linear(x: Array, weight: dict[str, Array], options: dict[str, Any], key: Array | None) -> Array:
    x = x @ weight["weight"]
    return x + weight["bias"] if "bias" in weight else x


def _max_pool2d(x: Array, weight: dict[str, Array], options: dict[str, Any], key: Array | None) -> Array:
    size = options["kernel_size"]
    stride = options["stride"] or size
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), "VALID")


def _batch_norm2d(x: Array, weight: dict[str, Array], options: dict[str, Any], key: Array | None) -> Array:
    """By the batch's statistics in training, which gives a key; else by those that are there before any training."""
    mean, variance = (0.0, 1.0) if key is None else (x.mean((0, 1, 2)), x.var((0, 1, 2)))
    return (x - mean) * jax.lax.rsqrt(jnp.asarray(variance) + 1e-5) * weight["weight"] + weight["bias"]


def _branches(x: Array, weight: list[Weights], options: dict[str, Any], key: Array | None) -> Array:
    return sum(apply(path, weights, x, key) for path, weights in zip(options["paths"], weight, strict=True))


def _dropout(x: Array, weight: dict[str, Array], options: dict[str, Any], key: Array | None) -> Array:
    if key is None:
        return x
    kept = 1 - options["p"]
    return jnp.where(jax.random.bernoulli(key, kept, x.shape), x / kept, 0)


LAYERS: dict[str, Callable[..., Array]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm2d": _batch_norm2d,
    "max_pool2d": _max_pool2d,
    "global_avg_pool2d": lambda x, weight, options, key: x.mean((1, 2), keepdims=True),
    "branches": _branches,
    "dropout": _dropout,
    "relu": lambda x, weight, options, key: jax.nn.relu(x),
    "flatten": lambda x, weight, options, key: x.reshape(len(x), -1),  # (N, H, W, C) -> (N, H*W*C)
}


def initial_weights(network: Network) -> Weights:
    """Convolutions (H, W, I, O), linear layers (I, O), uniform as PyTorch draws them; biases (O,) are zero."""
    channels, height, width = network.shape
    x = jax.ShapeDtypeStruct((1, height, width, channels), jnp.float32)
    return _weights_of(np.random.default_rng(0), network.layers, x)


def _weights_of(rng: np.random.Generator, entries: Sequence[Entry], x: Array) -> Weights:
    weights: Weights = []
    for name, options in entries:
        if name == "branches":
            weights.append([_weights_of(rng, path, x) for path in options["paths"]])
        else:
            weights.append(_weights_of_layer(rng, name, options, x.shape[-1]))
        x = jax.eval_shape(functools.partial(LAYERS[name], options=options, key=None), x, weights[-1])
    return weights


def _weights_of_layer(rng: np.random.Generator, name: str, options: dict[str, Any], channels: int) -> dict[str, Array]:
    if name == "conv2d":
        size = options["kernel_size"]
        shape = size, size, channels // options["groups"], options["out_channels"]
        return _drawn(rng, shape, options["bias"])
    if name == "linear":
        return _drawn(rng, (channels, options["out_features"]), options["bias"])
    return {"weight": jnp.ones(channels), "bias": jnp.zeros(channels)} if name == "batch_norm2d" else {}


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], bias: bool) -> dict[str, Array]:
    bound = 1 / math.sqrt(math.prod(shape[:-1]))
    drawn = {"weight": jnp.asarray(rng.uniform(-bound, bound, shape), jnp.float32)}
    return drawn | {"bias": jnp.zeros(shape[-1])} if bias else drawn


def inputs(network: Network, batch: int) -> tuple[Array, Array]:
    """Images (N, H, W, C) and labels (N,)."""
    rng = np.random.default_rng(0)
    channels, height, width = network.shape
    images = jnp.asarray(rng.standard_normal((batch, height, width, channels), dtype=np.float32))
    return images, jnp.asarray(rng.integers(0, network.classes, batch))
