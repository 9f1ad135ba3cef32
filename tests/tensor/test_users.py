"""What a user might do to the tape: name attributes as it does, keep results, copy optimizers, train in a thread."""

import copy
import pickle
import threading

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.errors import InputError, ShapeError


class Doubled(gpucnn.Function):
    """Keeps what it needs under names that the tape might use."""

    def forward(self, x):
        self.inputs, self.order = x, 2
        return self.order * x

    def backward(self, grad):
        return self.order * grad


def test_a_function_may_use_plain_names():
    x = Tensor(np.ones(3), requires_grad=True)
    Doubled.apply(x).sum().backward()
    assert x.grad.numpy().tolist() == [2, 2, 2]


def test_a_function_that_takes_needs_is_told():
    class Taking(gpucnn.Function):
        def forward(self, x):
            self.needs = x
            return x

    with pytest.raises(AttributeError, match=r"Taking.*self\.needs"):
        Taking.apply(Tensor(np.ones(3), requires_grad=True))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copied_optimizer_moves_its_own_weights(copied):
    net = nn.Linear(3, 2)
    twin, optimizer = copied((net, optim.SGD(net.parameters(), lr=1.0)))
    before = twin.weight.numpy()
    twin(Tensor(np.ones((1, 3), np.float32))).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(twin.weight.numpy(), before - 1, rtol=1e-6)
    np.testing.assert_array_equal(net.weight.numpy(), before)


def test_weights_changed_before_backward_are_told():
    net, x = nn.Linear(2, 1), Tensor(np.ones((1, 2), np.float32))
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    first, second = net(x).sum(), net(x).sum()
    first.backward()
    optimizer.step()
    with pytest.raises(RuntimeError, match="changed between forward and backward"):
        second.backward()


def test_another_thread_computes_the_same_bits():
    rng = np.random.default_rng(0)
    x, w = Tensor(rng.random((64, 6, 14, 14), np.float32)), Tensor(rng.random((16, 6, 5, 5), np.float32))
    found = []
    here = F.conv2d(x, w).numpy()
    thread = threading.Thread(target=lambda: found.append(F.conv2d(x, w).numpy()))
    thread.start()
    thread.join()
    np.testing.assert_array_equal(found[0], here)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda w: optim.SGD(w, lr=1.0), "one Tensor"),
        (lambda w: optim.SGD([w * 2], lr=1.0), "computed from others"),
        (lambda w: optim.SGD([{"params": [w], "learning_rate": 3}], lr=1.0), "learning_rate"),
        (lambda w: nn.Sequential([nn.ReLU()]), r"expected a module"),
        (lambda w: nn.Sequential(nn.ReLU), r"expected a module"),
    ],
)
def test_what_could_not_be_trained_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make(nn.Parameter(np.ones(2)))


def test_lists_of_parameters_are_found():
    class Net(nn.Module):
        def __init__(self):
            self.scales = [nn.Parameter(np.ones(1)), nn.Parameter(np.ones(2))]
            self.blocks = [[nn.Linear(2, 1)], [nn.ReLU()]]

    assert list(Net().state_dict()) == ["scales.0", "scales.1", "blocks.0.0.weight", "blocks.0.0.bias"]


def test_comparisons_are_element_by_element():
    x, y = Tensor(np.array([1.0, 2.0, 3.0])), Tensor(np.array([3.0, 2.0, 1.0]))
    for found, expected in [(x == y, [0, 1, 0]), (x != y, [1, 0, 1]), (x < y, [1, 0, 0]), (x >= 2, [0, 1, 1])]:
        assert found.dtype == bool and found.numpy().tolist() == [bool(e) for e in expected]
    assert float((x == y).mean()) == pytest.approx(1 / 3)
    assert len({x, y, x}) == 2


def test_a_tensor_is_an_array_to_numpy():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert np.asarray(x).dtype == np.float64 and np.asarray(x).tolist() == x.numpy().tolist()


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x.permute(0, 4, 2),
        lambda x: x.permute(0, 0, 1),
        lambda x: x.sum(5),
        lambda x: x.transpose(0, 5),
        lambda x: gpucnn.concatenate([x, x], 5),
        lambda x: gpucnn.stack([x, x], 5),
    ],
)
def test_axes_that_are_not_there_are_told(use):
    with pytest.raises(ShapeError, match=r"axis|axes"):
        use(Tensor(np.zeros((2, 3, 4))))


def test_integers_have_extremes_and_roots():
    x = Tensor(np.array([0, 5], np.uint8))
    assert (x.min().item(), x.max().item()) == (0, 5)
    assert Tensor(np.array([4, 9])).sqrt().dtype == np.float32


def test_padding_wider_than_the_window_is_refused_at_the_end_too():
    with pytest.raises(ShapeError, match="padding alone"):
        F.max_pool2d(Tensor(np.ones((1, 1, 4, 4))), 2, padding=((0, 4), (0, 0)))


def test_a_gradient_that_is_assigned_is_a_tensor_of_the_shape_or_none():
    weight = nn.Parameter(np.ones((2, 3), "float32"))
    optimizer = optim.SGD([weight], lr=1)
    for wrong, said in [
        (np.ones((2, 3)), r"given ndarray; expected a Tensor of shape \(2, 3\), or None"),
        (Tensor(np.ones(3)), r"given a Tensor of shape \(3,\); expected a Tensor of shape \(2, 3\)"),
    ]:
        with pytest.raises(TypeError, match=said):
            weight.grad = wrong
    weight.grad = Tensor.from_batch_last(np.array([[0.0, 1], [2, 3], [4, 5]], "float32"))  # (3, 2), logically (2, 3)
    optimizer.step()
    assert weight.numpy().tolist() == [[1, -1, -3], [0, -2, -4]]
    weight.grad = None
    optimizer.step()
    assert weight.numpy().tolist() == [[1, -1, -3], [0, -2, -4]]
