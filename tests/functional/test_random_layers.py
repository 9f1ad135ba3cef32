"""Layers of later networks against PyTorch in float64: 200 random configurations of each, forward and all gradients."""

import numpy as np
import pytest

from gpucnn import functional as F
from tests.judges import agrees, forward_backward, torch_forward_backward

pytestmark = pytest.mark.usefixtures("device")

COUNT = 200


def one_of(rng, values):
    return values[rng.integers(len(values))]


def whole(rng, low, high) -> int:
    return int(rng.integers(low, high + 1))


def sizes(rng, axes, low=1, high=7) -> tuple[int, ...]:
    return tuple(whole(rng, low, high) for _ in range(axes))


def both(name, *args, **options):
    """gpucnn's function and PyTorch's, of one name, with the same options."""
    return (
        lambda torch, *arrays: getattr(torch.nn.functional, name)(*arrays, *args, **options),
        lambda *arrays: getattr(F, name)(*arrays, *args, **options),
    )


def activation(name):
    def configuration(rng):
        options = {
            "elu": lambda: (float(rng.uniform(0.1, 2)),),
            "softplus": lambda: (float(rng.uniform(0.3, 3)), float(rng.uniform(1, 25))),
        }.get(name, tuple)()
        named = {"approximate": one_of(rng, ("none", "tanh"))} if name == "gelu" else {}
        return [5 * rng.standard_normal(sizes(rng, whole(rng, 0, 5)))], *both(name, *options, **named)

    return configuration


def prelu(rng):
    x = rng.standard_normal(sizes(rng, whole(rng, 2, 5)))
    return [x, rng.standard_normal(one_of(rng, (1, x.shape[1])))], *both("prelu")


def affine(rng, shape):
    """A weight and a bias, a weight alone, or neither."""
    return [rng.standard_normal(shape) for _ in range(one_of(rng, (0, 1, 2)))]


def group_norm(rng):
    groups, eps = whole(rng, 1, 3), float(rng.uniform(1e-5, 1e-2))
    channels = groups * whole(rng, 1, 3)
    x = rng.standard_normal((whole(rng, 1, 4), channels, *sizes(rng, whole(rng, 0, 3), 2, 5)))
    if x[0].size == groups:
        return group_norm(rng)
    return (
        [x, *affine(rng, channels)],
        lambda torch, x, *parts: torch.nn.functional.group_norm(x, groups, *parts, eps=eps),
        lambda x, *parts: F.group_norm(x, groups, *parts, eps=eps),
    )


def instance_norm(rng):
    x = rng.standard_normal((whole(rng, 1, 4), whole(rng, 1, 4), *sizes(rng, whole(rng, 1, 3), 2, 5)))
    return (
        [x, *affine(rng, x.shape[1])],
        lambda torch, x, *parts: torch.nn.functional.instance_norm(x, None, None, *parts),
        lambda x, *parts: F.instance_norm(x, None, None, *parts),
    )


def layer_norm(rng):
    x = rng.standard_normal(sizes(rng, whole(rng, 1, 5), 2, 5))
    last = x.shape[whole(rng, 0, x.ndim - 1) :]
    return (
        [x, *affine(rng, last)],
        lambda torch, x, *parts: torch.nn.functional.layer_norm(x, last, *parts),
        lambda x, *parts: F.layer_norm(x, last, *parts),
    )


def maps(rng):
    """An input of one to three axes, no two of whose numbers are equal."""
    shape = (whole(rng, 1, 3), whole(rng, 1, 3), *sizes(rng, one_of(rng, (1, 2, 2, 3))))
    return rng.permutation(np.linspace(-2.0, 1.0, np.prod(shape))).reshape(shape)


def adaptive(kind):
    def configuration(rng):
        x = maps(rng)
        axes = x.ndim - 2
        outputs = one_of(rng, (whole(rng, 1, 8), sizes(rng, axes, 1, 9)))
        return [x], *both(f"adaptive_{kind}_pool{axes}d", outputs)

    return configuration


def whole_maps(kind):
    def configuration(rng):
        x = maps(rng)
        axes = x.ndim - 2
        theirs, _ = both(f"adaptive_{kind}_pool{axes}d", 1)
        return [x], theirs, getattr(F, f"global_{kind}_pool{axes}d")

    return configuration


def interpolation(rng):
    axes = one_of(rng, (1, 2, 2, 3))
    x = rng.standard_normal((whole(rng, 1, 3), whole(rng, 1, 3), *sizes(rng, axes)))
    mode = one_of(rng, ("nearest", ("linear", "bilinear", "trilinear")[axes - 1]))
    options = {"mode": mode, "align_corners": None if mode == "nearest" else one_of(rng, (None, False, True))}
    if rng.random() < 0.5:
        options["size"] = one_of(rng, (whole(rng, 1, 12), sizes(rng, axes, 1, 12)))
    else:
        factors = tuple(float(one_of(rng, (0.5, 1.0, 1.5, 1.7, 2.0, 2.5, 3.0))) for _ in range(axes))
        if any(int(n * f) < 1 for n, f in zip(x.shape[2:], factors, strict=True)):
            return interpolation(rng)
        options |= {"scale_factor": factors, "recompute_scale_factor": one_of(rng, (None, True, False))}
    return [x], *both("interpolate", **options)


def transposed(rng):
    axes = one_of(rng, (1, 2, 2, 3))
    groups, per_group, outputs = one_of(rng, ((1, 1, 4), (1, 3, 2), (2, 2, 1), (3, 1, 2)))
    x = rng.standard_normal((whole(rng, 1, 3), groups * per_group, *sizes(rng, axes, 1, 5)))
    w = rng.standard_normal((groups * per_group, outputs, *sizes(rng, axes, 1, 4)))
    b = rng.standard_normal(groups * outputs)
    stride, dilation = sizes(rng, axes, 1, 3), one_of(rng, (1, sizes(rng, axes, 1, 3)))
    spread = (dilation,) * axes if dilation == 1 else dilation
    more = tuple(whole(rng, 0, max(s, d) - 1) for s, d in zip(stride, spread, strict=True))
    reach = [
        (n - 1) * s + d * (k - 1) + 1 + m
        for n, s, k, d, m in zip(x.shape[2:], stride, w.shape[2:], spread, more, strict=True)
    ]
    padding = tuple(whole(rng, 0, min(3, (r - 1) // 2)) for r in reach)
    arrays = [x, w, b] if rng.random() < 0.7 else [x, w]
    options = {"stride": stride, "padding": padding, "output_padding": more, "groups": groups, "dilation": dilation}
    return arrays, *both(f"conv_transpose{axes}d", **options)


CONFIGURATIONS = {
    "conv_transpose": transposed,
    **{name: activation(name) for name in ("gelu", "silu", "elu", "hardswish", "softplus")},
    "prelu": prelu,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "adaptive_avg_pool": adaptive("avg"),
    "adaptive_max_pool": adaptive("max"),
    "global_avg_pool": whole_maps("avg"),
    "global_max_pool": whole_maps("max"),
    "interpolate": interpolation,
}


@pytest.mark.parametrize("device", ["numpy", "c"], indirect=True)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_random_configurations_equal_pytorch(torch, device, name):
    for index in range(COUNT):
        arrays, theirs, ours = CONFIGURATIONS[name](np.random.default_rng([3, index]))
        expected = torch_forward_backward(torch, lambda *a, theirs=theirs: theirs(torch, *a), *arrays)
        agrees(forward_backward(ours, *arrays), expected, f"{name} {index}: {[a.shape for a in arrays]}")
