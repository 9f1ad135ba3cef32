"""Convolution on tensor cores, without a column matrix: factors are rounded to TF32, sums are float32."""

import functools

from gpucnn.backend import Array, load_cupy
from gpucnn.geometry import Window
from gpucnn.kernels.cuda import plans, precision, program

LEAST_CAPABILITY = 80  # compute capability 8.0, the first whose tensor cores take TF32

# The outs and columns of a group from which tensor cores are faster: with fewer their tiles are mostly empty.
PAYING_OUTS, PAYING_COLUMNS = 32, 64


def rounded(weight: Array, groups: int) -> bool:
    """Whether a convolution by `weight` (O, I / groups, kernel...) may be rounded, and gains by it."""
    outs, columns = weight.shape[0] // groups, weight[0].size
    large = outs >= PAYING_OUTS and columns >= PAYING_COLUMNS
    return large and weight.dtype.itemsize == 4 and precision.get() != "float32"


def computes(weight: Array, groups: int, *arrays: Array) -> bool:
    """Whether tensor cores compute a convolution by `weight`, of and to these arrays."""
    return rounded(weight, groups) and program.quads(*arrays) and _capable(load_cupy().cuda.runtime.getDevice())


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array) -> None:
    """As Conv.forward."""
    launch = plans.tensor(window, groups, x.shape, weight.shape, False)
    _launch(launch, x, weight, bias, int(relu), out)


def forward_pooled(
    x: Array,
    weight: Array,
    bias: Array | None,
    window: Window,
    groups: int,
    relu: bool,
    winners: Array | None,
    out: Array,
) -> None:
    """As ConvPool.forward by 2 x 2, with the winners as bytes where they are asked for."""
    launch = plans.tensor(window, groups, x.shape, weight.shape, False, behind=True)
    _launch(launch, x, weight, bias, int(relu), winners, out)


def backward_input(weight: Array, grad: Array, winners: Array | None, window: Window, groups: int, out: Array) -> None:
    """As Conv.backward_input; with `winners`, of the gradient that max-pooling by 2 x 2 makes of `grad`."""
    launch = plans.tensor(window, groups, out.shape, weight.shape, True, before=winners is not None)
    if winners is None:
        _launch(launch, grad, weight, None, 0, out)
    else:
        _launch(launch, grad, winners, weight, out)


def _launch(launch: plans.Launch, source: Array, *others: Array | int | None) -> None:
    arguments = (launch.plan, source, *others)
    program.launch("tensor", launch.kernel, source.dtype, (launch.blocks,), (launch.threads,), *arguments)


@functools.cache  # every convolution asks
def _capable(device: int) -> bool:
    return int(load_cupy().cuda.Device(device).compute_capability) >= LEAST_CAPABILITY
