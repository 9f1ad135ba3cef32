"""Optimizers take PyTorch's steps; parameter groups, frozen, tied and idle parameters; state that resumes."""

import copy

import numpy as np
import pytest

from gpucnn import Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.backend import to_host
from gpucnn.errors import CheckpointError, InputError

pytestmark = pytest.mark.usefixtures("device")

SHAPES = [(3, 4), (5,), (2, 3, 2, 2), ()]
STEPS = 50
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.05, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-4}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.05}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.05, "momentum": 0.9}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-4, "centered": True}),
]
every_optimizer = pytest.mark.parametrize(("name", "options"), OPTIMIZERS)


class Pair:
    """The same parameters twice, for us and for PyTorch, moved by the same gradients."""

    def __init__(self, torch, name, options, groups=lambda parameters: parameters):
        rng = np.random.default_rng(0)
        arrays = [rng.standard_normal(shape) for shape in SHAPES]
        self.torch = torch
        self.ours = [nn.Parameter(a) for a in arrays]
        self.theirs = [torch.nn.Parameter(torch.tensor(a)) for a in arrays]
        self.our_optimizer = getattr(optim, name)(groups(self.ours), **options)
        self.their_optimizer = getattr(torch.optim, name)(groups(self.theirs), **options)
        self.rng = rng

    def step(self, idle: tuple[int, ...] = ()) -> None:
        """One step along random gradients; the parameters `idle` get none."""
        arrays = [self.rng.standard_normal(shape) for shape in SHAPES]
        for optimizer in (self.our_optimizer, self.their_optimizer):
            optimizer.zero_grad()
        for i, array in enumerate(arrays):
            if i not in idle:  # the gradient of a sum of products is the other factor
                (self.ours[i] * Tensor(array)).sum().backward()
                (self.theirs[i] * self.torch.tensor(array)).sum().backward()
        for optimizer in (self.our_optimizer, self.their_optimizer):
            optimizer.step()

    def assert_equal(self) -> None:
        for a, b in zip(self.ours, self.theirs, strict=True):
            assert a.dtype == np.float64
            np.testing.assert_allclose(a.numpy(), b.detach(), rtol=1e-10, atol=1e-10)


@every_optimizer
def test_fifty_steps_are_pytorchs(torch, name, options):
    pair = Pair(torch, name, options)
    for _ in range(STEPS):
        pair.step()
    pair.assert_equal()


@every_optimizer
def test_a_parameter_without_gradient_is_not_moved(torch, name, options):
    """Neither by decay nor by momentum; and Adam counts each parameter's own steps."""
    pair = Pair(torch, name, options)
    for number in range(STEPS):
        pair.step(idle=(1,) if number % 3 else (0, 2))
    pair.assert_equal()


@every_optimizer
def test_a_step_without_any_gradient_changes_nothing(torch, name, options):
    pair = Pair(torch, name, options)
    pair.step()
    pair.step(idle=(0, 1, 2, 3))
    pair.step()
    pair.assert_equal()


@every_optimizer
def test_groups_have_their_own_options(torch, name, options):
    def groups(parameters):
        return [{"params": parameters[:1], "lr": 0.3}, {"params": parameters[1:], "weight_decay": 0.2}]

    pair = Pair(torch, name, {"lr": 0.01, **options}, groups)
    for _ in range(STEPS):
        pair.step()
    pair.assert_equal()


@every_optimizer
def test_a_learning_rate_that_changes_every_step(torch, name, options):
    pair = Pair(torch, name, options)
    for number in range(STEPS):
        pair.our_optimizer.lr = pair.their_optimizer.param_groups[0]["lr"] = 0.1 / (1 + number)
        pair.step()
    pair.assert_equal()


@every_optimizer
def test_float32_parameters_stay_float32(name, options):
    parameter = nn.Parameter(np.ones(3, np.float32))
    optimizer = getattr(optim, name)([parameter], **options)
    (parameter * parameter).sum().backward()
    optimizer.step()
    assert parameter.dtype == np.float32 and (parameter.numpy() < 1).all()
    assert {array.dtype.name for array in optimizer.state_arrays().values()} <= {"float32"}


