"""The tape: forks, accumulation, what is recorded and what is not, and arrays that nobody else may change."""

import gc
import threading
import weakref

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, no_grad
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests.judges import agrees_with_torch, close

pytestmark = pytest.mark.usefixtures("device")


def variable(*values: float) -> Tensor:
    return Tensor(np.array(values, float), requires_grad=True)


def diamond(x):
    left, right = x * 2, x * x
    return left * right + left - right


def deep_fork(x):
    """Gradients of a value used late and early must all be there before its own is passed on."""
    early = x * 3
    late = early
    for _ in range(5):
        late = late * early + x
    return late + early


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + x,
        lambda x: x - x,
        lambda x: x * x,
        lambda x: x / x,
        lambda x: x**x,
        lambda x: (x + x) + (x + x),
        lambda x: (x + x) * (x + x) + x,
        lambda x: x + x * x + x * x * x,
        lambda x: (x * 2) @ (x * 3).transpose(0, 1),
        lambda x: x[0] + x[1] * x[0],
        diamond,
        deep_fork,
    ],
)
def test_forks_add_up(torch, function, rng):
    agrees_with_torch(torch, function, function, rng.random((2, 3)) + 0.5)


def test_forks_of_images_in_two_memory_orders(torch, rng):
    """One image goes through a convolution, past it, and through a reshape: three gradients in two memory orders."""

    def paths(module, conv, relu):
        def function(x, w):
            y = conv(x, w, padding=1)
            return relu(y) + x * y + (x + x).reshape(2, -1).reshape(2, 3, 4, 5)

        return function

    arrays = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((3, 3, 3, 3))
    agrees_with_torch(torch, paths(F, F.conv2d, F.relu), paths(torch, torch.conv2d, torch.relu), *arrays)


def test_a_weight_may_be_computed(torch, rng):
    """By a convolution, a padding or a linear layer: then it lies in memory as images do."""
    x, w, v = (
        rng.standard_normal((2, 3, 6, 6)),
        rng.standard_normal((4, 3, 3, 3)),
        rng.standard_normal((3, 3, 1, 1)),
    )
    theirs = torch.nn.functional
    agrees_with_torch(
        torch,
        lambda x, w, v: F.conv2d(x, F.pad(F.conv2d(w, v), (1, 0, 0, 1))),
        lambda x, w, v: theirs.conv2d(x, theirs.pad(theirs.conv2d(w, v), (1, 0, 0, 1))),
        *(x, w, v),
    )
    rows = rng.standard_normal((5, 4)), rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    agrees_with_torch(
        torch,
        lambda x, a, b: F.linear(x, F.linear(a, b), F.linear(a, b)[:, 0]),
        lambda x, a, b: theirs.linear(x, theirs.linear(a, b), theirs.linear(a, b)[:, 0]),
        *rows,
    )


def test_backward_calls_accumulate():
    x = variable(1, 2)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.numpy().tolist() == [5, 7]


def test_a_gradient_given_is_the_one_that_flows():
    x = variable(1, 2)
    (x * x).backward(Tensor(np.array([10.0, 100.0])))
    assert x.grad.numpy().tolist() == [20, 400]


def test_a_leafs_own_backward():
    x = variable(2)
    x.backward()
    assert x.grad.numpy().tolist() == [1]


def test_only_what_asks_gets_a_gradient():
    x, constant = variable(1, 2), Tensor(np.array([3.0, 4.0]))
    y = x * constant
    assert y.requires_grad and not (constant * 2).requires_grad
    y.sum().backward()
    assert constant.grad is None


def test_no_grad_records_nothing_and_ends():
    x = variable(1, 2)
    with no_grad():
        y = x * x
        with no_grad():
            pass
        assert not (x * x).requires_grad
    assert not y.requires_grad
    with pytest.raises(RuntimeError, match=r"requires_grad=True.*no_grad"):
        y.sum().backward()
    assert (x * x).requires_grad


def test_no_grad_ends_with_an_error_too():
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (variable(1) * 2).requires_grad


def test_detach_cuts_the_tape():
    x = variable(1, 2)
    y = x * x
    (y.detach() * x).sum().backward()
    assert x.grad.numpy().tolist() == [1, 4]
    assert not y.detach().requires_grad and y.detach().numpy().tolist() == [1, 4]


def test_a_tape_is_spent_after_backward():
    x = variable(1, 2)
    shared = x * x
    first, second = shared.sum(), (shared * 2).sum()
    first.backward()
    for spent in (first, second):
        with pytest.raises(RuntimeError, match=r"spent|again|already"):
            spent.backward()


def test_backward_of_many_elements_needs_a_gradient():
    with pytest.raises(ShapeError, match=r"\(2,\).*gradient"):
        (variable(1, 2) * 2).backward()
    with pytest.raises(ShapeError, match=r"\(3,\).*\(2,\)"):
        (variable(1, 2) * 2).backward(Tensor(np.ones(3)))


def test_a_long_chain_needs_no_recursion():
    x = variable(1)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad.numpy().tolist() == [1]


