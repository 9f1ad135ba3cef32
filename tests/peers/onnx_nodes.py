"""ONNX's operators in terms of gpucnn: enough of them to run ONNX's own test cases.

The meanings are those of https://onnx.ai/onnx/operators. A translation returns the node's outputs, None for one
that it does not give, and raises LacksError for what gpucnn has no word for.
"""

import math
from collections.abc import Callable

import numpy as np

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F

FLOATS = ("float32", "float64")


class LacksError(Exception):
    """gpucnn does not offer this."""


def run(graph, inputs: list[np.ndarray]) -> list[np.ndarray | None]:
    """The outputs of an ONNX graph, node by node."""
    from onnx import helper, numpy_helper

    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    free = [value.name for value in graph.input if value.name not in values]
    values |= dict(zip(free, inputs, strict=True)) | {"": None}
    for node in graph.node:
        if node.op_type not in TRANSLATIONS:
            raise LacksError(node.op_type)
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes = {name: a.decode() if isinstance(a, bytes) else a for name, a in attributes.items()}
        arrays = [values[name] for name in node.input]
        if arrays and arrays[0] is not None and arrays[0].dtype.name not in FLOATS:
            raise LacksError("integers")
        values |= dict(zip(node.output, _as_list(TRANSLATIONS[node.op_type](*arrays, **attributes)), strict=False))
    return [values.get(value.name) for value in graph.output]


def _as_list(outputs) -> list[np.ndarray | None]:
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return [output.numpy() if isinstance(output, Tensor) else output for output in outputs]


def _dimensional(name: str, x: np.ndarray) -> Callable:
    """conv2d for (N, C, H, W), and so on."""
    return getattr(F, f"{name}{x.ndim - 2}d")