def test_defaults_are_pytorchs(torch):
    """Read from PyTorch's own optimizers."""
    for name in ("SGD", "Adam", "AdamW", "RMSprop"):
        ours, theirs = getattr(optim, name)([nn.Parameter(np.ones(1))], 0.5), None
        theirs = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(1))], 0.5).param_groups[0]
        for option in ("lr", "momentum", "weight_decay", "nesterov", "betas", "eps", "alpha", "centered"):
            if option in theirs:
                assert ours.param_groups[0][option] == theirs[option], (name, option)


def test_the_learning_rate_moves_all_groups_in_proportion():
    a, b = (nn.Parameter(np.ones(1)) for _ in range(2))
    optimizer = optim.SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.02}], lr=1.0)
    assert optimizer.lr == 0.1
    optimizer.lr = 0.5
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.1])


def test_a_frozen_first_group_holds_no_other_back():
    parameters = [nn.Parameter(np.ones(1)) for _ in range(3)]
    rates = (0.0, 0.1, 0.02)
    optimizer = optim.SGD([{"params": [p], "lr": lr} for p, lr in zip(parameters, rates, strict=True)], lr=1.0)
    assert optimizer.lr == optimizer.base_lr == 0.1
    for lr, expected in ((0.05, [0, 0.05, 0.01]), (0.0, [0, 0, 0]), (0.1, [0, 0.1, 0.02])):
        optimizer.lr = lr
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx(expected)
    assert optimizer.base_lr == 0.1


