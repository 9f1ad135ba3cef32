"""Softmax and cross-entropy in CUDA, each in one pass; `tally` in one launch."""

import math

import numpy as np

from gpucnn.backend import Array, empty
from gpucnn.kernels import numpy
from gpucnn.kernels.cuda import program
from gpucnn.kernels.plans import cached_by_shape

COLUMNS = np.dtype([(name, np.int64) for name in ("count", "classes", "inner", "columns", "groups")])
MOST_GROUPS, ONE_BLOCK_GROUPS = 16, 4  # that share a column whose classes lie apart, of many blocks and of one
FEW = 1 << 13  # columns, of which a block's threads then share each
ONE_BLOCK_COLUMNS, ONE_BLOCK_NUMBERS = 1 << 10, 1 << 15  # what one block does sooner than many could be summed up
MOST_THREADS = 1 << 10


class Softmax(numpy.Softmax):
    def cross_entropy(
        self, logits: Array, labels: Array, smoothing: float, scale: float, gradient: Array | None, losses: Array
    ) -> Array:
        total = empty((), logits)
        numbers = program.contiguous(labels.astype(np.int64, copy=False))
        one_block = losses.size <= ONE_BLOCK_COLUMNS and logits.size <= ONE_BLOCK_NUMBERS
        shape, blocks, threads = _columns(losses.size, len(logits), losses.size, one_block)
        sums = None if blocks == 1 else empty((blocks,), logits, np.float64)
        arrays = (float(smoothing), float(scale), gradient, losses, sums, total)
        program.launch("softmax", "cross_entropy", logits.dtype, (blocks,), (threads,), shape, logits, numbers, *arrays)
        if sums is not None:
            one = (1,), (MOST_THREADS,)
            program.launch("softmax", "scaled_sum", logits.dtype, *one, blocks, sums, float(scale), total)
        return total

    def log_softmax(self, x: Array, axis: int) -> Array:
        return _along("log_softmax", axis, x)

    def log_softmax_backward(self, grad: Array, log_probabilities: Array, axis: int) -> Array:
        return _along("log_softmax_backward", axis, grad, log_probabilities)

    def softmax_backward(self, grad: Array, probabilities: Array, axis: int) -> Array:
        return _along("softmax_backward", axis, grad, probabilities)

    def tally(
        self, scores: Array, labels: Array, loss: Array, step: Array, losses: Array, corrects: Array, scales: Array
    ) -> None:
        classes, images = scores.shape
        scores = program.contiguous(scores)
        threads = min(MOST_THREADS, max(32, _power(images)))
        noted = (loss, step, losses.size, losses, corrects, scales.size // 4, scales)
        program.launch("softmax", "tally", scores.dtype, (1,), (threads,), classes, images, scores, labels, *noted)


def _along(name: str, axis: int, *arrays: Array) -> Array:
    """What a kernel over columns along an axis makes of arrays of one shape."""
    like = arrays[0]
    out = empty(like.shape, like)
    if like.size:
        inner = math.prod(like.shape[axis % like.ndim + 1 :])
        shape, blocks, threads = _columns(like.size // like.shape[axis], like.shape[axis], inner, False)
        program.launch("softmax", name, like.dtype, (blocks,), (threads,), shape, *arrays, out)
    return out


@cached_by_shape
def _columns(count: int, classes: int, inner: int, one_block: bool) -> tuple[np.ndarray, int, int]:
    """The Columns of source/softmax.cu, and how many blocks of how many threads they take."""
    if one_block:
        columns = _power(count)
        groups = min(ONE_BLOCK_GROUPS, _power(classes), MOST_THREADS // columns)
    elif inner == 1:  # a column's numbers are neighbours: so are its threads
        columns, groups = 1, min(MOST_THREADS, _power(classes))
    else:
        columns = min(32, _power(inner)) if count <= FEW else 128
        groups = min(MOST_GROUPS, _power(classes)) if count <= FEW else 1
    shape = np.array([(count, classes, inner, columns, groups)], COLUMNS)
    return shape, -(-count // columns), columns * groups


def _power(number: int) -> int:
    """The smallest power of two that is not below `number`."""
    return 1 << (number - 1).bit_length()
