"""What every operation should give, written as plainly as it can be: float64, loops, nothing of gpucnn.

Arrays are (N, C, *axes) with any number of spatial axes. The walks below say which part of the padded input
every output looks at; forward and backward then are one line each. The references themselves are held against
PyTorch in test_references.py.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

Pair = tuple[int, int]  # (before, after)
Sides = list[Pair]
Shape = tuple[int, ...]
Windows = list[tuple[Shape, tuple[slice, ...]]]


def per_axis(value, axes: int) -> tuple:
    """One entry per axis, from one for all."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


def extent(kernel: int, dilation: int) -> int:
    """How many pixels a window spans, holes included."""
    return dilation * (kernel - 1) + 1


def same_sides(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's `same`: ceil(size / stride) outputs, the odd pixel of padding at the end."""
    outputs = math.ceil(size / stride)
    total = max((outputs - 1) * stride + extent(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def sides(padding, sizes: Sequence[int], kernel, stride, dilation) -> Sides:
    """(before, after) of every axis, from any way of writing a padding."""
    if padding == "valid":
        return [(0, 0)] * len(sizes)
    if padding == "same":
        return [same_sides(*axis) for axis in zip(sizes, kernel, stride, dilation, strict=True)]
    return [(p, p) if isinstance(p, int) else tuple(p) for p in per_axis(padding, len(sizes))]


def output_size(size: int, kernel: int, stride: int, both: Pair, dilation: int, ceil_mode=False) -> int:
    """floor((W + P - D(K - 1) - 1) / S) + 1; ceil_mode rounds up, but no window starts after the image."""
    room = size + sum(both) - extent(kernel, dilation)
    if not ceil_mode:
        return room // stride + 1
    outputs = math.ceil(room / stride) + 1
    return outputs - 1 if (outputs - 1) * stride >= size + both[0] else outputs


def windows(sizes, kernel, stride, padding: Sides, dilation, ceil_mode=False) -> tuple[Shape, Windows]:
    """The shape of the output, and for each of its places the slices of the padded input that it looks at."""
    axes = list(zip(sizes, kernel, stride, padding, dilation, strict=True))
    shape = tuple(output_size(*axis, ceil_mode=ceil_mode) for axis in axes)
    slices = [
        tuple(slice(p * s, p * s + extent(k, d), d) for p, (_, k, s, _, d) in zip(place, axes, strict=True))
        for place in np.ndindex(*shape)
    ]
    return shape, list(zip(np.ndindex(*shape), slices, strict=True))


def padded(x: np.ndarray, padding: Sides, value: float = 0.0) -> np.ndarray:
    """x (N, C, *axes) with `value` around its spatial axes."""
    return np.pad(x, [(0, 0), (0, 0), *padding], constant_values=value)


def unpadded(x: np.ndarray, padding: Sides, sizes: Sequence[int]) -> np.ndarray:
    """The part of a padded array that is the image."""
    return x[(..., *(slice(before, before + size) for (before, _), size in zip(padding, sizes, strict=True)))]


# Convolution


def _conv_walk(x, w, stride, padding, dilation, groups):
    """The padding, the output's shape, and for each output element the part of the padded x it weighs."""
    axes = x.ndim - 2
    stride, dilation = per_axis(stride, axes), per_axis(dilation, axes)
    padding = sides(padding, x.shape[2:], w.shape[2:], stride, dilation)
    spatial, views = windows(x.shape[2:], w.shape[2:], stride, padding, dilation)
    channels, outputs = x.shape[1] // groups, w.shape[0] // groups

    def walk() -> Iterator[tuple]:
        for n, o, (place, view) in itertools.product(range(len(x)), range(len(w)), views):
            first = o // outputs * channels
            yield o, (n, o, *place), (n, slice(first, first + channels), *view)

    return padding, (len(x), len(w), *spatial), walk()


def conv(x, w, b=None, stride=1, padding=0, dilation=1, groups=1) -> np.ndarray:
    """Cross-correlation of x (N, C, *sizes) with w (O, C / groups, *kernel), plus b (O,)."""
    padding, shape, walk = _conv_walk(x, w, stride, padding, dilation, groups)
    x = padded(x, padding)
    y = np.zeros(shape)
    for o, out, view in walk:
        y[out] = (x[view] * w[o]).sum() + (0.0 if b is None else b[o])
    return y


def conv_gradients(x, w, gy, stride=1, padding=0, dilation=1, groups=1):
    """The gradients by x, w and b of the sum of gy * conv(x, w, b)."""
    sizes = x.shape[2:]
    padding, _, walk = _conv_walk(x, w, stride, padding, dilation, groups)
    x = padded(x, padding)
    gx, gw = np.zeros(x.shape), np.zeros(w.shape)
    for o, out, view in walk:
        gx[view] += gy[out] * w[o]
        gw[o] += gy[out] * x[view]
    return unpadded(gx, padding, sizes), gw, gy.sum(axis=(0, *range(2, gy.ndim)))


def conv_transpose(x, w, b=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1) -> np.ndarray:
    """Every pixel of x (N, C, *sizes) adds itself times w (C, O / groups, *kernel), from its place times the stride."""
    axes, kernel, outputs = x.ndim - 2, w.shape[2:], w.shape[1]
    stride, padding, more, dilation = (per_axis(v, axes) for v in (stride, padding, output_padding, dilation))
    spans = [(n - 1) * s + extent(k, d) for n, s, k, d in zip(x.shape[2:], stride, kernel, dilation, strict=True)]
    whole = np.zeros((len(x), outputs * groups, *(n + m for n, m in zip(spans, more, strict=True))))
    for n, c, *place in np.ndindex(*x.shape):
        group = c // (x.shape[1] // groups)
        for o, *tap in np.ndindex(*w.shape[1:]):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
            whole[(n, group * outputs + o, *at)] += x[(n, c, *place)] * w[(c, o, *tap)]
    kept = whole[(..., *(slice(p, size - p) for p, size in zip(padding, whole.shape[2:], strict=True)))]
    return kept if b is None else kept + b.reshape(-1, *(1,) * axes)


# Pooling


def _pool_walk(x, kernel_size, stride, padding, dilation, ceil_mode):
    """The padding with what ceil mode hangs over, the outputs' shape, and each place with its window."""
    axes = x.ndim - 2
    kernel, dilation = per_axis(kernel_size, axes), per_axis(dilation, axes)
    stride = kernel if stride is None else per_axis(stride, axes)
    both = sides(padding, x.shape[2:], kernel, stride, dilation)
    spatial, views = windows(x.shape[2:], kernel, stride, both, dilation, ceil_mode)
    reach = [max(view[axis].stop for _, view in views) for axis in range(axes)]
    hanging = [
        (before, max(after, end - before - size))
        for (before, after), end, size in zip(both, reach, x.shape[2:], strict=True)
    ]
    return both, hanging, (*x.shape[:2], *spatial), views


def _every_window(shape, views) -> Iterator[tuple]:
    for n, c, (place, view) in itertools.product(range(shape[0]), range(shape[1]), views):
        yield (n, c, *place), (n, c, *view)


def max_pool(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> np.ndarray:
    """The greatest of every window; what lies outside the image never wins."""
    _, hanging, shape, views = _pool_walk(x, kernel_size, stride, padding, dilation, ceil_mode)
    x = padded(x, hanging, -np.inf)
    y = np.zeros(shape)
    for out, view in _every_window(shape, views):
        y[out] = x[view].max()
    return y


def max_pool_gradient(x, gy, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> np.ndarray:
    """All of an output's gradient goes to the first of its window's greatest elements, in row-major order."""
    _, hanging, shape, views = _pool_walk(x, kernel_size, stride, padding, dilation, ceil_mode)
    sizes, x = x.shape[2:], padded(x, hanging, -np.inf)
    gx = np.zeros(x.shape)
    for out, view in _every_window(shape, views):
        winner = np.unravel_index(np.argmax(x[view]), x[view].shape)
        gx[view][winner] += gy[out]
    return unpadded(gx, hanging, sizes)


def _counted(sizes, both, hanging, count_include_pad) -> np.ndarray:
    """1 where an element of the padded image counts in an average, else 0."""
    inside = both if count_include_pad else [(0, 0)] * len(sizes)
    ones = np.ones([size + sum(pair) for size, pair in zip(sizes, inside, strict=True)])
    around = [(h[0] - i[0], h[1] - i[1]) for h, i in zip(hanging, inside, strict=True)]
    return np.pad(ones, around)


def avg_pool(x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True) -> np.ndarray:
    """The sum of every window over the number of elements that count."""
    both, hanging, shape, views = _pool_walk(x, kernel_size, stride, padding, 1, ceil_mode)
    counted = _counted(x.shape[2:], both, hanging, count_include_pad)
    x = padded(x, hanging)
    y = np.zeros(shape)
    for out, view in _every_window(shape, views):
        y[out] = x[view].sum() / counted[view[2:]].sum()
    return y


def avg_pool_gradient(x, gy, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Every element of a window gets the same share of its output's gradient."""
    both, hanging, shape, views = _pool_walk(x, kernel_size, stride, padding, 1, ceil_mode)
    counted = _counted(x.shape[2:], both, hanging, count_include_pad)
    gx = np.zeros(padded(x, hanging).shape)
    for out, view in _every_window(shape, views):
        gx[view] += gy[out] / counted[view[2:]].sum()
    return unpadded(gx, hanging, x.shape[2:])


def global_pool(x, reduce) -> np.ndarray:
    """`reduce` (np.mean, np.max) of every channel of every image, the spatial axes kept as ones."""
    y = np.zeros((*x.shape[:2], *(1 for _ in x.shape[2:])))
    for n, c in np.ndindex(*x.shape[:2]):
        y[n, c] = reduce(x[n, c])
    return y


def adaptive_pool(x, output_size, reduce) -> np.ndarray:
    """`reduce` of windows from floor(i · size / outputs) to ceil((i + 1) · size / outputs) of every axis."""
    outputs, sizes = per_axis(output_size, x.ndim - 2), x.shape[2:]
    y = np.zeros((*x.shape[:2], *outputs))
    for place in np.ndindex(*y.shape):
        axes = zip(place[2:], sizes, outputs, strict=True)
        window = tuple(slice(i * n // o, math.ceil((i + 1) * n / o)) for i, n, o in axes)
        y[place] = reduce(x[(*place[:2], *window)])
    return y


def interpolate(x, sizes, mode="nearest", align_corners=False, ratios=None) -> np.ndarray:
    """Each output is the nearest pixel, or the sum of its neighbours weighed by how near they are."""
    ratios = ratios or [n / o for n, o in zip(x.shape[2:], sizes, strict=True)]
    y = np.zeros((*x.shape[:2], *sizes))
    for place in np.ndindex(*y.shape):
        shares = []
        for i, n, o, ratio in zip(place[2:], x.shape[2:], sizes, ratios, strict=True):
            if mode == "nearest":
                shares.append([(min(math.floor(i * ratio), n - 1), 1.0)])
                continue
            at = i * (n - 1) / max(o - 1, 1) if align_corners else ratio * (i + 0.5) - 0.5
            at = min(max(at, 0), n - 1)
            before = math.floor(at)
            shares.append([(before, before + 1 - at), (min(before + 1, n - 1), at - before)])
        for corner in itertools.product(*shares):
            y[place] += math.prod(share for _, share in corner) * x[(*place[:2], *(p for p, _ in corner))]
    return y


# Padding on its own


def pad(x, amounts, mode="zeros", value=0.0) -> np.ndarray:
    """Pads the last axes; `amounts` is (left, right, top, bottom, ...), the last axis first."""
    pairs = [(0, 0)] * x.ndim
    for axis, both in enumerate(zip(amounts[::2], amounts[1::2], strict=True), start=1):
        pairs[-axis] = both
    y = np.zeros([size + sum(both) for size, both in zip(x.shape, pairs, strict=True)])
    for place in np.ndindex(*y.shape):
        source = [p - before for p, (before, _) in zip(place, pairs, strict=True)]
        y[place] = _outside(x, source, mode, value)
    return y


def _outside(x, place, mode, value) -> float:
    """x at `place`, which may lie outside."""
    if mode == "replicate":
        place = [min(max(p, 0), size - 1) for p, size in zip(place, x.shape, strict=True)]
    if mode == "reflect":
        place = [size - 1 - abs(size - 1 - abs(p)) for p, size in zip(place, x.shape, strict=True)]
    inside = all(0 <= p < size for p, size in zip(place, x.shape, strict=True))
    return x[tuple(place)] if inside else value


# Everything else


def each(function: Callable[[float], float]) -> Callable[[np.ndarray], np.ndarray]:
    """The operation that replaces every element by `function` of it."""

    def operation(x) -> np.ndarray:
        y = np.zeros(x.shape)
        for place in np.ndindex(*x.shape):
            y[place] = function(float(x[place]))
        return y

    return operation


def linear(x, w, b=None) -> np.ndarray:
    """x (..., I) times w (O, I), plus b (O,)."""
    y = np.zeros((*x.shape[:-1], len(w)))
    for *place, o in np.ndindex(*y.shape):
        row = x[tuple(place)]
        y[(*place, o)] = sum(row[i] * w[o, i] for i in range(len(row))) + (0.0 if b is None else b[o])
    return y


def batch_norm(x, mean, variance, weight, bias, training, momentum=0.1, eps=1e-5):
    """The output, and the running mean and variance after it: the running variance is the unbiased one.

    Ioffe and Szegedy 2015, algorithm 1; the running statistics as in PyTorch.
    """
    y, mean, variance = np.zeros(x.shape), mean.copy(), variance.copy()
    for c in range(x.shape[1]):
        values = [x[(n, c, *place)] for n in range(len(x)) for place in np.ndindex(*x.shape[2:])]
        centre, spread = mean[c], variance[c]
        if training:
            centre = sum(values) / len(values)
            squares = sum((value - centre) ** 2 for value in values)
            spread = squares / len(values)
            mean[c] += momentum * (centre - mean[c])
            variance[c] += momentum * (squares / (len(values) - 1) - variance[c])
        y[:, c] = weight[c] * (x[:, c] - centre) / math.sqrt(spread + eps) + bias[c]
    return y, mean, variance


def log_softmax(x, dim=-1) -> np.ndarray:
    """Along one axis."""
    y = np.zeros(x.shape)
    rows, out = np.moveaxis(x, dim, -1), np.moveaxis(y, dim, -1)
    for place in np.ndindex(*rows.shape[:-1]):
        row = rows[place]
        top = max(row)
        out[place] = [value - top - math.log(sum(math.exp(other - top) for other in row)) for value in row]
    return y


def softmax(x, dim=-1) -> np.ndarray:
    """Along one axis."""
    return np.exp(log_softmax(x, dim))


def subsample(x, coefficient, bias, kernel_size=2) -> np.ndarray:
    """coefficient (C,) times the mean of every window, plus bias (C,). LeCun et al. 1998, section II-B."""
    mean = avg_pool(x, kernel_size)
    return np.stack([mean[:, c] * coefficient[c] + bias[c] for c in range(x.shape[1])], axis=1)


def one_hot(labels, classes: int) -> np.ndarray:
    """Rows (N, classes) of zeros with a one at the label."""
    rows = np.zeros((len(labels), classes))
    for n, label in enumerate(labels):
        rows[n, label] = 1.0
    return rows


def cross_entropy(logits, labels, reduction="mean", label_smoothing=0.0, weight=None, ignored=None) -> float:
    """Labels are integers (N,) or rows (N, C); smoothing mixes a row with the uniform one.

    Szegedy et al. 2016, section 7. A class's weight multiplies its part of the row. As in PyTorch the mean divides by
    the weights of the labels that are not ignored, and for rows by their number.
    """
    classes, numbers = logits.shape[1], np.ndim(labels) == 1
    weight = [1.0] * classes if weight is None else weight
    logs, total, divisor = log_softmax(logits), 0.0, 0.0
    for n, label in enumerate(labels):
        if numbers and label == ignored:
            continue
        divisor += weight[label] if numbers else 1
        for c in range(classes):
            share = float(c == label) if numbers else label[c]
            total -= weight[c] * ((1 - label_smoothing) * share + label_smoothing / classes) * logs[n, c]
    return total / divisor if reduction == "mean" else total


def logit_losses(x, target, weight=None, positive=None) -> float:
    """The mean of -(p t log s + (1 - t) log(1 - s)), s the sigmoid of x (N, L); weight and p are (L,)."""
    total = 0.0
    for n, label in np.ndindex(*x.shape):
        s, t = 1 / (1 + math.exp(-x[n, label])), target[n, label]
        p = 1.0 if positive is None else positive[label]
        w = 1.0 if weight is None else weight[label]
        total -= w * (p * t * math.log(s) + (1 - t) * math.log(1 - s))
    return total / x.size


def smooth_l1(x, target, beta=1.0) -> float:
    """The mean of d² / (2 beta) where d < beta, else of d - beta / 2; with beta 0 of d."""
    total = 0.0
    for place in np.ndindex(*x.shape):
        d = abs(x[place] - target[place])
        total += d * d / (2 * beta) if d < beta else d - beta / 2
    return total / x.size


def mse(x, target, reduction="mean") -> float:
    """The mean or the sum of the squared differences."""
    total = sum((x[place] - target[place]) ** 2 for place in np.ndindex(*x.shape))
    return total / x.size if reduction == "mean" else total


def prelu(x, weight) -> np.ndarray:
    """x where it is above 0, else weight times x; weight (1,), or (C,) for x (N, C, ...)."""
    y = np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        slope = weight[place[1]] if len(weight) > 1 else weight[0]
        y[place] = x[place] if x[place] > 0 else slope * x[place]
    return y


def _standardised(values: np.ndarray, eps: float) -> np.ndarray:
    """The values minus their mean, over the root of their biased variance."""
    centre = sum(values.ravel()) / values.size
    spread = sum((value - centre) ** 2 for value in values.ravel()) / values.size
    return (values - centre) / math.sqrt(spread + eps)


def group_norm(x, groups, weight=None, bias=None, eps=1e-5) -> np.ndarray:
    """Each image's groups of channels by their own mean and variance. Wu and He 2018."""
    y, each = np.zeros(x.shape), x.shape[1] // groups
    for n, g in np.ndindex(len(x), groups):
        part = slice(g * each, (g + 1) * each)
        y[n, part] = _standardised(x[n, part], eps)
    for c in range(x.shape[1]):
        y[:, c] = y[:, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


def layer_norm(x, axes, weight=None, bias=None, eps=1e-5) -> np.ndarray:
    """The last `axes` axes by their own mean and variance, at each place of the others. Ba et al. 2016."""
    y = np.zeros(x.shape)
    for place in np.ndindex(*x.shape[: x.ndim - axes]):
        part = _standardised(x[place], eps)
        y[place] = part * (1 if weight is None else weight) + (0 if bias is None else bias)
    return y
