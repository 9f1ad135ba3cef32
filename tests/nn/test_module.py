"""Modules find what is inside them, in order; modes; state that is loaded whole or not at all."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn.errors import CheckpointError, InputError, ShapeError
from gpucnn.nn import Buffer, Parameter

pytestmark = pytest.mark.usefixtures("device")


class Branches(nn.Module):
    """A forward of its own, with parameters of every kind of home."""

    def __init__(self):
        self.scale = Parameter(np.ones(3, np.float32))
        self.left = nn.Linear(4, 3)
        self.right = [nn.Linear(4, 3, bias=False), nn.Linear(3, 3)]
        self.seen = Buffer(np.zeros(2, np.float32))
        self.more = nn.ModuleList([nn.Linear(3, 2)])

    def forward(self, x):
        right = x
        for layer in self.right:
            right = layer(right)
        return self.more[0](self.scale * self.left(x) + right)


NAMES = [
    "scale",
    "left.weight",
    "left.bias",
    "right.0.weight",
    "right.1.weight",
    "right.1.bias",
    "more.0.weight",
]


def test_parameters_are_found_in_the_order_they_were_set():
    net = Branches()
    assert [name for name, _ in net.named_parameters()] == [*NAMES, "more.0.bias"]
    assert [p.shape for p in net.parameters()] == [(3,), (3, 4), (3,), (3, 4), (3, 3), (3,), (2, 3), (2,)]
    assert all(p.requires_grad for p in net.parameters())
    assert [b.shape for b in net.buffers()] == [(2,)]
    assert "seen" in net.state_dict()


def test_every_parameter_of_a_branching_net_gets_its_gradient(rng):
    net = Branches()
    net(Tensor(rng.standard_normal((5, 4)).astype("float32"))).sum().backward()
    assert all(p.grad is not None and p.grad.numpy().any() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None or not p.grad.numpy().any() for p in net.parameters())


def test_a_shared_parameter_is_one_parameter(rng):
    layer = nn.Linear(3, 3)
    tied = nn.Linear(3, 3)
    tied.weight = layer.weight
    net = nn.Sequential(layer, tied, layer)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert len(list(net.modules())) == 3  # the sequence and two layers


def test_a_shared_parameters_gradients_add_up(rng):
    layer, x = nn.Linear(3, 3, bias=False), rng.standard_normal((2, 3))
    layer.astype("float64")
    nn.Sequential(layer, layer)(Tensor(x)).sum().backward()
    w = layer.weight.numpy()
    ones = np.ones((2, 3))
    np.testing.assert_allclose(layer.weight.grad.numpy(), ones.T @ (x @ w.T) + (ones @ w).T @ x)


def test_train_and_eval_reach_every_module():
    net = nn.Sequential(nn.Dropout(), nn.Residual(nn.Dropout()), Branches())
    assert all(module.training for module in net.modules())
    assert net.eval() is net and not any(module.training for module in net.modules())
    assert net.train() is net and all(module.training for module in net.modules())


def test_modes_change_dropout_and_batch_norm(rng):
    x = Tensor(rng.standard_normal((8, 4)).astype("float32"))
    for layer in (nn.Dropout(0.5), nn.BatchNorm1d(4)):
        trained, evaluated = layer(x).numpy(), layer.eval()(x).numpy()
        assert (trained != evaluated).any()
        np.testing.assert_array_equal(layer(x).numpy(), evaluated)


def test_sequential_counts_picks_and_slices():
    layers = [nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)]
    net = nn.Sequential(*layers)
    assert len(net) == 3 and list(net) == layers
    assert net[0] is layers[0] and net[-1] is layers[2]
    assert isinstance(net[:2], nn.Sequential) and list(net[:2]) == layers[:2]
    assert list(net.children()) == layers
    assert [name for name, _ in net.named_modules()] == ["", "0", "1", "2"]


def test_a_slice_gives_what_lies_between(rng):
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    x = Tensor(rng.standard_normal((5, 4)).astype("float32"))
    np.testing.assert_array_equal(net[2](net[:2](x)).numpy(), net(x).numpy())


def test_residual_adds_its_input(rng):
    inner, x = nn.Linear(4, 4), Tensor(rng.standard_normal((5, 4)).astype("float32"))
    np.testing.assert_allclose(nn.Residual(inner)(x).numpy(), (x + inner(x)).numpy(), rtol=1e-6)
    with pytest.raises(ShapeError, match=r"residual.*\(4,\).*\(3,\)"):
        nn.Residual(nn.Linear(4, 3))(x)
    with pytest.raises(ShapeError, match=r"residual.*\(4,\).*\(3,\)"):
        nn.Residual(nn.Linear(4, 3)).output_shape((4,))


# State


@pytest.fixture
def net():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))


def test_state_is_copied_both_ways(net):
    state = net.state_dict()
    before = {name: array.copy() for name, array in state.items()}
    for array in state.values():
        array[...] = 7
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    net.load_state_dict(state)
    for array in state.values():
        array[...] = 8
    assert all((array == 7).all() for array in net.state_dict().values())


def test_loading_keeps_each_parameter_in_its_place(net):
    """The optimizer's flat bank holds the same memory."""
    before = [p.memory for p in net.parameters()]
    net.load_state_dict(net.state_dict())
    assert all(a is b.memory for a, b in zip(before, net.parameters(), strict=True))


