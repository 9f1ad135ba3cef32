"""Every loss in random configurations against PyTorch, in float64: shapes, reductions, weights, labels of any kind."""

import numpy as np
import pytest

import gpucnn
from gpucnn import functional as F
from gpucnn.errors import InputError, ShapeError
from tests.judges import agrees, agrees_with_numpys_kernels, agrees_with_torch, forward_backward

CONFIGURATIONS = 200
ON_DEVICES = 12  # of them, with each set of kernels against NumPy's
REDUCTIONS = ("mean", "sum", "none")


def any_of(rng, *values):
    return values[rng.integers(len(values))]


def shape_of(rng, axes=(0, 1, 2)):
    return tuple(int(n) for n in rng.integers(1, 6, 2 + any_of(rng, *axes)))


def tensors(torch, options):
    """The arrays among some options as PyTorch's tensors."""
    return {name: torch.tensor(o) if isinstance(o, np.ndarray) else o for name, o in options.items()}


def cross_entropy(rng):
    """Class numbers or soft rows; any weights, smoothing, and label that is ignored, -100 by default."""
    shape = shape_of(rng)
    options = {"reduction": any_of(rng, *REDUCTIONS), "label_smoothing": any_of(rng, 0.0, rng.uniform(0, 1))}
    if rng.uniform() < 0.7:
        options["weight"] = rng.uniform(0.1, 3, shape[1])
    places = (shape[0], *shape[2:])
    if rng.uniform() < 0.4:
        target = np.moveaxis(rng.dirichlet(np.ones(shape[1]), places), -1, 1)
        return "cross_entropy", rng.standard_normal(shape) * 3, np.ascontiguousarray(target), options
    labels = rng.integers(0, shape[1], places)
    ignored = any_of(rng, -100, 0, shape[1] + 3)
    if ignored != -100:
        options["ignore_index"] = ignored
    some = rng.uniform(size=places) < 0.3
    some.flat[0] = False  # of none that counts PyTorch's mean is NaN, whose gradient depends on the path
    labels[some] = ignored
    labels.flat[0] = shape[1] - 1 if ignored != shape[1] - 1 else -1
    if labels.flat[0] < 0:  # a single class, which is ignored
        options.pop("ignore_index")
        labels[:] = 0
    return "cross_entropy", rng.standard_normal(shape) * 3, labels, options


def binary_cross_entropy_with_logits(rng):
    """Targets of 0 and 1 or between; weights of either kind; logits that are 0, and large ones."""
    shape = shape_of(rng)
    x = rng.standard_normal(shape) * any_of(rng, 1, 30)
    x[rng.uniform(size=shape) < 0.1] = 0
    target = rng.uniform(size=shape) if rng.uniform() < 0.3 else rng.integers(0, 2, shape).astype("f8")
    options = {"reduction": any_of(rng, *REDUCTIONS)}
    for name in ("weight", "pos_weight"):
        if rng.uniform() < 0.5:
            options[name] = rng.uniform(0.1, 4, any_of(rng, shape[1:], shape[-1:], shape))
    return "binary_cross_entropy_with_logits", x, target, options


def of_numbers(name):
    def draw(rng):
        shape = shape_of(rng, (-1, 0, 1, 2))
        options = {"reduction": any_of(rng, *REDUCTIONS)}
        if name == "smooth_l1_loss":
            options["beta"] = any_of(rng, 0.0, 1.0, rng.uniform(0.01, 3))
        x, target = rng.standard_normal((2, *shape)) * 2
        target[rng.uniform(size=shape) < 0.1] = 0
        x[target == 0] = 0  # equal numbers, where |x - target| has no slope
        return name, x, target, options

    return draw


DRAWS = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    **{name: of_numbers(name) for name in ("mse_loss", "l1_loss", "smooth_l1_loss")},
}


def drawn(loss, count):
    return (DRAWS[loss](np.random.default_rng([number, len(loss)])) for number in range(count))


@pytest.mark.parametrize("loss", DRAWS)
def test_random_configurations_are_pytorchs(torch, loss):
    for name, x, target, options in drawn(loss, CONFIGURATIONS):
        ours, theirs = getattr(F, name), getattr(torch.nn.functional, name)
        given = tensors(torch, options)
        agrees_with_torch(
            torch,
            lambda a, ours=ours, target=target, options=options: ours(a, target, **options),
            lambda a, theirs=theirs, target=target, given=given: theirs(a, torch.tensor(target), **given),
            x,
        )


