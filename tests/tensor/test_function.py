"""Functions that users write, and the check that tells right ones from wrong ones."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Function, Tensor
from gpucnn import functional as F
from gpucnn.backend import module_of
from gpucnn.errors import ShapeError
from tests.judges import agrees_with_torch, has_right_slopes

pytestmark = pytest.mark.usefixtures("device")


class Cube(Function):
    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, grad):
        return 3 * self.x**2 * grad


class WrongCube(Cube):
    def backward(self, grad):
        return 2 * self.x**2 * grad


class ScaledDifference(Function):
    """Two inputs and an option."""

    def forward(self, a, b, scale=1.0):
        self.scale = scale
        return scale * (a - b)

    def backward(self, grad):
        return self.scale * grad, -self.scale * grad


class SeesImages(Function):
    """Reads an axis by its logical place."""

    def forward(self, x):
        self.shape = x.shape
        return x[:, 0]

    def backward(self, grad):
        full = module_of(grad).zeros(self.shape)
        full[:, 0] = grad
        return full


def test_a_users_function(torch, rng):
    agrees_with_torch(torch, Cube.apply, lambda x: x**3, rng.standard_normal((2, 3)))
    has_right_slopes(Cube.apply, rng.standard_normal((2, 3)))


def test_a_function_of_two_with_an_option(torch, rng):
    arrays = rng.standard_normal((2, 4, 3))
    agrees_with_torch(torch, lambda a, b: ScaledDifference.apply(a, b, scale=3.0), lambda a, b: 3 * (a - b), *arrays)


def test_a_users_function_gets_logical_arrays_after_a_convolution(torch, rng):
    arrays = rng.standard_normal((4, 3, 5, 6)), rng.standard_normal((2, 3, 3, 3))
    agrees_with_torch(
        torch, lambda x, w: SeesImages.apply(F.conv2d(x, w)), lambda x, w: torch.conv2d(x, w)[:, 0], *arrays
    )


def test_arrays_and_numbers_are_constants(rng):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = ScaledDifference.apply(x, np.array([1.0, 1.0]))
    y.sum().backward()
    assert y.numpy().tolist() == [0, 1] and x.grad.numpy().tolist() == [1, 1]


def test_needs_says_whose_gradient_is_wanted():
    seen = []

    class Asks(ScaledDifference):
        def backward(self, grad):
            seen.append(self.needs)
            return super().backward(grad)

    Asks.apply(Tensor(np.ones(2)), Tensor(np.ones(2), requires_grad=True)).sum().backward()
    assert seen == [(False, True)]


def test_none_is_no_gradient():
    class OneSided(ScaledDifference):
        def backward(self, grad):
            return self.scale * grad, None

    a, b = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    OneSided.apply(a, b).sum().backward()
    assert a.grad.numpy().tolist() == [1, 1] and b.grad is None


def test_a_function_of_no_tensor_is_refused():
    with pytest.raises(TypeError, match=r"Cube.*Tensor"):
        Cube.apply(np.ones(2))


@pytest.mark.parametrize(
    ("returned", "words"),
    [(lambda grad: (grad, grad), r"Cube.*2.*1"), (lambda grad: grad.sum(), r"Cube.*\(\).*\(3,\)")],
)
def test_a_backward_that_does_not_fit_is_named(returned, words):
    class BadCube(Cube):
        def backward(self, grad):
            return returned(grad)

    with pytest.raises(ShapeError, match=words):
        BadCube.apply(Tensor(np.ones(3), requires_grad=True)).sum().backward()


def test_a_function_without_backward_serves_forward_only():
    class Forward(Function):
        def forward(self, x):
            return x + 1

    y = Forward.apply(Tensor(np.ones(2), requires_grad=True))
    assert y.numpy().tolist() == [2, 2]
    with pytest.raises(NotImplementedError, match=r"Forward.*backward"):
        y.sum().backward()


def test_the_check_passes_what_is_right(rng):
    assert gpucnn.check_gradients(Cube.apply, [rng.standard_normal((2, 3))])
    assert gpucnn.check_gradients(Cube.apply, [Tensor(rng.standard_normal((2, 3)).astype("float32"))])


def test_the_check_tells_what_is_wrong(rng):
    with pytest.raises(AssertionError, match=r"input 0.*backward says.*differences"):
        gpucnn.check_gradients(WrongCube.apply, [rng.standard_normal((2, 3))])


@pytest.mark.parametrize("place", [(0, 0), (7, 13), (19, 19)])
def test_the_check_names_the_one_element_that_is_wrong(rng, place):
    class Once(Cube):
        def backward(self, grad):
            out = super().backward(grad)
            out[place] += 0.01
            return out

    with pytest.raises(
        AssertionError, match=rf"input 0 is wrong: at element \({place[0]}, {place[1]}\) backward says .*say"
    ):
        gpucnn.check_gradients(Once.apply, [rng.standard_normal((20, 20))])


def test_the_check_tells_a_missing_gradient(rng):
    class Forgets(ScaledDifference):
        def backward(self, grad):
            return grad, None

    with pytest.raises(AssertionError, match="input 1"):
        gpucnn.check_gradients(Forgets.apply, list(rng.standard_normal((2, 3))))


def test_the_check_tells_a_nan(rng):
    class Nan(Cube):
        def backward(self, grad):
            return grad * np.nan

    with pytest.raises(AssertionError, match="input 0"):
        gpucnn.check_gradients(Nan.apply, [rng.standard_normal(3)])


def test_the_check_passes_integers_on(rng):
    labels = np.array([0, 2, 1])
    assert gpucnn.check_gradients(F.cross_entropy, [rng.standard_normal((3, 4)), labels])


def test_the_check_does_not_call_a_kink_right():
    with pytest.raises(AssertionError, match="kink"):
        gpucnn.check_gradients(F.relu, [np.zeros(3)])