def test_a_learning_rate_that_began_at_zero_can_be_set():
    optimizer = optim.SGD([nn.Parameter(np.ones(1))], lr=0.0)
    optimizer.lr = 0.3
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_zero_grad_forgets():
    parameter = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([parameter], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        (parameter * 2).sum().backward()
        assert parameter.grad.numpy().tolist() == [2, 2]
    optimizer.zero_grad()
    optimizer.step()
    assert parameter.numpy().tolist() == [1, 1]


def test_gradients_accumulate_until_they_are_forgotten():
    parameter = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([parameter], lr=1.0)
    for _ in range(3):
        (parameter * 2).sum().backward()
    optimizer.step()
    assert parameter.numpy().tolist() == [-5, -5]


def test_a_frozen_parameter_stays(rng):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    net[0].requires_grad_(False)
    before = net.state_dict()
    optimizer = optim.Adam(net.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        net(Tensor(rng.standard_normal((5, 3)).astype("float32"))).sum().backward()
        optimizer.step()
    moved = {name for name, array in net.state_dict().items() if (array != before[name]).any()}
    assert moved == {"2.weight", "2.bias"}


def test_a_tied_parameter_is_moved_once_by_both_gradients(torch, rng):
    x = rng.standard_normal((5, 3))

    def train(nn, optim, tensor):
        layer = nn.Linear(3, 3, bias=False)
        net = nn.Sequential(layer, nn.Tanh(), layer)
        net.load_state_dict(dict.fromkeys(("0.weight", "2.weight"), tensor(np.full((3, 3), 0.1))), strict=False)
        optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        for _ in range(5):
            optimizer.zero_grad()
            net(tensor(x.astype("float32"))).sum().backward()
            optimizer.step()
        return layer.weight

    ours, theirs = train(nn, optim, Tensor), train(torch.nn, torch.optim, torch.tensor)
    np.testing.assert_allclose(ours.numpy(), theirs.detach(), rtol=1e-5)


def test_weights_loaded_after_the_optimizer_was_made_are_the_ones_moved():
    net = nn.Linear(2, 1, bias=False)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    net.load_state_dict({"weight": np.array([[5.0, 6.0]])})
    net.weight.sum().backward()
    optimizer.step()
    assert net.weight.numpy().tolist() == [[4, 5]]


def test_an_array_put_in_a_parameters_place_is_moved_too():
    parameter = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([parameter], lr=1.0)
    parameter.memory = np.array([5.0, 6.0]) if isinstance(parameter.memory, np.ndarray) else parameter.memory * 0 + 5
    expected = parameter.numpy() - 1
    parameter.sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(parameter.numpy(), expected)


def test_a_gradient_put_in_place_by_the_user_is_followed():
    parameter = nn.Parameter(np.ones(2))
    optimizer = optim.SGD([parameter], lr=1.0)
    parameter.grad = Tensor(np.array([1.0, 2.0]))
    optimizer.step()
    assert parameter.numpy().tolist() == [0, -1]


def test_many_parameters_over_several_pieces_move_alike(torch):
    """Flat memory is updated piece by piece, on several threads: the pieces' borders show nowhere."""
    sizes, rng = [(300_000,), (7,), (1000, 401), (3,)], np.random.default_rng(0)
    ours = [nn.Parameter(rng.standard_normal(size)) for size in sizes]
    theirs = [torch.nn.Parameter(torch.tensor(p.numpy())) for p in ours]
    pair = optim.Adam(ours, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for _ in range(2):
        for parameters, optimizer in zip((ours, theirs), pair, strict=True):
            optimizer.zero_grad()
            for i in (0, 2, 3):
                (parameters[i] * parameters[i]).sum().backward()
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach(), rtol=1e-10, atol=1e-12)


# State


def train(net, optimizer, batches) -> None:
    for x, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(net(Tensor(x)), labels).backward()
        optimizer.step()


@every_optimizer
def test_a_resumed_optimizer_goes_on_to_the_same_bits(name, options, rng):
    batches = [(rng.standard_normal((4, 3)).astype("float32"), rng.integers(0, 2, 4)) for _ in range(6)]

    def make():
        net = nn.Linear(3, 2)
        return net, getattr(optim, name)(net.parameters(), **{"lr": 0.1, **options})

    net, optimizer = make()
    train(net, optimizer, batches[:3])
    weights = net.state_dict()
    arrays = {name: to_host(array).copy() for name, array in optimizer.state_arrays().items()}
    counters = dict(optimizer.state_counters())
    resumed, other = make()
    resumed.load_state_dict(weights)
    other.load_state(arrays, counters)
    for each in ((net, optimizer), (resumed, other)):
        train(*each, batches[3:])
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, resumed.state_dict()[name])


def test_the_state_of_another_optimizer_is_refused():
    parameters = [nn.Parameter(np.ones(3))]
    sgd, adam = optim.SGD(parameters, lr=0.1, momentum=0.9), optim.Adam(parameters)
    with pytest.raises(CheckpointError, match="Adam"):
        adam.load_state(sgd.state_arrays(), sgd.state_counters())
    smaller = optim.Adam([nn.Parameter(np.ones(2))])
    with pytest.raises(CheckpointError, match=r"\(3,\).*\(2,\)"):
        smaller.load_state(adam.state_arrays(), adam.state_counters())


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("SGD", {"lr": -0.1}, r"lr.*-0\.1"),
        ("SGD", {"lr": float("nan")}, r"lr.*nan"),
        ("SGD", {"lr": 0.1, "momentum": -1}, r"momentum.*-1"),
        ("SGD", {"lr": 0.1, "weight_decay": -1}, r"weight_decay.*-1"),
        ("SGD", {"lr": 0.1, "nesterov": True}, r"nesterov.*momentum"),
        ("Adam", {"betas": (0.9, 1.0)}, r"betas.*1\.0"),
        ("Adam", {"betas": (-0.1, 0.9)}, r"betas.*-0\.1"),
        ("Adam", {"eps": -1}, r"eps.*-1"),
        ("AdamW", {"weight_decay": -1}, r"weight_decay.*-1"),
        ("RMSprop", {"alpha": 1.0}, r"alpha.*1\.0"),
        ("RMSprop", {"momentum": -1}, r"momentum.*-1"),
        ("Muon", {"adamw_lr": -1}, r"adamw_lr.*-1"),
        ("Muon", {"ns_steps": 0}, r"ns_steps.*0"),
        ("Muon", {"ns_coefficients": (1, 0, 1)}, r"ns_coefficients.*second"),
        ("Muon", {"adjust_lr_fn": "none"}, r"adjust_lr_fn.*match_rms_adamw"),
    ],
)
def test_options_out_of_range_are_named(name, options, words):
    with pytest.raises(InputError, match=words):
        getattr(optim, name)([nn.Parameter(np.ones(1))], **options)