def test_loading_keeps_the_dtype(net):
    net.load_state_dict({name: array.astype("float64") for name, array in net.state_dict().items()})
    assert {p.dtype.name for p in net.parameters()} == {"float32"}


def unfit(state: dict) -> dict:
    """One entry lost, one too many, one of another shape."""
    fewer = {name: array for name, array in state.items() if name != "4.bias"}
    return {**fewer, "5.weight": np.zeros(2), "0.weight": np.zeros((2, 1, 5, 5))}


def test_a_state_that_does_not_fit_is_named_whole_and_changes_nothing(net):
    before = net.state_dict()
    with pytest.raises(CheckpointError) as error:
        net.load_state_dict(unfit({name: array + 1 for name, array in before.items()}))
    for words in ["missing 4.bias", "5.weight", "0.weight", "(2, 1, 5, 5)", "(2, 1, 3, 3)"]:
        assert words in str(error.value)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_loading_leniently_takes_what_fits_by_name(net):
    state = {"4.bias": np.full(3, 9.0), "5.weight": np.zeros(2)}
    net.load_state_dict(state, strict=False)
    assert net[4].bias.numpy().tolist() == [9, 9, 9]
    with pytest.raises(CheckpointError, match=r"4.bias.*\(2,\).*\(3,\)"):
        net.load_state_dict({"4.bias": np.zeros(2)}, strict=False)


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match=r"Empty.*forward"):
        type("Empty", (nn.Module,), {})()(Tensor([1.0]))


def test_a_shape_error_names_the_layer():
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(3, 50, 5))
    with pytest.raises(
        ShapeError, match=r"layer 2 \(conv2d\): input has 6 channels, weight expects 3.*\(1, 6, 12, 12\)"
    ):
        net(Tensor(np.zeros((1, 3, 14, 14), np.float32)))
    with pytest.raises(ShapeError, match=r"layer 2 \(conv2d\).*6.*3"):
        net.output_shape((3, 14, 14))
    nested = nn.Sequential(nn.Residual(nn.ReLU(), nn.Linear(3, 4)))
    with pytest.raises(ShapeError, match=r"layer 0 .*layer 1 \(linear\)"):
        nested(Tensor(np.zeros((1, 5), np.float32)))


def test_moving_to_the_same_device_changes_no_value(net, device):
    before = net.state_dict()
    assert net.to(str(device)) is net
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_an_unknown_initialiser_is_named():
    with pytest.raises(InputError, match=r"he_normalish.*he_normal.*xavier_uniform"):
        nn.Linear(3, 2, init="he_normalish")


def test_keywords_and_a_forward_set_on_the_module_reach_a_call():
    class Scaled(nn.Module):
        def forward(self, x, scale=1.0):
            return x * scale

    scaled = Scaled()
    assert scaled(Tensor([2.0]), scale=3.0).item() == 6
    scaled.forward = lambda x: x * 10
    assert scaled(Tensor([2.0])).item() == 20
