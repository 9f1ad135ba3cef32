"""Pooling in NumPy and CuPy: one pass over a view of the input for each tap of the window; behind a convolution too."""

import math
from typing import Any

import numpy as np

from gpucnn.backend import Array, empty, module_of, written_by
from gpucnn.geometry import Sides, Sizes, Window, padded_places, unpadded_places
from gpucnn.kernels.interface import Gradients, Windows
from gpucnn.kernels.numpy.conv import Conv, padded
from gpucnn.kernels.plans import cached_by_shape


class Pool:
    """Pooling over windows of (C, spatial..., N)."""

    def max_forward(self, x: Array, window: Window, relu: bool, out: Array) -> None:
        """out (C, outputs..., N) = the largest value under the window, with `relu` no less than 0. Padding is -inf."""
        xp = module_of(x)
        first, *others = _taps(padded(x, window, -math.inf), window, out.shape[1:-1])
        xp.copyto(out, first)
        for view in others:
            xp.maximum(view, out, out=out)
        if relu:
            xp.maximum(out, 0, out=out)

    def max_forward_winners(self, x: Array, window: Window, relu: bool, out: Array) -> list[Array]:
        """As max_forward; returns the winners, which max_backward takes.

        Here the winners are a list of boolean arrays of out's shape.

        For every tap but the first there is one, true where the tap exceeds all before it; with `relu`, another comes
        first, true where the result is above 0.
        """
        xp = module_of(x)
        first, *others = _taps(padded(x, window, -math.inf), window, out.shape[1:-1])
        xp.copyto(out, first)
        beaten = []
        for view in others:
            beaten.append(xp.greater(view, out, out=empty(out.shape, x, dtype=bool)))
            xp.maximum(view, out, out=out)
        if not relu:
            return beaten
        xp.maximum(out, 0, out=out)
        return [xp.greater(out, 0, out=empty(out.shape, x, dtype=bool)), *beaten]

    def max_backward(self, grad: Array, winners: list[Array], window: Window, out: Array) -> None:
        """out (C, spatial..., N) = the gradient of each window at the pixel that won it, the first of equal ones.

        After `relu` a window whose result is 0 gives no gradient.

        Computed from the last tap to the first: one that beat all before it takes the gradient that no later one took.
        """
        xp, outputs, taps = module_of(grad), grad.shape[1:-1], math.prod(window.kernel)
        above, beaten = winners[: len(winners) - taps + 1], winners[len(winners) - taps + 1 :]
        rest = empty(grad.shape, grad)
        xp.multiply(grad, above[0], out=rest) if above else xp.copyto(rest, grad)
        if _cover(window, out.shape[1:-1], outputs):
            first, *others = _taps(out, window, outputs)
            for view, wins in zip(reversed(others), reversed(beaten), strict=True):
                xp.multiply(rest, wins, out=view)
                xp.subtract(rest, view, out=rest)
            first[...] = rest
            return
        out.fill(0)
        share = empty(grad.shape, grad)
        for tap in range(len(beaten), 0, -1):
            xp.multiply(rest, beaten[tap - 1], out=share)
            xp.subtract(rest, share, out=rest)
            _add(share, window, tap, out)
        _add(rest, window, 0, out)

    def tap_counts(self, window: Window, counted: Sides, sizes: Sizes, outputs: Sizes, like: Array) -> Array:
        """The counts that average_forward and average_backward take.

        The taps of each window that count are those over the input of `sizes` and its `counted` padding.
        """
        return module_of(like).asarray(_tap_counts(window, counted, sizes, outputs), dtype=like.dtype)

    def average_forward(self, x: Array, window: Window, counts: Array, out: Array) -> None:
        """out (C, outputs..., N) = the sum under the window over how many of its taps count."""
        xp = module_of(x)
        first, *others = _taps(padded(x, window, 0), window, out.shape[1:-1])
        xp.copyto(out, first)
        for view in others:
            xp.add(out, view, out=out)
        xp.divide(out, counts, out=out)

    def average_backward(self, grad: Array, window: Window, counts: Array, out: Array) -> None:
        """out (C, spatial..., N) = for each pixel the sum of grad over the count, of the windows that it lies in."""
        each = module_of(grad).divide(grad, counts, out=empty(grad.shape, grad))
        if _cover(window, out.shape[1:-1], grad.shape[1:-1]):
            for view in _taps(out, window, grad.shape[1:-1]):
                view[...] = each
            return
        out.fill(0)
        for tap in range(math.prod(window.kernel)):
            _add(each, window, tap, out)

    def global_average_forward(self, x: Array, out: Array) -> None:
        """out (C, ones..., N) = the mean of each map of x (C, spatial..., N)."""
        module_of(x).mean(x, axis=tuple(range(1, x.ndim - 1)), keepdims=True, out=out)

    def global_average_backward(self, grad: Array, out: Array) -> None:
        """out (C, spatial..., N) = grad (C, ones..., N), shared equally among the pixels of its map."""
        out[...] = grad / (out.size // grad.size)

    def global_max_forward(self, x: Array, out: Array) -> Array:
        """out (C, ones..., N) = the largest value of each map of x (C, spatial..., N).

        Returns the winners for the backward.
        """
        maps = x.reshape(x.shape[0], -1, x.shape[-1])  # (C, pixels, N)
        winners = maps.argmax(axis=1)[:, None]
        out[...] = module_of(x).take_along_axis(maps, winners, axis=1).reshape(out.shape)
        return winners

    def global_max_backward(self, grad: Array, winners: Array, out: Array) -> None:
        """out (C, spatial..., N) = grad (C, ones..., N) at the first largest value of each map, 0 elsewhere."""
        out.fill(0)
        maps = out.reshape(out.shape[0], -1, out.shape[-1])  # (C, pixels, N)
        module_of(grad).put_along_axis(maps, winners, grad.reshape(out.shape[0], 1, -1), axis=1)


@cached_by_shape
def _tap_counts(window: Window, counted: Sides, sizes: Sizes, outputs: Sizes) -> np.ndarray:
    counts = np.ones((1,) * (len(sizes) + 1))
    for axis, (size, count, (before, after)) in enumerate(zip(sizes, outputs, counted, strict=True)):
        first = np.arange(count) * window.stride[axis] - window.padding[axis][0]
        # (outputs, kernel): average pooling has no gaps
        taps_along = first[:, None] + np.arange(window.kernel[axis])
        within = ((taps_along >= -before) & (taps_along < size + after)).sum(axis=1)
        counts = counts * within.reshape([-1 if i == axis else 1 for i in range(counts.ndim)])
    return counts


class ConvPool:
    """Convolution, max-pooling of its results, and ReLU where asked for; a set gives the kernels of its own."""

    def __init__(self, conv: Conv, pool: Pool) -> None:
        self.conv, self.pool = conv, pool

    def forward(
        self, x: Array, weight: Array, bias: Array | None, windows: Windows, relu: bool, winning: bool, out: Array
    ) -> Any:
        """out (O, outputs..., N) of the pooling; returns the winners, which `backward` takes, where `winning`."""
        sizes = windows.convolution.output_sizes(x.shape[1:-1])
        whole = empty((len(weight), *sizes, x.shape[-1]), x)
        self.conv.forward(x, weight, bias, windows.convolution, windows.groups, False, whole)
        if winning:
            return self.pool.max_forward_winners(whole, windows.pooling, relu, out)
        return self.pool.max_forward(whole, windows.pooling, relu, out)

    def backward(self, x: Array, weight: Array, grad: Array, winners: Any, windows: Windows, into: Gradients) -> None:
        """Write the gradients by x, weight and bias into `into`, from `grad` by the result."""
        by_x, by_weight, by_bias = into
        window, groups, pooling = windows
        shape = (len(weight), *window.output_sizes(x.shape[1:-1]), x.shape[-1])
        whole = written_by(self.pool.max_backward, shape, grad, winners, pooling)
        if by_x is not None:
            self.conv.backward_input(weight, whole, window, groups, by_x)
        if by_weight is not None:
            self.conv.backward_weight(x, whole, window, groups, by_weight, by_bias)
        elif by_bias is not None:
            self.conv.backward_bias(whole, by_bias)


def _taps(x: Array, window: Window, outputs: Sizes) -> list[Array]:
    """For each tap in order, what it reads of the padded x for every output: a view (C, outputs..., N)."""
    return list(map(x.__getitem__, padded_places(window, outputs)))


@cached_by_shape
def _cover(window: Window, sizes: Sizes, outputs: Sizes) -> bool:
    """Whether the windows cover every pixel exactly once, so that each tap's share can be written, not added."""
    together = window.kernel == window.stride and not window.padded and set(window.dilation) == {1}
    return together and sizes == tuple(k * o for k, o in zip(window.kernel, outputs, strict=True))


def _add(share: Array, window: Window, tap: int, out: Array) -> None:
    """Add share (C, outputs..., N) to the pixels of out under one tap."""
    inside, places = unpadded_places(window, out.shape[1:-1], share.shape[1:-1])[tap]
    target = out[(slice(None), *inside)]
    target += share[(slice(None), *places)]