def test_a_dropped_tape_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        x = variable(1, 2)
        middle = F.relu(x * x)
        watch = weakref.ref(middle)
        y = middle.exp().sum()
        del middle
        y.backward()
        assert watch() is None
        y = x * x
        watch = weakref.ref(y)
        del y
        assert watch() is None
    finally:
        gc.enable()


# Arrays that the user holds and arrays that the tape holds are never the same


def test_x_plus_x_returns_one_array_twice():
    """Its gradient by either is one array: adding in place would double what was handed on."""
    a, b = variable(1, 2), variable(3, 4)
    y = a + b
    (y + y * 5).sum().backward()
    assert a.grad.numpy().tolist() == b.grad.numpy().tolist() == [6, 6]
    a.grad.memory += 1
    assert b.grad.numpy().tolist() == [6, 6]


def test_a_gradient_handed_to_two_is_not_added_to_by_one():
    """The sum hands one array to both its inputs; the left one then gets another gradient, added to it."""
    a, b = variable(1, 2), variable(3, 4)
    left, right = a * 2, b * 3
    early = left * 5
    ((left + right) + early).backward(Tensor(np.ones(2)))
    assert a.grad.numpy().tolist() == [12, 12]
    assert b.grad.numpy().tolist() == [3, 3]


def test_changing_what_a_tensor_was_made_of_changes_nothing():
    array = np.array([1.0, 2.0])
    x = Tensor(array, requires_grad=True)
    y = x * x
    array[:] = 100
    y.sum().backward()
    assert x.grad.numpy().tolist() == [2, 4]


def test_changing_what_numpy_returned_changes_nothing():
    x = Tensor(np.ones((2, 3, 4, 4)), requires_grad=True)
    for function in (F.relu, lambda x: x.exp(), lambda x: F.max_pool2d(x, 2), lambda x: x * x):
        x.grad = None
        y = function(x)
        expected = y.numpy()
        y.numpy()[:] = 7
        x.numpy()[:] = 7
        close(y.numpy(), expected)
        y.sum().backward()
        before = x.grad.numpy()
        x.grad.numpy()[:] = 7
        close(x.grad.numpy(), before)


def test_a_gradient_given_to_backward_is_not_changed():
    x, given = variable(1, 2), Tensor(np.array([1.0, 1.0]))
    y = x * 1
    y.backward(given)
    (x * 3).sum().backward()
    assert given.numpy().tolist() == [1, 1]
    assert x.grad.numpy().tolist() == [4, 4]


def test_logical_shapes_over_batch_last_memory(rng):
    memory = rng.standard_normal((3, 4, 5, 2))
    x = Tensor.from_batch_last(gpucnn.backend.to_device(memory))
    assert x.shape == (2, 3, 4, 5) and x.ndim == 4 and x.batch_last
    np.testing.assert_array_equal(x.numpy(), np.moveaxis(memory, -1, 0))
    np.testing.assert_array_equal(x[1, 2].numpy(), memory[2, :, :, 1])


def test_item_is_one_number():
    assert Tensor(np.array([[2.5]])).item() == 2.5
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        Tensor(np.ones(2)).item()


def test_a_single_element_is_a_python_number():
    assert float(Tensor(np.array([2.5]))) == 2.5
    assert bool(Tensor(1.0)) and not bool(Tensor(0.0))
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        bool(Tensor(np.ones(2)))


def test_channels_weighed_by_what_the_image_holds(torch, rng):
    """Squeeze and excitation (Hu et al. 2018): pooled images pass linear layers and weigh the maps they came from."""
    arrays = [rng.standard_normal(shape) for shape in [(4, 3, 5, 6), (8, 3, 3, 3), (2, 8), (8, 2), (8,)]]

    def ours(x, w, a, b, c):
        y = F.conv2d(x, w)
        scale = F.sigmoid(F.linear(F.relu(F.linear(F.flatten(F.global_avg_pool2d(y)), a)), b) + c)
        return y * scale.reshape(4, 8, 1, 1) + scale[:, :, None, None]

    def theirs(x, w, a, b, c):
        y = torch.conv2d(x, w)
        f = torch.nn.functional
        scale = torch.sigmoid(f.linear(torch.relu(f.linear(y.mean((2, 3)), a)), b) + c)
        return y * scale[:, :, None, None] + scale[:, :, None, None]

    agrees_with_torch(torch, ours, theirs, *arrays)


def test_a_batch_last_leaf_has_a_logical_gradient(rng):
    x = Tensor.from_batch_last(gpucnn.backend.to_device(rng.standard_normal((3, 5, 6, 4)))).requires_grad_()
    weights = rng.standard_normal((4, 3, 5, 6))
    (x * Tensor(weights)).sum().backward()
    assert x.grad.shape == (4, 3, 5, 6)
    np.testing.assert_array_equal(x.grad.numpy(), weights)


def test_threads_have_their_own_tape():
    """no_grad in one thread does not silence another."""
    found, inside, done = [], threading.Event(), threading.Event()

    def silent():
        with no_grad():
            inside.set()
            done.wait(5)
            found.append((variable(1) * 2).requires_grad)

    thread = threading.Thread(target=silent)
    thread.start()
    inside.wait(5)
    found.append((variable(1) * 2).requires_grad)
    done.set()
    thread.join()
    assert found == [True, False]
