"""Softmax and losses against the naive loops; labels as integers and as rows; extreme values; errors."""

import numpy as np
import pytest

from gpucnn import Tensor
from gpucnn import functional as F
from gpucnn.errors import InputError, ShapeError
from tests import references
from tests.judges import agrees, agrees_with_torch, close, forward_backward

pytestmark = pytest.mark.usefixtures("device")

LABELS = np.array([2, 0, 1, 2, 3, 1])
ROWS = {
    "integers": LABELS,
    "one-hot": references.one_hot(LABELS, 4),
    "soft": np.random.default_rng(0).dirichlet(np.ones(4), 6),
}


@pytest.fixture
def logits(rng):
    return 3 * rng.standard_normal((6, 4))


def test_softmax_and_its_logarithm_equal_the_naive_loops(logits):
    close(F.softmax(Tensor(logits)).numpy(), references.softmax(logits))
    close(F.log_softmax(Tensor(logits)).numpy(), references.log_softmax(logits))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("labels", ROWS)
def test_cross_entropy_equals_the_naive_loops(logits, labels, reduction, smoothing):
    found = F.cross_entropy(Tensor(logits), ROWS[labels], reduction, smoothing).numpy()
    close(found, references.cross_entropy(logits, ROWS[labels], reduction, smoothing))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_mse_equals_the_naive_loops(logits, reduction):
    target = ROWS["soft"]
    close(
        F.mse_loss(Tensor(logits), Tensor(target), reduction).numpy(),
        references.mse(logits, target, reduction),
    )


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_integers_of_any_size_and_one_hot_rows_are_the_same_labels(logits, dtype):
    expected = forward_backward(lambda x: F.cross_entropy(x, ROWS["one-hot"]), logits)
    for labels in (LABELS.astype(dtype), Tensor(LABELS.astype(dtype)), Tensor(ROWS["one-hot"])):
        agrees(forward_backward(lambda x, labels=labels: F.cross_entropy(x, labels), logits), expected)


def test_the_gradient_is_the_probabilities_minus_the_labels(logits):
    """The textbook's formula, over the batch."""
    x = Tensor(logits, requires_grad=True)
    F.cross_entropy(x, LABELS).backward()
    close(x.grad.numpy(), (references.softmax(logits) - ROWS["one-hot"]) / 6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits_neither_overflow_nor_vanish(dtype):
    x = Tensor(np.array([[1e4, 0.0], [-1e4, 0.0]], dtype), requires_grad=True)
    loss = F.cross_entropy(x, np.array([0, 0]))
    assert loss.item() == 5e3
    loss.backward()
    assert x.grad.numpy().tolist() == [[0, 0], [-0.5, 0.5]]
    assert F.softmax(x).numpy().tolist() == [[1, 0], [0, 1]]
    assert F.sigmoid(x).numpy().tolist() == [[1, 0.5], [0, 0.5]]


@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_infinite_numbers_is_not_a_number_and_warns_of_nothing(dim):
    inf, nan = np.inf, np.nan
    rows = np.array([[inf, 1, 0], [-inf, -inf, -inf], [1, nan, 2], [-inf, 0, 0]], "float32")
    x = Tensor(rows.T.copy() if dim == 0 else rows)
    found, logarithm = (np.moveaxis(f(x, dim).numpy(), dim, 1) for f in (F.softmax, F.log_softmax))
    np.testing.assert_array_equal(found, [[nan] * 3] * 3 + [[0, 0.5, 0.5]])
    np.testing.assert_allclose(logarithm, [[nan] * 3] * 3 + [[-inf, np.log(0.5), np.log(0.5)]], rtol=1e-6)


def test_sigmoid_keeps_its_small_values():
    np.testing.assert_allclose(
        F.sigmoid(Tensor(np.array([-700.0, -40.0]))).numpy(), np.exp([-700.0, -40.0]), rtol=1e-12
    )


X = (4, 3)


@pytest.mark.parametrize(("wrong", "words"), [(3, "label 3 is out of range; expected 0 to 2"), (-1, "label -1")])
def test_a_label_out_of_range_is_named(device, wrong, words):
    """On a GPU that would be to wait for it; there the loss is NaN."""
    logits, labels = Tensor(np.zeros(X)), np.array([0, 1, wrong, 2])
    if device.kind == "cuda":
        assert np.isnan(F.cross_entropy(logits, labels).numpy())
        return
    with pytest.raises(InputError, match=words):
        F.cross_entropy(logits, labels)


@pytest.mark.parametrize(
    ("shape", "labels", "error", "words"),
    [
        (X, np.array([0, 1]), ShapeError, ["cross_entropy", "label", "2", "4"]),
        (X, np.zeros((4, 2)), ShapeError, ["cross_entropy", "(4, 2)", "(4, 3)"]),
        (X, np.zeros((3, 3)), ShapeError, ["cross_entropy", "(3, 3)", "(4, 3)"]),
        (
            X,
            np.array([0.0, 1.0, 2.0, 1.0]),
            ShapeError,
            ["cross_entropy", "labels", "float64", "whole numbers"],
        ),
        ((4,), np.array([0, 1, 2, 1]), ShapeError, ["cross_entropy", "(4,)", "images, classes"]),
    ],
)
def test_cross_entropy_errors_speak(shape, labels, error, words):
    with pytest.raises(error) as raised:
        F.cross_entropy(Tensor(np.zeros(shape)), labels)
    missing = [word for word in words if word not in str(raised.value)]
    assert missing == [], str(raised.value)


@pytest.mark.parametrize("options", [{"reduction": "median"}, {"label_smoothing": 1.5}, {"label_smoothing": -0.1}])
def test_options_out_of_range_are_named(options):
    (name, value), *_ = options.items()
    with pytest.raises(InputError) as raised:
        F.cross_entropy(Tensor(np.zeros(X)), np.zeros(4, int), **options)
    assert name in str(raised.value) and str(value) in str(raised.value)


def test_mse_of_unequal_shapes_is_refused():
    """Broadcasting a (4,) target against (4, 1) outputs would average sixteen wrong differences."""
    with pytest.raises(ShapeError, match=r"mse_loss.*\(4, 1\).*\(4,\)"):
        F.mse_loss(Tensor(np.zeros((4, 1))), Tensor(np.zeros(4)))


def test_a_masked_class_costs_nothing(torch):
    """A logit of -inf has no probability: the loss and the gradient of another class stay finite."""
    x = np.array([[0.0, -np.inf, 1.0], [2.0, 1.0, -np.inf]])
    labels = np.array([2, 0])
    agrees_with_torch(
        torch,
        lambda x: F.cross_entropy(x, labels),
        lambda x: torch.nn.functional.cross_entropy(x, torch.tensor(labels)),
        x,
    )


def test_an_empty_batch_is_told():
    with pytest.raises(ShapeError, match=r"empty.*\(0, 3\)"):
        F.cross_entropy(Tensor(np.zeros((0, 3))), np.zeros(0, int))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_gradient_of_a_loss_by_itself_may_be_left_out_or_given(reduction, rng):
    logits, labels = rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    gradients = []
    for upstream in (None, np.ones(()), np.full((), 2.0)):
        x = Tensor(logits, requires_grad=True)
        F.cross_entropy(x, labels, reduction).backward(upstream)
        gradients.append(x.grad.numpy())
    np.testing.assert_array_equal(gradients[0], gradients[1])
    np.testing.assert_array_equal(2 * gradients[0], gradients[2])
    assert labels.tolist() == [0, 2, 1, 1]
