"""What every set of kernels offers: a protocol for each kind of kernel, and the types that the sets share.

A kernel takes and returns arrays; the Functions of gpucnn/functional call it, and record what their gradients need.
Images are (C, spatial..., N): batch-last and C-contiguous, as are all arrays here unless stated otherwise. All floating
arrays of a call have one type, and all arrays lie on one device. A kernel that is given `out`, whose contents are
undefined before, writes its result there; another returns it.

`numpy` implements everything, for the arrays of NumPy and CuPy; `c` and `cuda` inherit from it and override what they
compute faster. What a forward returns for its backward (`kept`, `winners`, `counts`) only its own set understands.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from gpucnn.backend import Array
from gpucnn.geometry import Sides, Sizes, Window


class Running(NamedTuple):
    """Statistics (C,) that move towards those of each batch by the fraction `momentum`; None where none are kept."""

    mean: Array | None
    variance: Array | None
    momentum: float

    def move(self, mean: Array, variance: Array, length: int) -> None:
        """Move towards the mean and the variance (C,) of rows of `length`, made unbiased as in PyTorch; in place."""
        unbiased = variance * (length / (length - 1))
        for running, batch in ((self.mean, mean), (self.variance, unbiased)):
            if running is not None:
                running += (batch - running) * self.momentum


class StepScales(NamedTuple):
    """Factors of one step: of the whole step; for Adam of the root of its mean square; for AdamW of the parameters."""

    size: float
    root: float = 1.0
    shrink: float = 1.0


Scales = StepScales | Array  # an array in the CUDA set alone, as Update says


class Changes(NamedTuple):
    """What happens to images, a row for each image, in the order of these fields; None where nothing of that kind does.

    maps: (N, 4) float32, as `Warp.warped` takes them. offsets: (N, 2), where the image is cut out of one with `border`
    zeros on every side. flips: (N,) bool, whether left and right are exchanged. centres: (N, 2), of the square of side
    `side` that is set to 0.
    """

    maps: Array | None = None
    offsets: Array | None = None
    flips: Array | None = None
    centres: Array | None = None
    border: int = 0
    side: int = 0

    def each(self, function: Callable[[Array], Array]) -> "Changes":
        """The same changes with `function` applied to every array."""
        given = {name: getattr(self, name) for name in ("maps", "offsets", "flips", "centres")}
        made = {name: function(array) for name, array in given.items() if array is not None}
        return self._replace(**made)


class Activation(Protocol):
    """Activations and dropout, element by element: all arrays of one call have one shape."""

    def relu(self, x: Array, out: Array) -> None:
        """out = max(x, 0)."""

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad where the result y of relu is above 0, else 0."""

    def leaky_relu(self, x: Array, slope: float, out: Array) -> None:
        """out = x where x > 0, else slope · x."""

    def leaky_relu_backward(self, grad: Array, x: Array, slope: float, out: Array) -> None:
        """out = grad where x > 0, else slope · grad."""

    def scaled_tanh(self, x: Array, amplitude: float, slope: float, tanh: Array, out: Array) -> None:
        """tanh = tanh(slope · x), out = amplitude · tanh."""

    def scaled_tanh_backward(self, grad: Array, tanh: Array, factor: float, out: Array) -> None:
        """out = grad · factor · (1 - tanh²)."""

    def sigmoid(self, x: Array, out: Array) -> None:
        """out = 1 / (1 + exp(-x))."""

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad · y · (1 - y), with the result y of sigmoid."""

    def dropout(self, x: Array, scales: Array, p: float, out: Array) -> None:
        """out = x · scales, where each of `scales`, undefined before, becomes 0 (with probability p) or 1 / (1 - p).

        Draws from the process's generator.
        """

    def dropout_backward(self, grad: Array, scales: Array, out: Array) -> None:
        """out = grad · scales."""


class Conv(Protocol):
    """Convolution over x (I, spatial..., N) by weight (O, I / groups, kernel...), to outputs (O, outputs..., N)."""

    def forward(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, relu: bool, out: Array
    ) -> None:
        """out[o] = sum over i and taps of weight[o, i, tap] · x[i at tap] + bias[o], with `relu` no less than 0."""

    def backward_weight(
        self,
        x: Array,
        grad: Array,
        window: Window,
        groups: int,
        grad_weight: Array,
        grad_bias: Array | None = None,
    ) -> None:
        """grad_weight[o, i, tap] = sum over places and images of grad[o] · x[i at tap]; in an order that is fixed.

        grad_bias (O,), where it is given, becomes the same as by `backward_bias`.
        """

    def backward_bias(self, grad: Array, out: Array) -> None:
        """out (O,) = the sum of grad over places and images."""

    def backward_input(self, weight: Array, grad: Array, window: Window, groups: int, out: Array) -> None:
        """out (I, spatial..., N) = for each pixel the sum of weight[o, i, tap] · grad[o] over the taps that read it."""


class Gemm(Protocol):
    """Matrix products, and sums of rows. Factors in C order, and transposes of such, are read without a copy."""

    def matmul(self, a: Array, b: Array, out: Array, bias: Array | None = None, relu: bool = False) -> None:
        """out (..., M, N) = a (M, K) or (..., M, K) @ b (..., K, N), plus bias (M,) along N; with `relu` at least 0."""

    def matmul_and_row_sums(self, a: Array, b: Array, out: Array, sums: Array) -> None:
        """out (M, N) = a (M, K) @ b (K, N), and sums (M,) = the sum of each row of a."""

    def row_sums(self, rows: Array, out: Array) -> None:
        """out (C,) = the sum of each row of (C, L), added up in an order that depends on their shape alone."""

    def product(self, a: Array, b: Array) -> Array:
        """a @ b by the rules of NumPy. Raises ValueError where the shapes do not fit."""


class Pool(Protocol):
    """Pooling over windows of (C, spatial..., N)."""

    def max_forward(self, x: Array, window: Window, relu: bool, out: Array) -> None:
        """out (C, outputs..., N) = the largest value under the window, with `relu` no less than 0. Padding is -inf."""

    def max_forward_winners(self, x: Array, window: Window, relu: bool, out: Array) -> Any:
        """As max_forward; returns the winners, which max_backward asks for."""

    def max_backward(self, grad: Array, winners: Any, window: Window, out: Array) -> None:
        """out (C, spatial..., N) = the gradient of each window at the pixel that won it, the first of equal ones.

        After `relu` a window whose result is 0 gives no gradient.
        """

    def tap_counts(self, window: Window, counted: Sides, sizes: Sizes, outputs: Sizes, like: Array) -> Any:
        """The counts that average_forward and average_backward ask for.

        The taps of each window that count are those over the input of `sizes` and its `counted` padding.
        """

    def average_forward(self, x: Array, window: Window, counts: Any, out: Array) -> None:
        """out (C, outputs..., N) = the sum under the window over how many of its taps count."""

    def average_backward(self, grad: Array, window: Window, counts: Any, out: Array) -> None:
        """out (C, spatial..., N) = for each pixel the sum of grad over the count, of the windows that it lies in."""

    def global_average_forward(self, x: Array, out: Array) -> None:
        """out (C, 1, 1, N) = the mean of each map of x (C, H, W, N)."""

    def global_average_backward(self, grad: Array, out: Array) -> None:
        """out (C, H, W, N) = grad (C, 1, 1, N), shared equally among the pixels of its map."""

    def global_max_forward(self, x: Array, out: Array) -> Any:
        """out (C, 1, 1, N) = the largest value of each map of x (C, H, W, N); returns the winners for the backward."""

    def global_max_backward(self, grad: Array, winners: Any, out: Array) -> None:
        """out (C, H, W, N) = grad (C, 1, 1, N) at the first largest value of each map, 0 elsewhere."""


class Norm(Protocol):
    """Batch normalisation over (C, L): each channel is one contiguous row of places and images.

    S. Ioffe, C. Szegedy, Batch Normalization, 2015, arXiv:1502.03167.
    """

    def training_forward(self, x: Array, weight: Array, bias: Array, eps: float, running: Running, out: Array) -> Any:
        """out = (x - mean) / sqrt(variance + eps) · weight + bias, by each row's own mean and (biased) variance.

        The running statistics move towards these. Returns what training_backward asks for.
        """

    def training_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        """out = the gradient by x, where mean and variance depend on x; grad_weight and grad_bias (C,) their own.

        With g the gradient by x̂, the normalised x, it is (g - mean(g) - x̂ · mean(g · x̂)) / sqrt(variance + eps).
        """

    def fixed_forward(
        self, x: Array, mean: Array, variance: Array, weight: Array, bias: Array, eps: float, out: Array
    ) -> Any:
        """As training_forward, by the given mean and variance (C,); returns what fixed_backward asks for."""

    def fixed_backward(self, grad: Array, kept: Any, grad_weight: Array, grad_bias: Array, out: Array) -> None:
        """As training_backward, where mean and variance do not depend on x."""

    def scale(self, x: Array, weight: Array, bias: Array, out: Array) -> None:
        """out (C, L) = x · weight + bias, for weight and bias (C,)."""


class Softmax(Protocol):
    """Softmax and its logarithm along one axis, and cross-entropy with class numbers."""

    def log_softmax(self, x: Array, axis: int) -> Array:
        """x - log(sum(exp(x))) along `axis`, without overflow for any finite x."""

    def log_softmax_backward(self, grad: Array, log_probabilities: Array, axis: int) -> Array:
        """The gradient by x of log_softmax: grad - softmax · sum(grad)."""

    def softmax_backward(self, grad: Array, probabilities: Array, axis: int) -> Array:
        """The gradient by x of softmax: softmax · (grad - sum(grad · softmax))."""

    def cross_entropy(
        self, logits: Array, labels: Array, smoothing: float, scale: float, gradient: Array | None, losses: Array
    ) -> Array:
        """losses (..., N) of logits (C, ..., N) for class numbers (..., N); returns scale · their sum, ().

        The target is 1 - smoothing at the class and smoothing / C everywhere; `gradient` (C, ..., N), where it is not
        None, becomes that of scale · losses. A label outside 0..C-1 is treated as by `check_labels`.
        """

    def check_labels(self, labels: Array, classes: int) -> None:
        """Raises InputError for a label outside 0..classes-1, on the CPU alone.

        On a GPU, reading the labels would make the host wait; there cross_entropy makes the loss of such a label NaN.
        """

    def tally(
        self, scores: Array, labels: Array, loss: Array, step: Array, losses: Array, corrects: Array, scales: Array
    ) -> None:
        """Record the loss () of the step with number step[0], and how many images it predicts right.

        losses (S,) float64 gets the loss; corrects (S,) int64 the number of images whose first largest of scores (C, N)
        is at their label (N,), where NaN is the largest. Where the loss is not finite the halt of all step scales
        (groups, 4), the last of each four, becomes 1. The host does not wait for the device.
        """


class Step(Protocol):
    """What changes from one training step to the next, read on the device: a captured step is given no numbers."""

    def begin(self, integers: Array, numbers: Array, now: Array, scales: Array) -> None:
        """Take the next rows of the tables: now becomes (start, seed, step, step + 1), scales[:, :3] the step scales.

        integers: (S, 2) int64, a start and a seed for each of S steps; numbers: (S, groups, 3) float64, `StepScales`;
        now: (4,) int64, whose last entry is the row to take; scales: (groups, 4) float64.
        """


class Update(Protocol):
    """One optimizer step over flat arrays (length,), in place. The formulas are those of PyTorch.

    In the CUDA set `scales` may also be an array (4,) float64 on the device: size, root, shrink, and a halt, which when
    it is not 0 leaves everything as it is.
    """

    def sgd(self, parameters: Array, gradient: Array, scales: Scales, weight_decay: float) -> None:
        """p -= size · d, with d = g + weight_decay · p."""

    def momentum(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        """v = momentum · v + d, p -= size · v, with d = g + weight_decay · p."""

    def nesterov(
        self, parameters: Array, gradient: Array, velocity: Array, scales: Scales, momentum: float, weight_decay: float
    ) -> None:
        """v = momentum · v + d, p -= size · (d + momentum · v), with d = g + weight_decay · p."""

    def adam(
        self,
        parameters: Array,
        gradient: Array,
        mean: Array,
        square: Array,
        scales: Scales,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
    ) -> None:
        """p = shrink · p - size · mean / (root · sqrt(square) + eps), with d = g + weight_decay · p.

        The running moments, updated here, are mean = β1 · mean + (1 - β1) · d and square = β2 · square + (1 - β2) · d².
        """

    def clip_by_norm(self, gradients: Sequence[Array], max_norm: float) -> Array:
        """Scale arrays of any shapes together so that their joint norm is at most `max_norm`; the norm before, ()."""

    def clip_by_value(self, gradients: Sequence[Array], most: float) -> None:
        """Limit every element of arrays of any shapes to ±most."""


class Gather(Protocol):
    """A minibatch out of a set of images: chosen, changed, turned into batch-last memory, and normalised."""

    def normalised(self, images: np.ndarray, indices: np.ndarray, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """(x - shift) · scale for the images (any number, C, H, W) at `indices` (N,): (C, H, W, N) of shift's dtype.

        shift and scale are each (1, 1, 1), (C, 1, 1) or (C, H, W). All arrays are NumPy's. Raises IndexError for a
        number of no image.
        """

    def batch(
        self,
        images: Array,
        labels: Array,
        order: Array,
        cursor: Array,
        changes: Changes,
        shift: Array,
        scale: Array,
        out: Array,
        chosen: Array,
    ) -> None:
        """The minibatch of N images that begins at place cursor[0], (1,) int64, of an epoch's `order` (E,) int64.

        out (C, H, W, N) = (x - shift) · scale for those of images (M, C, H, W), uint8 or float32, after the `changes`
        of their places in the order (arrays of E rows); shift and scale are (C, H, W). chosen (N,) = their labels (M,).
        Signals (C, W) and volumes (C, D, H, W) are taken without changes.
        """


class Padding(Protocol):
    """Padding along any axes: a border of one value, of the nearest pixel, or of the mirrored image."""

    def pad(self, x: Array, sides: Sides, mode: str, value: float) -> Array:
        """x with (before, after) more elements along each of its axes.

        `mode` is "constant" (`value`), "replicate" (the nearest pixel) or "reflect" (mirrored, without the border
        pixel).
        """

    def pad_backward(self, grad: Array, sides: Sides, mode: str, shape: tuple[int, ...]) -> Array:
        """The gradient by x, of `shape`: for each of its elements the sum over the places that repeat it."""


class Warp(Protocol):
    """Images changed one by one, on the host, where data sets lie: all arrays are NumPy's."""

    def warped(self, images: np.ndarray, maps: np.ndarray) -> np.ndarray:
        """Images (N, C, H, W), uint8 or float32, each by its map (N, 4): new images of the same shape and type.

        A map is the cosine and the sine of the turn, each over the scale, and how far to move down and to the right, in
        pixels; turn and scale are about the centre ((H - 1) / 2, (W - 1) / 2). Pixels are interpolated linearly; what
        lies outside an image is 0.
        """

    def moved(self, images: np.ndarray, changes: Changes) -> np.ndarray:
        """Images (N, C, H, W) after the changes that move whole pixels: all of them but the maps."""


class Kernels(NamedTuple):
    """A set of kernels: what `dispatch.kernels_of` returns for arrays of a type."""

    activation: Activation
    conv: Conv
    gather: Gather
    gemm: Gemm
    norm: Norm
    padding: Padding
    pool: Pool
    softmax: Softmax
    step: Step
    update: Update
    warp: Warp
