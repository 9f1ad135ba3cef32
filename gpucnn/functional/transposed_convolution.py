"""Transposed convolution, which enlarges maps: the gradient of a convolution by its input, as an operation."""

from typing import NamedTuple

from gpucnn.backend import Array, empty
from gpucnn.errors import ShapeError
from gpucnn.functional.checks import check_floating
from gpucnn.functional.convolution import Weighted
from gpucnn.functional.dimensions import over
from gpucnn.functional.padding import pad
from gpucnn.geometry import PerAxis, Sizes, Window, per_axis
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.tensor import Tensor

__all__ = ["conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


class TransposedConvolution(Weighted):
    """x (I, places..., N), weight (I, O / groups, kernel...), optional bias (O,): (O, sizes..., N).

    It is the convolution from (O, sizes...) to (I, places...), backwards, and its gradients are that one forwards.
    """

    def forward(self, x: Array, weight: Array, *bias: Array, window: Window, groups: int, sizes: Sizes) -> Array:
        self.x, self.weight, self.window, self.groups = x, weight, window, groups
        out = empty((weight.shape[1] * groups, *sizes, x.shape[-1]), x)
        kernels_of(type(x)).conv.backward_input(weight, x, window, groups, out)
        if bias:
            kernels_of(type(x)).arithmetic.add_to_rows(bias[0], out)
        return out

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        by_x, by_weight, by_bias = self._memory(grad)
        kernels = kernels_of(type(grad)).conv
        if by_x is not None:
            kernels.forward(grad, self.weight, None, self.window, self.groups, False, by_x)
        if by_weight is not None:
            kernels.backward_weight(grad, self.x, self.window, self.groups, by_weight)
        if by_bias is not None:
            kernels.backward_bias(grad, by_bias)
        return (by_x, by_weight, by_bias)[: len(self.needs)]


class Spreading(NamedTuple):
    """The options of a transposed convolution, as users give them: one number for all axes, or one per axis."""

    stride: PerAxis = 1
    padding: PerAxis = 0
    output_padding: PerAxis = 0
    groups: int = 1
    dilation: PerAxis = 1


def conv_transpose(
    axes: int,
    x: Tensor,
    w: Tensor,
    b: Tensor | None = None,
    stride: PerAxis = 1,
    padding: PerAxis = 0,
    output_padding: PerAxis = 0,
    groups: int = 1,
    dilation: PerAxis = 1,
) -> Tensor:
    """Each pixel of x (N, I, H, W) times w (I, O / groups, kh, kw), laid `stride` apart and added up, plus b (O,).

    The result is (N, O, OH, OW), with OH = (H - 1) · stride - 2 · padding + dilation · (kh - 1) + 1 + output_padding.
    `padding` is cut off on every side, `output_padding` is more at the end. Raises ShapeError where shapes or options
    do not fit, InputError for dtypes that differ or are not floating.
    """
    spreading = Spreading(stride, padding, output_padding, groups, dilation)
    return spread(f"conv_transpose{axes}d", axes, x, w, b, spreading)


conv_transpose1d = over(1, conv_transpose, "As conv_transpose2d, over x (N, I, W) with w (I, O / groups, k).")
conv_transpose2d = over(2, conv_transpose)
conv_transpose3d = over(
    3, conv_transpose, "As conv_transpose2d, over x (N, I, D, H, W) with w (I, O / groups, kd, kh, kw)."
)


def spread(name: str, axes: int, x: Tensor, w: Tensor, b: Tensor | None, spreading: Spreading) -> Tensor:
    """conv_transpose1d, 2d or 3d (`axes`); `name` is for messages."""
    check_floating(name, x, w, b)
    window, sizes = transposed_window(name, axes, x.shape, w.shape, spreading)
    if b is not None and b.shape != (w.shape[1] * spreading.groups,):
        raise ShapeError(
            f"{name}: bias has shape {b.shape}; expected ({w.shape[1] * spreading.groups},), one number per output "
            f"channel"
        )
    places = window.output_sizes(sizes)
    if places != x.shape[2:]:  # output_padding beyond the stride: as if zeros came behind the input
        more = zip(reversed(places), reversed(x.shape[2:]), strict=True)
        x = pad(x, [side for wanted, size in more for side in (0, wanted - size)])
    inputs = (x, w) if b is None else (x, w, b)
    return TransposedConvolution.apply(*inputs, window=window, groups=spreading.groups, sizes=sizes)


def transposed_window(name: str, axes: int, x: Sizes, w: Sizes, spreading: Spreading) -> tuple[Window, Sizes]:
    """The window of the convolution that is turned round, and the sizes of the output; x, w: shapes.

    Raises ShapeError where shapes and options do not fit.
    """
    given, groups = f"x {x}, w {w}", spreading.groups
    if len(x) != axes + 2 or len(w) != axes + 2 or 0 in x:
        raise ShapeError(
            f"{name}: expected x (images, channels, {axes} sizes) and w (in_channels, out_channels / groups, {axes} "
            f"sizes), {axes + 2} axes each, none of x's empty: {given}"
        )
    if groups < 1 or w[0] % groups:
        raise ShapeError(f"{name}: groups is {groups}, which does not divide the {w[0]} channels of the input: {given}")
    if x[1] != w[0]:
        raise ShapeError(
            f"{name}: input has {x[1]} channels, weight expects {w[0]}: {given}. Give in_channels={x[1]} or change the "
            f"layer before"
        )
    stride, dilation = (per_axis(name, each, getattr(spreading, each), axes, 1) for each in ("stride", "dilation"))
    padding, more = (per_axis(name, each, getattr(spreading, each), axes, 0) for each in ("padding", "output_padding"))
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ShapeError(
            f"{name}: output_padding is {spreading.output_padding!r}; expected less than the stride {stride} or the "
            f"dilation {dilation}"
        )
    window = Window(w[2:], stride, tuple((p, p) for p in padding), dilation)
    spans = zip(x[2:], stride, padding, window.extent, more, strict=True)
    sizes = tuple((n - 1) * s - 2 * p + extent + m for n, s, p, extent, m in spans)
    if min(sizes) < 1:
        raise ShapeError(f"{name}: padding {padding} cuts off all of an output: {given}. Give less padding")
    return window, sizes
