"""Batch normalisation after convolutional and linear layers."""

from gpucnn.backend import Array, empty, module_of
from gpucnn.errors import ShapeError
from gpucnn.functional import activation
from gpucnn.functional.checks import check_floating, check_per_channel
from gpucnn.kernels.dispatch import kernels_of
from gpucnn.kernels.interface import Running
from gpucnn.parallel import Communicator, current
from gpucnn.tensor import Function, Tensor

__all__ = ["batch_norm"]


class _BatchNorm(Function):
    """x (C, ..., N), weight (C,) and bias (C,): what normalisation in training and in evaluation share."""

    layout = "batch_last"

    def backward(self, grad: Array) -> tuple[Array | None, ...]:
        rows = grad.reshape(grad.shape[0], -1)  # (C, L): places and images
        by_x = empty(rows.shape, grad)
        by_weight, by_bias = self.gradient_memory(1, grad), self.gradient_memory(2, grad)
        self._gradients(rows, by_weight, by_bias, by_x)
        return by_x.reshape(grad.shape), by_weight, by_bias

    def _gradients(self, rows: Array, *out: Array) -> None:
        """Write the gradients by weight, bias and x (C, L) into `out`, given the gradient by the result (C, L)."""
        raise NotImplementedError


class TrainingBatchNorm(_BatchNorm):
    """x (C, ..., N) normalised by its own statistics, which also update the running ones; weight and bias (C,)."""

    def forward(self, x: Array, weight: Array, bias: Array, running: Running, eps: float, relu: bool) -> Array:
        rows = x.reshape(x.shape[0], -1)  # (C, L): places and images
        out = empty(rows.shape, x)
        self.kept = kernels_of(type(x)).norm.training_forward(rows, weight, bias, eps, running, relu, out)
        return out.reshape(x.shape)

    def _gradients(self, rows: Array, *out: Array) -> None:
        kernels_of(type(rows)).norm.training_backward(rows, self.kept, *out)


class SharedBatchNorm(_BatchNorm):
    """As TrainingBatchNorm, by the statistics of a batch that several processes share."""

    def forward(self, x: Array, weight: Array, bias: Array, running: Running, eps: float, over: Communicator) -> Array:
        rows = x.reshape(x.shape[0], -1)  # (C, L): places and images
        xp, self.over = module_of(x), over
        sums = empty((len(rows) + 1,), x)  # of each channel, and how many values it has
        sums[:-1], sums[-1:] = rows.sum(axis=1), rows.shape[1]
        over.sum(sums)
        mean, self.count = sums[:-1] / sums[-1], int(sums[-1])
        variance = over.sum(((rows - mean[:, None]) ** 2).sum(axis=1)) / self.count
        running.move(mean, variance, self.count)
        self.inverse, self.weight = (1 / xp.sqrt(variance + eps))[:, None], weight[:, None]
        self.normalised = (rows - mean[:, None]) * self.inverse
        return (self.normalised * self.weight + bias[:, None]).reshape(x.shape)

    def _gradients(self, rows: Array, *out: Array) -> None:
        by_weight, by_bias, by_x = out
        xp = module_of(rows)
        xp.sum(rows * self.normalised, axis=1, out=by_weight)
        xp.sum(rows, axis=1, out=by_bias)
        means = empty((2, len(rows)), rows)
        means[0], means[1] = by_weight, by_bias
        along, whole = self.over.sum(means) / self.count  # of the whole batch, (C,)
        inner = rows - whole[:, None] - self.normalised * along[:, None]
        xp.multiply(inner, self.weight * self.inverse, out=by_x)


class FixedBatchNorm(_BatchNorm):
    """x (C, ..., N) normalised by given statistics (C,), as in evaluation; weight and bias (C,)."""

    def forward(
        self, x: Array, weight: Array, bias: Array, mean: Array, variance: Array, eps: float, relu: bool
    ) -> Array:
        rows = x.reshape(x.shape[0], -1)  # (C, L)
        out = empty(rows.shape, x)
        self.kept = kernels_of(type(x)).norm.fixed_forward(rows, mean, variance, weight, bias, eps, relu, out)
        return out.reshape(x.shape)

    def _gradients(self, rows: Array, *out: Array) -> None:
        kernels_of(type(rows)).norm.fixed_backward(rows, self.kept, *out)


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    sync: bool = False,
) -> Tensor:
    """(x - mean) / sqrt(variance + eps) · weight + bias, per channel of x (N, C) or (N, C, ...).

    In training, mean and (biased) variance are the batch's, and the running ones (C,) are updated in place: they move
    towards the batch's mean and unbiased variance by the fraction `momentum`. Otherwise the running ones are used.
    Where processes share a batch, the statistics are those of this process's images; with `sync`, of all.
    S. Ioffe, C. Szegedy, Batch Normalization, 2015, arXiv:1502.03167. Raises ShapeError where shapes do not fit, or
    where a training batch has one value per channel.
    """
    return normalise(x, running_mean, running_var, weight, bias, training, momentum, eps, relu=False, sync=sync)


def normalise(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    relu: bool,
    sync: bool,
) -> Tensor:
    """As batch_norm; with `relu` what is below 0 becomes 0, in the same pass."""
    check_floating("batch_norm", x, weight, bias)
    given = {"running_mean": running_mean, "running_var": running_var, "weight": weight, "bias": bias}
    check_per_channel("batch_norm", x.shape, given)
    channels = x.shape[1] if x.ndim > 1 else 0
    weight = constant(1, x, channels) if weight is None else weight
    bias = constant(0, x, channels) if bias is None else bias
    if not training and running_mean is not None and running_var is not None:
        given = {"mean": running_mean.memory, "variance": running_var.memory}
        return FixedBatchNorm.apply(x, weight, bias, **given, eps=eps, relu=relu)
    if x.size <= channels:
        raise ShapeError(
            f"batch_norm: a batch in training needs more than one value per channel to have a variance: x {x.shape}. "
            f"Give at least two images, or call eval() first"
        )
    mean, variance = (None if t is None else t.memory for t in (running_mean, running_var))
    running = Running(mean, variance, momentum)
    if sync and current().size > 1:
        y = SharedBatchNorm.apply(x, weight, bias, running=running, eps=eps, over=current())
        return activation.relu(y) if relu else y
    return TrainingBatchNorm.apply(x, weight, bias, running=running, eps=eps, relu=relu)


def constant(value: float, x: Tensor, channels: int) -> Tensor:
    """(channels,) numbers of one value, on x's device and of its dtype."""
    numbers = empty((channels,), x.memory)
    kernels_of(type(numbers)).arithmetic.fill(value, numbers)
    return Tensor.from_batch_last(numbers)
