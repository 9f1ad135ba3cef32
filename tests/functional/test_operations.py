"""Every operation of gpucnn.functional: PyTorch, the gradient check, finite differences."""

from functools import partial

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn.errors import InputError
from tests.judges import Operation, agrees_with_torch, has_right_slopes, judged

pytestmark = pytest.mark.usefixtures("device")

IMAGES = (4, 3, 5, 7)
LABELS = np.array([2, 0, 1, 2, 3, 1])
SOFT = np.random.default_rng(0).dirichlet(np.ones(4), 6)
SUBSAMPLED = [IMAGES, (3,), (3,)]
PAIRS = (2, 1, 0, 3)  # left, right, top, bottom


def running(channels=3):
    """A running mean and variance."""
    return np.linspace(-1, 1, channels), np.linspace(0.5, 2, channels)


def ours_batch_norm(training):
    def function(x, *affine):
        mean, variance = (gpucnn.Tensor(s.astype(x.dtype)) for s in running())
        return F.batch_norm(x, mean, variance, *affine, training=training, momentum=0.3, eps=1e-3)

    return function


def their_batch_norm(training):
    def function(torch, x, *affine):
        mean, variance = (torch.tensor(s, dtype=x.dtype) for s in running())
        return torch.nn.functional.batch_norm(x, mean, variance, *affine, training=training, momentum=0.3, eps=1e-3)

    return function


def scaled_tanh(torch, x):
    """LeCun et al. 1998, appendix A."""
    return 1.7159 * torch.tanh(2 * x / 3)


def subsample(torch, x, coefficient, bias, kernel_size=2):
    """LeCun et al. 1998, section II-B, of the mean."""
    mean = torch.nn.functional.avg_pool2d(x, kernel_size)
    return mean * coefficient[:, None, None] + bias[:, None, None]


def their(name, *args, **options):
    """torch.nn.functional's function of that name."""
    return lambda torch, *inputs: getattr(torch.nn.functional, name)(*inputs, *args, **options)


def against_rows(torch, x, reduction="mean", label_smoothing=0.0):
    rows = torch.tensor(SOFT, dtype=x.dtype)
    return torch.nn.functional.cross_entropy(x, rows, reduction=reduction, label_smoothing=label_smoothing)


def ours_against_rows(x, **options):
    return F.cross_entropy(x, gpucnn.Tensor(SOFT.astype(x.dtype)), **options)


def against_labels(torch, x, **options):
    return torch.nn.functional.cross_entropy(x, torch.tensor(LABELS), **options)


