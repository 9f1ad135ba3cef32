"""Every operation of gpucnn.functional before its judges: naive loops, PyTorch, differences, the kernels in NumPy.

A new operation needs an `Operation` in one of the lists below, and nothing else here.
"""

import math
from functools import partial

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn.errors import InputError
from tests import references
from tests.devices import GPUS
from tests.functional.more_operations import MORE
from tests.judges import (
    Operation,
    agrees_with_numpys_kernels,
    agrees_with_torch,
    close,
    has_right_slopes,
    judged,
    loops,
    their,
)

pytestmark = pytest.mark.usefixtures("device")

IMAGES = (4, 3, 5, 7)
LABELS = np.array([2, 0, 1, 2, 3, 1])
SOFT = np.random.default_rng(0).dirichlet(np.ones(4), 6)
WEIGHT = np.array([0.2, 3.0, 1.0, 0.7])
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


def naive_batch_norm(training):
    def function(x, weight=(1,) * 3, bias=(0,) * 3):
        return references.batch_norm(x, *running(), weight, bias, training, 0.3, 1e-3)[0]

    return function


def scaled_tanh(torch, x):
    """LeCun et al. 1998, appendix A."""
    return 1.7159 * torch.tanh(2 * x / 3)


def subsample(torch, x, coefficient, bias, kernel_size=2):
    """LeCun et al. 1998, section II-B, of the mean."""
    mean = torch.nn.functional.avg_pool2d(x, kernel_size)
    return mean * coefficient[:, None, None] + bias[:, None, None]


def against_rows(torch, x, reduction="mean", label_smoothing=0.0):
    rows = torch.tensor(SOFT, dtype=x.dtype)
    return torch.nn.functional.cross_entropy(x, rows, reduction=reduction, label_smoothing=label_smoothing)


def ours_against_rows(x, **options):
    return F.cross_entropy(x, gpucnn.Tensor(SOFT.astype(x.dtype)), **options)


def against_labels(torch, x, weight=None, **options):
    weight = None if weight is None else torch.tensor(weight, dtype=x.dtype)
    return torch.nn.functional.cross_entropy(x, torch.tensor(LABELS), weight=weight, **options)


def against_weighted_rows(torch, x):
    rows, weight = torch.tensor(SOFT, dtype=x.dtype), torch.tensor(WEIGHT, dtype=x.dtype)
    return torch.nn.functional.cross_entropy(x, rows, weight=weight, label_smoothing=0.1)


def their_logit_losses(torch, x, t, **weights):
    weights = {name: torch.tensor(weight, dtype=x.dtype) for name, weight in weights.items()}
    return torch.nn.functional.binary_cross_entropy_with_logits(x, t, **weights)