@pytest.mark.parametrize("loss", DRAWS)
def test_every_set_of_kernels_gives_what_numpys_gives(device, loss):
    for name, x, target, options in drawn(loss, ON_DEVICES):
        explicit = {"ignore_index": -100} if device.kind == "cuda" and target.dtype.kind == "i" else {}
        ours = getattr(F, name)
        agrees_with_numpys_kernels(lambda a, o=ours, t=target, k={**explicit, **options}: o(a, t, **k), x)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy_with_logits", "smooth_l1_loss"])
def test_the_gradient_by_a_target_is_pytorchs(torch, loss):
    for name, x, target, options in drawn(loss, 40):
        given = tensors(torch, options)
        if target.dtype.kind == "f" and options.get("beta") != 0:
            agrees_with_torch(
                torch,
                lambda a, t, name=name, options=options: getattr(F, name)(a, t, **options),
                lambda a, t, name=name, given=given: getattr(torch.nn.functional, name)(a, t, **given),
                x,
                target,
            )


def test_without_weights_nothing_changes(rng):
    """The result of the kernel, to the bit; of the composed operations, within rounding."""
    x, labels = rng.standard_normal((5, 3)), rng.integers(0, 3, 5)
    plain = forward_backward(lambda a: F.cross_entropy(a, labels), x)
    agrees(forward_backward(lambda a: F.cross_entropy(a, labels, weight=[1, 1, 1], ignore_index=-100), x), plain)
    labels[2] = -100
    rest = forward_backward(lambda a: F.cross_entropy(a[labels >= 0], labels[labels >= 0]), x)
    agrees(forward_backward(lambda a: F.cross_entropy(a, labels), x), rest)


def test_of_no_image_that_counts_the_mean_is_no_number():
    x = gpucnn.Tensor(np.zeros((2, 3)), requires_grad=True)
    assert np.isnan(F.cross_entropy(x, np.array([1, 1]), ignore_index=1).item())
    assert F.cross_entropy(x, np.array([1, 1]), "sum", ignore_index=1).item() == 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"weight": [1.0, 2.0]}, ShapeError, r"weight has shape \(2,\); expected \(3,\)"),
        ({"ignore_index": 1, "rows": True}, InputError, "ignore_index is a class number"),
        ({"ignore_index": 0, "labels": [0, 5]}, InputError, "label 5 is out of range; expected 0 to 2"),
    ],
)
def test_cross_entropys_options_are_checked(options, error, words):
    labels = np.eye(3)[:2] if options.pop("rows", False) else np.array(options.pop("labels", [0, 1]))
    with pytest.raises(error, match=words):
        F.cross_entropy(gpucnn.Tensor(np.zeros((2, 3))), labels, **options)


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_a_weight_that_does_not_broadcast_is_named(name):
    with pytest.raises(ShapeError, match=rf"{name} \(2,\) does not fit x \(4, 3\)"):
        F.binary_cross_entropy_with_logits(gpucnn.Tensor(np.zeros((4, 3))), np.zeros((4, 3)), **{name: np.ones(2)})


def test_a_negative_beta_is_named():
    with pytest.raises(InputError, match="beta is -1"):
        F.smooth_l1_loss(gpucnn.Tensor(np.zeros((4, 3))), np.zeros((4, 3)), beta=-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_logits_neither_overflow_nor_vanish(device, dtype):
    x = gpucnn.Tensor(np.array([[1e4, -1e4, 1e4, -1e4]], dtype), requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, np.array([[1.0, 0, 0, 1]]), "sum")
    loss.backward()
    assert loss.item() == 2e4 and x.grad.numpy().tolist() == [[0, 0, 1, -1]]


def test_the_modules_take_pytorchs_options(torch, rng):
    from gpucnn import nn

    x, labels, weight = rng.standard_normal((6, 3)), np.array([0, 1, 2, 2, 1, 0]), np.array([1.0, 3.0, 0.5])
    target = rng.integers(0, 2, (6, 3)).astype("f8")
    their_weight = torch.tensor(weight)
    pairs = [
        (nn.CrossEntropyLoss(weight, ignore_index=1), torch.nn.CrossEntropyLoss(their_weight, ignore_index=1), labels),
        (nn.BCEWithLogitsLoss(weight), torch.nn.BCEWithLogitsLoss(their_weight), target),
        (nn.BCEWithLogitsLoss(pos_weight=weight), torch.nn.BCEWithLogitsLoss(pos_weight=their_weight), target),
        (nn.SmoothL1Loss(beta=0.3), torch.nn.SmoothL1Loss(beta=0.3), target),
    ]
    for ours, theirs, given in pairs:
        agrees_with_torch(
            torch, lambda a, o=ours, g=given: o(a, g), lambda a, t=theirs, g=given: t(a, torch.tensor(g)), x
        )
