"""Convolution by 3 x 3 kernels of stride 1 with fewer products (source/winograd.h), and where that pays."""

import numpy as np

from gpucnn import threads
from gpucnn.backend import Array, empty
from gpucnn.geometry import Sizes, Window
from gpucnn.kernels.c import library
from gpucnn.kernels.plans import cached_by_shape

PIXELS = 16  # of a tile that 2 x 2 outputs read
STRIP_BYTES, PAD_BYTES = 256, 64  # as in winograd.h
BLOCK_BYTES = 1 << 18  # transformed pixels that a task works on: a quarter of a Zen 5's second cache
LEAST_BLOCKS = 16  # enough for the threads to share evenly

# Where direct convolution is slower, as measured on a Zen 5 by AVX-512. Each pixel has ins · outs products to save
# and ins + outs transforms to pay for; sizes that are odd compute one row and column more.
LEAST_CHANNELS = 16  # in and out, of one group
LEAST_PRODUCTS = 512  # ins · outs
LEAST_SIZE = 10  # of the output, along either axis
LEAST_IMAGES = 16  # a vector of them


def pays(window: Window, groups: int, out: Sizes, ins: int) -> bool:
    """Whether this is quicker than the direct convolution to `out` (O, H, W, N), from `ins` channels in each group."""
    outs = out[0] // groups
    return (
        window.kernel == (3, 3)
        and window.stride == window.dilation == (1, 1)
        and min(ins, outs) >= LEAST_CHANNELS
        and ins * outs >= LEAST_PRODUCTS
        and min(out[1:-1]) >= LEAST_SIZE
        and out[-1] >= LEAST_IMAGES
    )


def forward(x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array) -> None:
    """As Conv.forward."""
    outs, ins = len(weight) // groups, weight.shape[1]
    before = tuple(before for before, _ in window.padding)
    plan = _plan((groups, outs, ins), out.shape, x.shape, before, (outs * ins * 9, ins * 9, 9), False, x.itemsize)
    library.c.winograd(plan, x, weight, bias, relu, _memory(plan, x), out)


def backward_input(weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
    """As Conv.backward_input: the convolution of grad by flipped kernels."""
    outs, ins = len(weight) // groups, weight.shape[1]
    before = tuple(2 - before for before, _ in window.padding)
    plan = _plan((groups, ins, outs), out.shape, grad.shape, before, (outs * ins * 9, 9, ins * 9), True, grad.itemsize)
    library.c.winograd(plan, grad, weight, None, False, _memory(plan, grad), out)


@cached_by_shape
def _plan(
    channels: Sizes, out: Sizes, x: Sizes, before: Sizes, steps: Sizes, flipped: bool, itemsize: int
) -> np.ndarray:
    """A WinogradPlan. `channels`: groups, outs, ins; `steps` lead in the weight from one of each to the next."""
    groups, _, ins = channels
    strip = PIXELS * ins * STRIP_BYTES  # bytes
    numbers = -(-out[1] // 2) * -(-out[2] // 2) * out[3]
    strips = min(BLOCK_BYTES // strip, groups * numbers * itemsize // (LEAST_BLOCKS * STRIP_BYTES))
    header = [*channels, x[3], *out[1:3], *x[1:3], *before, *steps, flipped, threads.thread_count(), max(1, strips)]
    return np.array(header, np.int64)


def _memory(plan: np.ndarray, like: Array) -> Array:
    """The memory that winograd.h needs: the kernels transformed, and for each worker its strips of pixels."""
    groups, outs, ins = plan[:3].tolist()
    workers, strips = plan[-2:].tolist()
    numbers = groups * outs * ins + workers * strips * (ins * STRIP_BYTES + PAD_BYTES) // like.itemsize
    return empty((PIXELS * numbers,), like)