def _sides(x, kernel, strides, dilations, pads, auto_pad):
    """(before, after) of every spatial axis; SAME_LOWER puts the odd pixel before."""
    axes = x.ndim - 2
    if auto_pad not in ("SAME_UPPER", "SAME_LOWER"):
        pads = pads or [0] * 2 * axes
        return tuple(zip(pads[:axes], pads[axes:], strict=True))
    totals = [
        max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(x.shape[2:], kernel, strides, dilations, strict=True)
    ]
    sides = [(total // 2, total - total // 2) for total in totals]
    return tuple(sides if auto_pad == "SAME_UPPER" else [(after, before) for before, after in sides])


def _window(x, kernel, strides=None, dilations=None, pads=None, auto_pad="NOTSET"):
    """stride, padding and dilation, as gpucnn's windows take them."""
    ones = [1] * (x.ndim - 2)
    strides, dilations = strides or ones, dilations or ones
    return tuple(strides), _sides(x, kernel, strides, dilations, pads, auto_pad), tuple(dilations)


def conv(x, w, b=None, group=1, kernel_shape=None, **window):
    stride, padding, dilation = _window(x, w.shape[2:], **window)
    bias = None if b is None else Tensor(b)
    return _dimensional("conv", x)(Tensor(x), Tensor(w), bias, stride, padding, dilation, group)


def max_pool(x, kernel_shape, ceil_mode=0, storage_order=0, **window):
    stride, padding, dilation = _window(x, kernel_shape, **window)
    pool = _dimensional("max_pool", x)
    return pool(Tensor(x), tuple(kernel_shape), stride, padding, dilation, bool(ceil_mode)), None  # no indices


def average_pool(x, kernel_shape, ceil_mode=0, count_include_pad=0, **window):
    stride, padding, dilation = _window(x, kernel_shape, **window)
    if set(dilation) != {1}:
        raise LacksError("dilated average pooling")
    pool = _dimensional("avg_pool", x)
    return pool(Tensor(x), tuple(kernel_shape), stride, padding, bool(ceil_mode), bool(count_include_pad))


def batch_normalization(x, scale, bias, mean, variance, epsilon=1e-5, momentum=0.9, training_mode=0, is_test=1):
    """Running variances are not judged: ONNX's is the biased one, ours PyTorch's unbiased."""
    mean = Tensor(mean)
    options = (bool(training_mode), 1 - momentum, epsilon)
    y = F.batch_norm(Tensor(x), mean, Tensor(variance), Tensor(scale), Tensor(bias), *options)
    return y, mean, None


def gemm(a, b, c=None, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):  # noqa: N803 (ONNX's names)
    left, right = (Tensor(m).T if transposed else Tensor(m) for m, transposed in [(a, transA), (b, transB)])
    y = alpha * (left @ right)
    return y if c is None else y + beta * Tensor(c)


def pad(x, pads=None, value=None, axes=None, mode="constant", paddings=None):
    if mode == "wrap":
        raise LacksError("padding that wraps around")
    axes = range(x.ndim) if axes is None else [axis % x.ndim for axis in axes]
    before, after = np.split(np.asarray(pads if paddings is None else paddings), 2)
    if min(*before, *after) < 0:
        raise LacksError("padding that cuts off")
    amounts = {axis: (int(b), int(a)) for axis, b, a in zip(axes, before, after, strict=True)}
    flat = [side for axis in reversed(range(x.ndim)) for side in amounts.get(axis, (0, 0))]
    mode = {"constant": "zeros", "edge": "replicate", "reflect": "reflect"}[mode]
    return F.pad(Tensor(x), flat, mode, 0.0 if value is None else float(value))


def flatten(x, axis=1):
    return F.flatten(Tensor(x)) if axis == 1 < x.ndim else Tensor(x).reshape(math.prod(x.shape[:axis]), -1)


def dropout(x, ratio=0.5, training=False, seed=0, is_test=1):
    if training and ratio:
        raise LacksError("another generator's random numbers")
    return F.dropout(Tensor(x), float(ratio), bool(training)), None  # no mask


def cross_entropy(x, labels, weight=None, reduction="mean", ignore_index=None):
    if weight is not None:
        raise LacksError("weights of classes")
    if ignore_index is not None:
        raise LacksError("labels that are ignored")
    return F.cross_entropy(Tensor(x), labels, reduction), F.log_softmax(Tensor(x), 1)


def momentum(lr, count, *arrays, alpha, beta, mode, norm_coefficient):
    """X, G, V of every parameter; the first step, which ONNX numbers 0, takes the whole gradient."""
    if count:
        raise LacksError("dampening")
    each = len(arrays) // 3
    points, gradients, velocities = arrays[:each], arrays[each : 2 * each], arrays[2 * each :]
    parameters = [nn.Parameter(point) for point in points]
    options = {
        "lr": float(lr),
        "momentum": alpha,
        "weight_decay": norm_coefficient,
        "nesterov": mode == "nesterov",
    }
    optimizer = optim.SGD(parameters, **options)
    optimizer.load_state({"0.velocity": np.concatenate(velocities)}, {})
    for parameter, gradient in zip(parameters, gradients, strict=True):
        (parameter * Tensor(gradient)).sum().backward()
    optimizer.step()
    ends = np.cumsum([len(point) for point in points])[:-1]
    return *parameters, *np.split(gpucnn.backend.to_host(optimizer.state_arrays()["0.velocity"]), ends)


def prelu(x, slope):
    """ONNX's slope broadcasts to x; of PyTorch's shapes are one number, and one per channel."""
    if slope.size == x.shape[-1] and slope.ndim == 1 and x.ndim > 2:
        raise LacksError("slopes along the last axis")
    if slope.size not in (1, x.shape[1] if x.ndim > 1 else 1):
        raise LacksError("a slope for each place")
    return F.prelu(Tensor(x), Tensor(slope.reshape(-1)))


def reduction(name: str) -> Callable:
    def reduce(x, axes=None, keepdims=1, noop_with_empty_axes=0):
        if 0 in x.shape:
            raise LacksError("reductions of nothing")
        if axes is None or len(axes) == 0:
            return Tensor(x) if noop_with_empty_axes else getattr(Tensor(x), name)(None, bool(keepdims))
        return getattr(Tensor(x), name)(tuple(int(axis) for axis in axes), bool(keepdims))

    return reduce


def reshape(x, shape, allowzero=0):
    wanted = [x.shape[i] if n == 0 and not allowzero else int(n) for i, n in enumerate(shape)]
    return Tensor(x).reshape(wanted)


def unsqueeze(x, axes):
    return Tensor(x).reshape(np.expand_dims(x, tuple(int(axis) for axis in axes)).shape)


def squeeze(x, axes=None):
    return Tensor(x).reshape(np.squeeze(x, None if axes is None else tuple(int(axis) for axis in axes)).shape)


def elementwise(function: Callable) -> Callable:
    """A function of Tensors alone. `axis` and `broadcast` are the first version's, before broadcasting was a rule."""

    def translated(*arrays, axis=None, broadcast=0, consumed_inputs=None):
        return function(*map(Tensor, arrays))

    return translated


def layer_norm(x, weight, bias=None, axis=-1, epsilon=1e-5, stash_type=1):
    """Without mean and inverse deviation, which only a training needs."""
    last = x.shape[axis:]
    affine = (None if a is None else Tensor(np.broadcast_to(a, last)) for a in (weight, bias))
    return F.layer_norm(Tensor(x), last, *affine, eps=epsilon), None, None


def group_norm(x, weight, bias, num_groups, epsilon=1e-5, stash_type=1):
    return F.group_norm(Tensor(x), num_groups, Tensor(weight), Tensor(bias), epsilon)


def instance_norm(x, weight, bias, epsilon=1e-5, consumed_inputs=None):
    return F.instance_norm(Tensor(x), None, None, Tensor(weight), Tensor(bias), eps=epsilon)


def resize(
    x, roi=None, scales=None, sizes=None, axes=None, mode="nearest", coordinate_transformation_mode="half_pixel",
    nearest_mode="round_prefer_floor", keep_aspect_ratio_policy="stretch", antialias=0, **rest,
):  # fmt: skip
    """Rounding to the nearest by ONNX's other rules is ours where it comes to the same pixels."""
    if mode == "cubic":
        raise LacksError("cubic interpolation")
    if antialias or keep_aspect_ratio_policy != "stretch":
        raise LacksError("antialiasing, and sizes that keep their proportion")
    if axes is not None and list(axes) != sorted(axes):
        order = np.argsort(axes)
        scales, sizes = (None if a is None or not len(a) else np.asarray(a)[order] for a in (scales, sizes))
    spatial = x.ndim - 2
    size = None if sizes is None else tuple(int(n) for n in sizes[-spatial:])
    factors = None if size else tuple(map(float, scales[-spatial:]))
    if coordinate_transformation_mode in ("tf_crop_and_resize", "half_pixel_symmetric"):
        raise LacksError("other places of the outputs")
    if mode == "nearest":
        outputs = size or tuple(int(n * f) for n, f in zip(x.shape[2:], factors, strict=True))
        for n, count, factor in zip(x.shape[2:], outputs, factors or [None] * spatial, strict=True):
            ratio = 1 / factor if factor else n / count
            at = np.arange(count) * ratio
            if coordinate_transformation_mode == "half_pixel":
                at = at + ratio / 2 - 0.5
            if coordinate_transformation_mode == "align_corners":
                at = np.arange(count) * (n - 1) / (count - 1)
            rounded = {
                "round_prefer_floor": np.ceil(at - 0.5),
                "round_prefer_ceil": np.floor(at + 0.5),
                "floor": np.floor(at),
                "ceil": np.ceil(at),
            }[nearest_mode]
            if (rounded.clip(0, n - 1) != np.floor(np.arange(count) * ratio)).any():
                raise LacksError("another rule of the nearest")
        return F.interpolate(Tensor(x), size, factors)
    corners = coordinate_transformation_mode == "align_corners"
    if corners and factors and any(n * f % 1 for n, f in zip(x.shape[2:], factors, strict=True)):
        raise LacksError("corners of sizes that are fractions")
    if coordinate_transformation_mode == "pytorch_half_pixel" and 1 in (size or ()):
        raise LacksError("a single output at the first pixel")
    name = ("linear", "bilinear", "trilinear")[spatial - 1]
    return F.interpolate(Tensor(x), size, factors, name, corners)


def conv_transpose(x, w, b=None, group=1, kernel_shape=None, output_padding=None, output_shape=None, **window):
    stride, padding, dilation = _window(x, w.shape[2:], **window)
    more = tuple(output_padding or [0] * len(stride))
    if output_shape or window.get("auto_pad", "NOTSET").startswith("SAME"):
        wanted = output_shape or [n * s for n, s in zip(x.shape[2:], stride, strict=True)]
        spans = zip(x.shape[2:], w.shape[2:], stride, dilation, more, wanted, strict=True)
        totals = [(n - 1) * s + d * (k - 1) + 1 + m - size for n, k, s, d, m, size in spans]
        padding = [(total // 2, total - total // 2) for total in totals]
    if any(before != after for before, after in padding):
        raise LacksError("padding that differs by side")
    sides, bias = tuple(before for before, _ in padding), None if b is None else Tensor(b)
    return _dimensional("conv_transpose", x)(Tensor(x), Tensor(w), bias, stride, sides, more, group, dilation)


TRANSLATIONS = {
    "ConvTranspose": conv_transpose,
    "Resize": resize,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "InstanceNormalization": instance_norm,
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: _dimensional("global_avg_pool", x)(Tensor(x)),
    "GlobalMaxPool": lambda x: _dimensional("global_max_pool", x)(Tensor(x)),
    "BatchNormalization": batch_normalization,
    "Gemm": gemm,
    "MatMul": elementwise(lambda a, b: a @ b),
    "Pad": pad,
    "Flatten": flatten,
    "Dropout": dropout,
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "Momentum": momentum,
    "Softmax": lambda x, axis=-1: F.softmax(Tensor(x), axis),
    "LogSoftmax": lambda x, axis=-1: F.log_softmax(Tensor(x), axis),
    "Relu": elementwise(F.relu),
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(Tensor(x), alpha),
    "Sigmoid": elementwise(F.sigmoid),
    "Gelu": lambda x, approximate="none": F.gelu(Tensor(x), approximate),
    "Elu": lambda x, alpha=1.0: F.elu(Tensor(x), alpha),
    "HardSwish": elementwise(F.hardswish),
    "Softplus": elementwise(F.softplus),
    "PRelu": prelu,
    "Tanh": elementwise(F.tanh),
    "Clip": lambda x, least=None, most=None, **bounds: Tensor(x).clamp(**(bounds or {"min": least, "max": most})),
    "Add": elementwise(lambda a, b: a + b),
    "Sub": elementwise(lambda a, b: a - b),
    "Mul": elementwise(lambda a, b: a * b),
    "Div": elementwise(lambda a, b: a / b),
    "Pow": lambda a, b: Tensor(a) ** Tensor(b.astype(a.dtype)),
    "Neg": elementwise(lambda x: -x),
    "Exp": elementwise(lambda x: x.exp()),
    "Log": elementwise(lambda x: x.log()),
    "Sqrt": elementwise(lambda x: x.sqrt()),
    "Abs": elementwise(lambda x: x.abs()),
    "ReduceSum": reduction("sum"),
    "ReduceMean": reduction("mean"),
    "ReduceMax": reduction("amax"),
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": lambda x, perm=None: Tensor(x).permute(perm or tuple(reversed(range(x.ndim)))),
    "Concat": lambda *arrays, axis: gpucnn.concatenate([Tensor(a) for a in arrays], axis),
}