CONVOLUTIONS = [
    Operation("conv1d", F.conv1d, their("conv1d"), [(4, 3, 9), (5, 3, 3), (5,)], naive=references.conv),
    Operation("conv2d", F.conv2d, their("conv2d"), [IMAGES, (5, 3, 3, 2), (5,)], naive=references.conv),
    Operation("conv3d", F.conv3d, their("conv3d"), [(2, 3, 4, 5, 3), (2, 3, 2, 3, 1), (2,)], naive=references.conv),
    Operation("conv2d without bias", F.conv2d, their("conv2d"), [IMAGES, (5, 3, 3, 2)], naive=references.conv),
    Operation(
        "conv2d in PyTorch's argument order",
        lambda x, w, b: F.conv2d(x, w, b, (2, 1), (1, 2), (1, 2), 3),
        their("conv2d", (2, 1), (1, 2), (1, 2), 3),
        [IMAGES, (6, 1, 3, 2), (6,)],
        naive=loops("conv", (2, 1), (1, 2), (1, 2), 3),
    ),
]
POOLINGS = [
    Operation(
        "max_pool1d",
        lambda x: F.max_pool1d(x, 3, 2, 1),
        their("max_pool1d", 3, 2, 1),
        [(4, 3, 9)],
        naive=loops("max_pool", 3, 2, 1),
    ),
    Operation("max_pool2d", lambda x: F.max_pool2d(x, 2), their("max_pool2d", 2), [IMAGES], naive=loops("max_pool", 2)),
    Operation(
        "max_pool3d",
        lambda x: F.max_pool3d(x, 2),
        their("max_pool3d", 2),
        [(2, 3, 4, 5, 3)],
        naive=loops("max_pool", 2),
    ),
    Operation(
        "max_pool2d in PyTorch's argument order",
        lambda x: F.max_pool2d(x, (2, 3), (1, 2), (1, 0), (1, 2), True),
        their("max_pool2d", (2, 3), (1, 2), (1, 0), (1, 2), True),
        [IMAGES],
        naive=loops("max_pool", (2, 3), (1, 2), (1, 0), (1, 2), True),
    ),
    Operation(
        "avg_pool1d",
        lambda x: F.avg_pool1d(x, 3, 2, 1),
        their("avg_pool1d", 3, 2, 1),
        [(4, 3, 9)],
        naive=loops("avg_pool", 3, 2, 1),
    ),
    Operation("avg_pool2d", lambda x: F.avg_pool2d(x, 2), their("avg_pool2d", 2), [IMAGES], naive=loops("avg_pool", 2)),
    Operation(
        "avg_pool3d",
        lambda x: F.avg_pool3d(x, 2),
        their("avg_pool3d", 2),
        [(2, 3, 4, 5, 3)],
        naive=loops("avg_pool", 2),
    ),
    Operation(
        "avg_pool2d in PyTorch's argument order",
        lambda x: F.avg_pool2d(x, (2, 3), (1, 2), (1, 0), True, False),
        their("avg_pool2d", (2, 3), (1, 2), (1, 0), True, False),
        [IMAGES],
        naive=loops("avg_pool", (2, 3), (1, 2), (1, 0), True, False),
    ),
    *(
        Operation(
            f"global_{kind}_pool{len(shape) - 2}d",
            getattr(F, f"global_{kind}_pool{len(shape) - 2}d"),
            their(f"adaptive_{kind}_pool{len(shape) - 2}d", 1),
            [shape],
            naive=loops("global_pool", reduce),
        )
        for kind, reduce in [("avg", np.mean), ("max", np.max)]
        for shape in [(4, 3, 9), IMAGES, (2, 3, 4, 5, 3)]
    ),
]
SUBSAMPLINGS = [
    Operation(
        f"subsample2d {name}",
        partial(F.subsample2d, **options),
        partial(subsample, **options),
        [IMAGES, (3,), (3,)],
        naive=loops("subsample", **options),
    )
    for name, options in [("by 2", {}), ("by 3 x 2", {"kernel_size": (3, 2)}), ("by 1", {"kernel_size": 1})]
]
PADDINGS = [
    Operation(name, partial(F.pad, **options), their("pad", **theirs), [shape], naive=loops("pad", *options.values()))
    for name, options, theirs, shape in [
        ("pad with zeros", {"pad": PAIRS}, {"pad": PAIRS}, IMAGES),
        ("pad with a value", {"pad": PAIRS, "mode": "zeros", "value": -2.5}, {"pad": PAIRS, "value": -2.5}, IMAGES),
        ("pad replicating", {"pad": PAIRS, "mode": "replicate"}, {"pad": PAIRS, "mode": "replicate"}, IMAGES),
        ("pad reflecting", {"pad": PAIRS, "mode": "reflect"}, {"pad": PAIRS, "mode": "reflect"}, IMAGES),
        ("pad one axis", {"pad": (1, 3)}, {"pad": (1, 3)}, (4, 3, 5)),
        ("pad one axis of two", {"pad": (1, 3)}, {"pad": (1, 3)}, IMAGES),
    ]
]
ROWS = [
    Operation("linear", F.linear, their("linear"), [(6, 4), (3, 4), (3,)], naive=references.linear),
    Operation("linear without bias", F.linear, their("linear"), [(6, 4), (3, 4)], naive=references.linear),
    Operation(
        "linear on rows of rows", F.linear, their("linear"), [(2, 5, 6, 4), (3, 4), (3,)], naive=references.linear
    ),
    Operation("linear on a single row", F.linear, their("linear"), [(4,), (3, 4), (3,)], naive=references.linear),
    Operation("flatten", F.flatten, lambda torch, x: x.flatten(1), [IMAGES], naive=lambda x: x.reshape(4, 105)),
    Operation(
        "flatten the last",
        lambda x: F.flatten(x, 2),
        lambda torch, x: x.flatten(2),
        [IMAGES],
        naive=lambda x: x.reshape(4, 3, 35),
    ),
    Operation(
        "flatten all",
        lambda x: F.flatten(x, start_dim=0),
        lambda torch, x: x.flatten(0),
        [IMAGES],
        naive=lambda x: x.ravel(),
    ),
    Operation("flatten rows", F.flatten, lambda torch, x: x.flatten(1), [(6, 4)], naive=lambda x: x),
]
ACTIVATIONS = [
    Operation(f"{name} of {shape}", ours, theirs, [shape], naive=references.each(of_one))
    for shape in [IMAGES, (6, 4), (5,), ()]
    for name, ours, theirs, of_one in [
        ("relu", F.relu, their("relu"), lambda v: max(v, 0)),
        ("leaky_relu", F.leaky_relu, their("leaky_relu"), lambda v: max(v, 0.01 * v)),
        ("leaky_relu 0.3", lambda x: F.leaky_relu(x, 0.3), their("leaky_relu", 0.3), lambda v: max(v, 0.3 * v)),
        ("tanh", F.tanh, lambda torch, x: torch.tanh(x), math.tanh),
        ("scaled_tanh", F.scaled_tanh, scaled_tanh, lambda v: 1.7159 * math.tanh(2 * v / 3)),
        ("sigmoid", F.sigmoid, lambda torch, x: torch.sigmoid(x), lambda v: 1 / (1 + math.exp(-v))),
    ]
] + [
    Operation(
        f"{name} of {shape} along {dim}", partial(ours, dim=dim), their(name, dim=dim), [shape], naive=loops(name, dim)
    )
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
    Operation(
        f"batch_norm {mode} {shape}",
        ours_batch_norm(training),
        their_batch_norm(training),
        [shape, *affine],
        naive=naive_batch_norm(training),
    )
    for mode, training in [("training", True), ("evaluating", False)]
    for shape, affine in [
        (IMAGES, [(3,), (3,)]),
        ((6, 3), [(3,), (3,)]),
        ((4, 3, 5), [(3,), (3,)]),
        (IMAGES, []),
    ]
]
LOSSES = [
    Operation(
        "cross_entropy",
        lambda x: F.cross_entropy(x, LABELS),
        against_labels,
        [(6, 4)],
        naive=loops("cross_entropy", LABELS),
    ),
    Operation("cross_entropy on rows", ours_against_rows, against_rows, [(6, 4)], naive=loops("cross_entropy", SOFT)),
    Operation(
        "cross_entropy, summed and smoothed",
        lambda x: F.cross_entropy(x, LABELS, "sum", 0.1),
        lambda torch, x: against_labels(torch, x, reduction="sum", label_smoothing=0.1),
        [(6, 4)],
        naive=loops("cross_entropy", LABELS, "sum", 0.1),
    ),
    Operation(
        "cross_entropy on rows, summed and smoothed",
        lambda x: ours_against_rows(x, reduction="sum", label_smoothing=0.1),
        lambda torch, x: against_rows(torch, x, "sum", 0.1),
        [(6, 4)],
        naive=loops("cross_entropy", SOFT, "sum", 0.1),
    ),
    Operation(
        "cross_entropy, weighted and smoothed, without a label",
        lambda x: F.cross_entropy(x, LABELS, "mean", 0.1, weight=WEIGHT, ignore_index=1),
        lambda torch, x: against_labels(torch, x, WEIGHT, ignore_index=1, label_smoothing=0.1),
        [(6, 4)],
        naive=loops("cross_entropy", LABELS, "mean", 0.1, WEIGHT, 1),
    ),
    Operation(
        "cross_entropy on rows, weighted and smoothed",
        lambda x: ours_against_rows(x, weight=WEIGHT, label_smoothing=0.1),
        against_weighted_rows,
        [(6, 4)],
        naive=loops("cross_entropy", SOFT, "mean", 0.1, WEIGHT),
    ),
    Operation(
        "binary_cross_entropy_with_logits",
        F.binary_cross_entropy_with_logits,
        their_logit_losses,
        [(6, 4), (6, 4)],
        naive=references.logit_losses,
    ),
    Operation(
        "binary_cross_entropy_with_logits, weighted",
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, weight=WEIGHT, pos_weight=WEIGHT[::-1].copy()),
        lambda torch, x, t: their_logit_losses(torch, x, t, weight=WEIGHT, pos_weight=WEIGHT[::-1].copy()),
        [(6, 4), (6, 4)],
        naive=lambda x, t: references.logit_losses(x, t, WEIGHT, WEIGHT[::-1]),
    ),
    Operation("l1_loss", F.l1_loss, their("l1_loss"), [(6, 4), (6, 4)], naive=loops("smooth_l1", beta=0.0)),
    Operation(
        "smooth_l1_loss", F.smooth_l1_loss, their("smooth_l1_loss"), [IMAGES, IMAGES], naive=references.smooth_l1
    ),
    Operation(
        "smooth_l1_loss, beta 0.3",
        lambda x, t: F.smooth_l1_loss(x, t, beta=0.3),
        their("smooth_l1_loss", beta=0.3),
        [(6, 4), (6, 4)],
        naive=loops("smooth_l1", beta=0.3),
    ),
    Operation("mse_loss", F.mse_loss, their("mse_loss"), [(6, 4), (6, 4)], naive=references.mse),
    Operation(
        "mse_loss summed",
        lambda x, t: F.mse_loss(x, t, "sum"),
        their("mse_loss", reduction="sum"),
        [IMAGES, IMAGES],
        naive=loops("mse", "sum"),
    ),
]
OPERATIONS = [*CONVOLUTIONS, *POOLINGS, *SUBSAMPLINGS, *PADDINGS, *ROWS, *ACTIVATIONS, *NORMALISATIONS, *LOSSES, *MORE]