CONVOLUTIONS = [
    Operation("conv1d", F.conv1d, their("conv1d"), [(4, 3, 9), (5, 3, 3), (5,)]),
    Operation("conv2d", F.conv2d, their("conv2d"), [IMAGES, (5, 3, 3, 2), (5,)]),
    Operation("conv3d", F.conv3d, their("conv3d"), [(2, 3, 4, 5, 3), (2, 3, 2, 3, 1), (2,)]),
    Operation("conv2d without bias", F.conv2d, their("conv2d"), [IMAGES, (5, 3, 3, 2)]),
    Operation(
        "conv2d in PyTorch's argument order",
        lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 3),
        their("conv2d", (2, 1), (1, 2), (1, 2), 3),
        [IMAGES, (6, 1, 3, 2), (6,)],
    ),
]
POOLINGS = [
    Operation("max_pool1d", lambda x: F.max_pool1d(x, 3, 2, 1), their("max_pool1d", 3, 2, 1), [(4, 3, 9)]),
    Operation("max_pool2d", lambda x: F.max_pool2d(x, 2), their("max_pool2d", 2), [IMAGES]),
    Operation("max_pool3d", lambda x: F.max_pool3d(x, 2), their("max_pool3d", 2), [(2, 3, 4, 5, 3)]),
    Operation(
        "max_pool2d in PyTorch's argument order",
        lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), (1, 2), True),
        their("max_pool2d", (2, 3), (1, 2), (1, 0), (1, 2), True),
        [IMAGES],
    ),
    Operation("avg_pool1d", lambda x: F.avg_pool1d(x, 3, 2, 1), their("avg_pool1d", 3, 2, 1), [(4, 3, 9)]),
    Operation("avg_pool2d", lambda x: F.avg_pool2d(x, 2), their("avg_pool2d", 2), [IMAGES]),
    Operation("avg_pool3d", lambda x: F.avg_pool3d(x, 2), their("avg_pool3d", 2), [(2, 3, 4, 5, 3)]),
    Operation(
        "avg_pool2d in PyTorch's argument order",
        lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 0), True, False),
        their("avg_pool2d", (2, 3), (1, 2), (1, 0), True, False),
        [IMAGES],
    ),
    Operation("global_avg_pool2d", F.global_avg_pool2d, their("adaptive_avg_pool2d", 1), [IMAGES]),
    Operation("global_max_pool2d", F.global_max_pool2d, their("adaptive_max_pool2d", 1), [IMAGES]),
]
SUBSAMPLINGS = [
    Operation(f"subsample2d {name}", partial(F.subsample2d, **options), partial(subsample, **options), SUBSAMPLED)
    for name, options in [("by 2", {}), ("by 3 x 2", {"kernel_size": (3, 2)}), ("by 1", {"kernel_size": 1})]
]
PADDINGS = [
    Operation("pad with zeros", lambda x: F.pad(x, PAIRS), their("pad", PAIRS), [IMAGES]),
    Operation("pad with a value", lambda x: F.pad(x, PAIRS, value=-2.5), their("pad", PAIRS, value=-2.5), [IMAGES]),
    Operation("pad replicating", lambda x: F.pad(x, PAIRS, "replicate"), their("pad", PAIRS, "replicate"), [IMAGES]),
    Operation("pad reflecting", lambda x: F.pad(x, PAIRS, "reflect"), their("pad", PAIRS, "reflect"), [IMAGES]),
    Operation("pad one axis", lambda x: F.pad(x, (1, 3)), their("pad", (1, 3)), [(4, 3, 5)]),
    Operation("pad one axis of two", lambda x: F.pad(x, (1, 3)), their("pad", (1, 3)), [IMAGES]),
]
ROWS = [
    Operation("linear", F.linear, their("linear"), [(6, 4), (3, 4), (3,)]),
    Operation("linear without bias", F.linear, their("linear"), [(6, 4), (3, 4)]),
    Operation("linear on rows of rows", F.linear, their("linear"), [(2, 5, 6, 4), (3, 4), (3,)]),
    Operation("linear on a single row", F.linear, their("linear"), [(4,), (3, 4), (3,)]),
    Operation("flatten", F.flatten, lambda torch, x: x.flatten(1), [IMAGES]),
    Operation("flatten the last", lambda x: F.flatten(x, 2), lambda torch, x: x.flatten(2), [IMAGES]),
    Operation("flatten all", lambda x: F.flatten(x, start_dim=0), lambda torch, x: x.flatten(0), [IMAGES]),
    Operation("flatten rows", F.flatten, lambda torch, x: x.flatten(1), [(6, 4)]),
]
ACTIVATIONS = [
    Operation(f"{name} of {shape}", ours, theirs, [shape])
    for shape in [IMAGES, (6, 4), (5,), ()]
    for name, ours, theirs in [
        ("relu", F.relu, their("relu")),
        ("leaky_relu", F.leaky_relu, their("leaky_relu")),
        ("leaky_relu 0.3", lambda x: F.leaky_relu(x, 0.3), their("leaky_relu", 0.3)),
        ("tanh", F.tanh, lambda torch, x: torch.tanh(x)),
        ("scaled_tanh", F.scaled_tanh, scaled_tanh),
        ("sigmoid", F.sigmoid, lambda torch, x: torch.sigmoid(x)),
    ]
] + [
    Operation(f"{name} of {shape} along {dim}", lambda x, f=ours, d=dim: f(x, dim=d), their(name, dim=dim), [shape])
    for name, ours in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]
    for shape, dim in [
        ((6, 4), 1),
        ((6, 4), 0),
        ((6, 4), -1),
        (IMAGES, 1),
        (IMAGES, 3),
        (IMAGES, 0),
        ((5,), 0),
    ]
]
NORMALISATIONS = [
    Operation(f"batch_norm {mode} {shape}", ours_batch_norm(training), their_batch_norm(training), [shape, *affine])
    for mode, training in [("training", True), ("evaluating", False)]
    for shape, affine in [
        (IMAGES, [(3,), (3,)]),
        ((6, 3), [(3,), (3,)]),
        ((4, 3, 5), [(3,), (3,)]),
        (IMAGES, []),
    ]
]
LOSSES = [
    Operation("cross_entropy", lambda x: F.cross_entropy(x, LABELS), against_labels, [(6, 4)]),
    Operation("cross_entropy on rows", ours_against_rows, against_rows, [(6, 4)]),
    Operation(
        "cross_entropy, summed and smoothed",
        lambda x: F.cross_entropy(x, LABELS, "sum", 0.1),
        lambda torch, x: against_labels(torch, x, reduction="sum", label_smoothing=0.1),
        [(6, 4)],
    ),
    Operation(
        "cross_entropy on rows, summed and smoothed",
        lambda x: ours_against_rows(x, reduction="sum", label_smoothing=0.1),
        lambda torch, x: against_rows(torch, x, "sum", 0.1),
        [(6, 4)],
    ),
    Operation("mse_loss", F.mse_loss, their("mse_loss"), [(6, 4), (6, 4)]),
    Operation(
        "mse_loss summed",
        lambda x, t: F.mse_loss(x, t, "sum"),
        their("mse_loss", reduction="sum"),
        [IMAGES, IMAGES],
    ),
]
OPERATIONS = [*CONVOLUTIONS, *POOLINGS, *SUBSAMPLINGS, *PADDINGS, *ROWS, *ACTIVATIONS, *NORMALISATIONS, *LOSSES]


@judged(OPERATIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_agrees_with_pytorch(torch, operation, dtype):
    arrays = operation.inputs(dtype)
    terms = max(a.size for a in arrays)  # no gradient sums over more
    agrees_with_torch(torch, operation.ours, lambda *a: operation.theirs(torch, *a), *arrays, terms=terms)


@judged(OPERATIONS)
def test_gradients_are_the_slopes(operation):
    has_right_slopes(operation.ours, *operation.inputs())


@judged(OPERATIONS)
def test_passes_the_gradient_check(operation):
    gpucnn.check_gradients(operation.ours, [gpucnn.Tensor(a, requires_grad=True) for a in operation.inputs()])


@pytest.mark.parametrize("dtype", ["uint8", "int64"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, gpucnn.Tensor(np.ones((1, 1, 3, 3)))),
        lambda x: F.max_pool2d(x, 3, padding=1),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: F.batch_norm(x, None, None, training=True),
        F.relu,
        F.leaky_relu,
        F.tanh,
        F.scaled_tanh,
        F.sigmoid,
        F.softmax,
        F.log_softmax,
        F.dropout,
    ],
)
def test_integer_images_are_refused_in_words(function, dtype):
    with pytest.raises(InputError, match=rf"{dtype}.*float(32|64)"):
        function(gpucnn.Tensor(np.ones((2, 1, 4, 4), dtype)))
