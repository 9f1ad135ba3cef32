"""Which dtype a Tensor has, and that integers carry no gradient."""

import numpy as np
import pytest

from gpucnn import Tensor
from gpucnn import functional as F

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_a_tensor_keeps_its_arrays_dtype(dtype):
    assert Tensor(np.ones(3, dtype)).dtype == dtype
    assert Tensor(np.ones(3, dtype)).numpy().dtype == dtype


def test_python_numbers_alone_are_float32():
    assert Tensor(1.5).dtype == np.float32
    assert Tensor([[1.5, 2.0]]).dtype == np.float32
    assert Tensor([0, 1, 2]).dtype == np.int64, "labels given as a list stay integers"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: 2 * x + 0.1,
        lambda x: 1 / (x + 3) - 1,
        lambda x: x**2,
        lambda x: 2.5**x,
        lambda x: x.mean(),
        lambda x: x.sum(0),
        lambda x: x.exp().log().abs().sqrt(),
        lambda x: x.clamp(0.1, 0.9),
        lambda x: x * np.float64(2.0),
        F.relu,
        F.leaky_relu,
        F.tanh,
        F.scaled_tanh,
        F.sigmoid,
        F.softmax,
        F.log_softmax,
        lambda x: F.dropout(x, 0.5),
        lambda x: F.pad(x, (1, 1)),
        lambda x: F.linear(x, x),
        lambda x: F.cross_entropy(x, np.array([0, 1, 2]), label_smoothing=0.1),
        lambda x: F.cross_entropy(x, np.eye(3)),
        lambda x: F.mse_loss(x, x * 2),
    ],
)
def test_a_python_number_takes_the_other_operands_dtype(function, dtype):
    x = Tensor(np.linspace(0.1, 1, 9).reshape(3, 3).astype(dtype), requires_grad=True)
    y = function(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv2d(x, Tensor(np.ones((2, 2, 3, 3), x.dtype))),
        lambda x: F.max_pool2d(x, 2, padding=1),
        lambda x: F.avg_pool2d(x, 2, padding=1, count_include_pad=False),
        lambda x: F.subsample2d(x, *(Tensor(np.ones(2, x.dtype)) for _ in range(2))),
        F.global_avg_pool2d,
        F.global_max_pool2d,
        lambda x: F.global_max_pool1d(F.flatten(x, 2)),
        lambda x: F.pad(x, (1, 1, 1, 1), "reflect"),
        lambda x: F.batch_norm(x, None, None, training=True),
        F.flatten,
    ],
)
def test_images_keep_their_dtype(function, dtype):
    x = Tensor(np.linspace(0, 1, 64).reshape(2, 2, 4, 4).astype(dtype), requires_grad=True)
    y = function(x)
    assert y.dtype == dtype
    y.sum().backward()
    assert x.grad.dtype == dtype


def test_integers_carry_no_gradient():
    with pytest.raises(TypeError, match=r"int64.*float32 or float64"):
        Tensor(np.arange(3), requires_grad=True)
    labels, weights = Tensor(np.arange(3)), Tensor(np.ones(3), requires_grad=True)
    (labels * weights).sum().backward()
    assert labels.grad is None
    assert weights.grad.numpy().tolist() == [0, 1, 2]


def test_a_float_beside_integers_is_float32():
    """As in PyTorch; beside an integer the number is an integer too."""
    y = Tensor(np.array([1, 2])) * 0.5
    assert y.dtype == np.float32 and y.numpy().tolist() == [0.5, 1.0]
    y = Tensor(np.array([1, 2])) * 3
    assert y.dtype == np.int64 and y.numpy().tolist() == [3, 6]


def test_integers_divide_to_floats():
    """Raw images over 255, as PyTorch: float32."""
    y = Tensor(np.array([0, 51, 255], np.uint8)) / 255
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.numpy(), [0, 0.2, 1], rtol=1e-6)


def test_float32_and_float64_give_float64_and_each_its_own_gradient():
    a, b = Tensor(np.ones(3, np.float32), requires_grad=True), Tensor(np.ones(3), requires_grad=True)
    y = a * b
    y.sum().backward()
    assert (y.dtype, a.grad.dtype, b.grad.dtype) == (np.float64, np.float32, np.float64)


def test_what_is_not_a_number_is_refused():
    with pytest.raises(TypeError, match="numbers"):
        Tensor(np.array(["a"]))
    with pytest.raises(TypeError, match="numbers"):
        Tensor(np.ones(2, complex))
