"""Convolution by 3 x 3 kernels of stride 1 with fewer products (source/winograd.h), and where that pays."""

import numpy as np

from gpucnn import threads
from gpucnn.backend import Array, empty
from gpucnn.geometry import Sizes, Window
from gpucnn.kernels.c import library
from gpucnn.kernels.plans import cached_by_shape

SIDE = 4  # of a tile of outputs
PIXELS = 36  # of a tile that those outputs read
STRIP_BYTES, PAD_BYTES = 256, 64  # as in winograd.h
TASKS_PER_WORKER = 2  # so that no worker waits long for the last one
LEAST_SHARE = 16  # outs, which outweigh transforming the pixels once more
MOST_PARTS = 16  # of the tiles; their gradients by the kernels are kept apart
PART_STRIPS = 4  # at least, so that adding up the parts takes little time
PARTS_BYTES = 1 << 24  # of the gradients of all parts
SUMS_BYTES = 1 << 20  # of one part's gradients, which stay in the second cache
MOST_STRIPS = 4  # that are transformed together where they do not, so that they are read and written less often

# Where direct convolution is slower. Each pixel has ins · outs products to save and ins + outs transforms to pay for:
# 16 and 16 channels take 0.4 to 0.9 of the time on an AMD EPYC by AVX2, where 32 and 16 were found to be worth while on
# a Xeon of the Sapphire Rapids class by AVX-512.
LEAST_CHANNELS = 16  # in and out, of one group
LEAST_FILLED = 0.5  # of the tiles' outputs that lie within the image
LEAST_IMAGES = 16  # a vector of them


def pays(window: Window, groups: int, out: Sizes, ins: int) -> bool:
    """Whether this is quicker than the direct convolution to `out` (O, H, W, N), from `ins` channels in each group."""
    outs = out[0] // groups
    return (
        window.kernel == (3, 3)
        and window.stride == window.dilation == (1, 1)
        and min(ins, outs) >= LEAST_CHANNELS
        and out[1] * out[2] >= LEAST_FILLED * SIDE**2 * _tiles(out)
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


def backward_weight(x: Array, grad: Array, window: Window, groups: int, grad_weight: Array) -> None:
    """As Conv.backward_weight, without the bias."""
    outs, ins = len(grad_weight) // groups, grad_weight.shape[1]
    before = tuple(before for before, _ in window.padding)
    plan = _weight_plan((groups, outs, ins), grad.shape, x.shape, before, x.itemsize)
    library.c.winograd_weight(plan, x, grad, _weight_memory(plan, x), grad_weight)


@cached_by_shape
def _plan(
    channels: Sizes, out: Sizes, x: Sizes, before: Sizes, steps: Sizes, flipped: bool, itemsize: int
) -> np.ndarray:
    """A WinogradPlan. `channels`: groups, outs, ins; `steps` lead in the weight from one of each to the next."""
    groups, outs, _ = channels
    workers = threads.thread_count()
    shares = _shares(workers, groups * _strips(out, itemsize), outs)
    header = [*channels, x[3], *out[1:3], *x[1:3], *before, *steps, flipped, workers, shares, 1, 1]
    return np.array(header, np.int64)


@cached_by_shape
def _weight_plan(channels: Sizes, out: Sizes, x: Sizes, before: Sizes, itemsize: int) -> np.ndarray:
    """A WinogradPlan for the gradient by the kernels. The parts, whose sums are rounded, depend on the shapes alone."""
    groups, outs, ins = channels
    workers, strips = threads.thread_count(), _strips(out, itemsize)
    sums_bytes = groups * PIXELS * outs * ins * itemsize
    parts = max(1, min(MOST_PARTS, strips // PART_STRIPS, PARTS_BYTES // sums_bytes))
    together = MOST_STRIPS if sums_bytes > groups * SUMS_BYTES else 1
    header = [*channels, x[3], *out[1:3], *x[1:3], *before, 0, 0, 0, 0, workers]
    return np.array([*header, _shares(workers, groups * parts, outs), parts, together], np.int64)


def _tiles(out: Sizes) -> int:
    return -(-out[1] // SIDE) * -(-out[2] // SIDE)


def _strips(out: Sizes, itemsize: int) -> int:
    return -(-_tiles(out) * out[3] * itemsize // STRIP_BYTES)


def _shares(workers: int, tasks: int, outs: int) -> int:
    """Into how many shares each of so many tasks is cut for the workers; each of them transforms the same pixels."""
    return min(-(-TASKS_PER_WORKER * workers // tasks), max(1, outs // LEAST_SHARE)) if workers > 1 else 1


def _memory(plan: np.ndarray, like: Array) -> Array:
    """The memory that winograd.h needs: the kernels transformed, and for each worker a strip of pixels and products."""
    groups, outs, ins = plan[:3].tolist()
    return empty((PIXELS * groups * outs * ins + _strip_memory(plan, like.itemsize),), like)


def _weight_memory(plan: np.ndarray, like: Array) -> Array:
    """As _memory, for the gradient by the kernels: the gradients of all parts, and the workers' strips."""
    groups, outs, ins = plan[:3].tolist()
    parts = plan[-2].item()
    return empty((PIXELS * groups * parts * outs * ins + _strip_memory(plan, like.itemsize),), like)


def _strip_memory(plan: np.ndarray, itemsize: int) -> int:
    """In numbers."""
    _, outs, ins = plan[:3].tolist()
    workers, _, _, strips = plan[-4:].tolist()
    return workers * strips * PIXELS * ((outs + ins) * STRIP_BYTES + 2 * PAD_BYTES) // itemsize