def terms_of(arrays):
    """How many terms a gradient sums at most."""
    return max(a.size for a in arrays)


@judged(OPERATIONS)
def test_equals_the_naive_loops(operation):
    arrays = operation.inputs()
    found = operation.ours(*map(gpucnn.Tensor, arrays)).numpy()
    close(found, operation.naive(*arrays), operation.name, terms_of(arrays))


@judged(OPERATIONS)
@pytest.mark.parametrize("device", ["c", *GPUS], indirect=True)
def test_every_set_of_kernels_gives_what_numpys_gives(device, operation):
    arrays = operation.inputs("float32")
    agrees_with_numpys_kernels(operation.ours, *arrays, terms=terms_of(arrays))


@judged(OPERATIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_agrees_with_pytorch(torch, operation, dtype):
    arrays = operation.inputs(dtype)
    agrees_with_torch(torch, operation.ours, lambda *a: operation.theirs(torch, *a), *arrays, terms=terms_of(arrays))


@judged(OPERATIONS)
def test_gradients_are_the_slopes(operation):
    has_right_slopes(operation.ours, *operation.inputs())


@judged(OPERATIONS)
def test_passes_the_gradient_check(operation):
    gpucnn.check_gradients(
        operation.ours, [gpucnn.Tensor(a, requires_grad=True) for a in operation.inputs()], elements=0
    )


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