def test_parameters_must_be_some_and_once():
    parameter = nn.Parameter(np.ones(1))
    with pytest.raises(InputError, match="parameter"):
        optim.SGD([], lr=0.1)
    with pytest.raises(InputError, match="twice"):
        optim.SGD([parameter, parameter], lr=0.1)
    with pytest.raises(InputError, match="twice"):
        optim.SGD([{"params": [parameter]}, {"params": [parameter]}], lr=0.1)


def test_a_dtype_changed_under_the_optimizer_is_told():
    """Its flat memory is of the old one; turning the parameter back in silence would lose precision."""
    net = nn.Linear(2, 1)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    net.astype("float64")
    net(Tensor(np.ones((1, 2)))).sum().backward()
    with pytest.raises(InputError, match=r"float64.*float32"):
        optimizer.step()


def test_two_optimizers_may_share_a_parameter():
    parameter = nn.Parameter(np.ones(2))
    for optimizer in (first := optim.SGD([parameter], lr=1.0), second := optim.SGD([parameter], lr=0.5), first, second):
        optimizer.zero_grad()
        parameter.sum().backward()
        optimizer.step()
    assert parameter.numpy().tolist() == [-2, -2]


def test_a_copied_network_is_on_its_own():
    """The best weights so far are often kept as a copy of the network."""
    net = nn.Linear(2, 1, bias=False)
    optimizer = optim.SGD(net.parameters(), lr=1.0)
    before, kept = net.weight.numpy(), copy.deepcopy(net)
    for each in (net, kept):
        each(Tensor(np.ones((1, 2), np.float32))).sum().backward()
    optimizer.step()
    np.testing.assert_allclose(net.weight.numpy(), before - 1, rtol=1e-6)
    np.testing.assert_array_equal(kept.weight.numpy(), before)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.AdamW])
def test_a_plan_says_what_the_next_steps_are_scaled_by(make):
    """The rates that steps one by one use, at the same learning rates."""
    lrs, used = [0.1, 0.2, 0.05], []
    parameter = Tensor(np.ones(3, "float32"), requires_grad=True)
    optimizer = make([parameter], lr=0.1)
    update = optimizer._update
    optimizer._update = lambda values, gradients, state, scales, group: (
        used.append(scales) or update(values, gradients, state, scales, group)
    )
    plan = make([Tensor(np.ones(3, "float32"), requires_grad=True)], lr=0.1).plan(lrs)
    for lr in lrs:
        optimizer.zero_grad()
        parameter.sum().backward()
        optimizer.lr = lr
        optimizer.step()
    assert np.array_equal(plan, np.array(used)[:, None])


def test_steps_of_a_plan_are_counted_for_those_that_have_a_gradient():
    moved, still = (Tensor(np.ones(3, "float32"), requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([moved, still])
    moved.sum().backward()
    optimizer.count(5)
    assert optimizer.param_groups[0]["steps"] == [5, 0]
    optimizer.plan([0.1])  # of the one that takes part
    still.sum().backward()
    with pytest.raises(InputError, match=r"made \[0, 5\] steps.* a group of their own"):
        optimizer.plan([0.1])


def test_a_plan_goes_on_from_loaded_counts_where_a_parameter_never_took_part():
    """Nothing has a gradient yet then: those that made steps will go on, as they would step by step."""
    still, moved = (Tensor(np.ones(3, "float32"), requires_grad=True) for _ in range(2))
    optimizer = optim.Adam([still, moved], lr=0.1)
    optimizer.load_state(optimizer.state_arrays(), {"0.0.steps": 0, "0.1.steps": 5})
    fresh = optim.Adam([Tensor(np.ones(3, "float32"), requires_grad=True)], lr=0.1)
    assert np.array_equal(optimizer.plan([0.1])[0], fresh.plan([0.1] * 6)[5])
