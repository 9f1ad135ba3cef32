"""A network captured for inference: what it returns is what the network returns, whatever changes meanwhile."""

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.kernels import dispatch

pytestmark = pytest.mark.skipif(dispatch.chosen() == "numpy", reason="programs are of the C kernels")


@pytest.fixture
def net():
    gpucnn.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(36, 3),
    ).eval()


def images(n=5, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 1, 8, 8)).astype(np.float32)


def same(net, captured, x):
    with gpucnn.no_grad():
        expected = net(gpucnn.Tensor(x)).numpy()
    result = captured(x)
    np.testing.assert_array_equal(result.numpy(), expected)
    np.testing.assert_array_equal(captured(gpucnn.Tensor(x).to_batch_last()).numpy(), expected)
    assert not result.requires_grad and captured.programs
    return result


def test_it_returns_what_the_network_returns(net):
    captured = gpucnn.capture(net, images())
    first = same(net, captured, images())
    kept = first.numpy().copy()
    for n in (5, 1, 3, 64, 2, 7, 5):
        same(net, captured, images(n, seed=n))
    np.testing.assert_array_equal(first.numpy(), kept)  # a result has memory of its own


def test_weights_that_change_in_place_are_seen(net):
    captured = gpucnn.capture(net, images())
    before = captured(images()).numpy()
    net[6].weight.memory[...] += 1
    net[1].running_mean.memory[...] = 0.5
    assert (same(net, captured, images()).numpy() != before).any()


def replace_array(net):
    net[6].weight.memory = net[6].weight.memory * 2


def replace_parameter(net):
    net[0].weight = nn.Parameter(np.ones((4, 1, 3, 3), np.float32))


def replace_layer(net):
    net[2] = nn.Tanh()


def append_layer(net):
    net.append(nn.Linear(3, 2))


def change_option(net):
    net[1].eps = 0.5


CHANGES = (replace_array, replace_parameter, replace_layer, append_layer, change_option)


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_replaced_is_captured_anew(net, change):
    captured = gpucnn.capture(net, images())
    before = captured(images()).numpy()
    change(net)
    after = same(net, captured, images()).numpy()
    assert before.shape != after.shape or (before != after).any()


def test_the_mode_is_the_networks(net):
    captured = gpucnn.capture(net, images())
    fixed = captured(images()).numpy()
    net.train()
    mean = net[1].running_mean.numpy().copy()
    before, batches = captured.programs, net[1].num_batches_tracked.item()
    assert (captured(images()).numpy() != fixed).any()
    assert (captured(images()).numpy() != captured(images()).numpy()).any()  # dropout draws each time
    assert (net[1].running_mean.numpy() != mean).any()
    assert before and captured.programs and net[1].num_batches_tracked.item() == batches + 3  # one a call


def test_a_network_with_code_of_the_users_is_called(net):
    seen = []
    captured = gpucnn.capture(net, images())
    handle = net[2].register_forward_hook(lambda module, inputs, output: seen.append(1))
    captured(images())
    captured(images())
    assert seen == [1, 1] and not captured.programs
    handle.remove()
    same(net, captured, images())


def test_what_kernels_do_not_compute_is_called():
    net = nn.Sequential(nn.ReflectionPad2d(1), nn.Flatten(), nn.Linear(100, 3)).eval()
    captured = gpucnn.capture(net, images())
    with gpucnn.no_grad():
        np.testing.assert_array_equal(captured(images()).numpy(), net(gpucnn.Tensor(images())).numpy())
    assert not captured.programs


def test_an_input_that_does_not_fit_is_told(net):
    captured = gpucnn.capture(net, images())
    with pytest.raises(gpucnn.errors.ShapeError, match=r"layer 0 \(conv2d\)"):
        captured(np.zeros((2, 3, 8, 8), np.float32))
    same(net, captured, images())


def test_on_a_gpu_it_is_a_graph_that_sees_changed_weights(emulated):
    gpucnn.manual_seed(0)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    net = nn.Sequential(*layers).eval()
    captured, x = gpucnn.capture(net, images()), images()
    kept = captured(x)
    before = kept.numpy().copy()
    for run in range(6):
        with gpucnn.no_grad():
            expected = net(gpucnn.Tensor(x)).numpy()
        np.testing.assert_array_equal(captured(x).numpy(), expected)
        if run == 4:
            net[0].weight.memory *= 2  # in place, behind the graph's back
            x = images(seed=1)
    assert captured.programs == 1
    np.testing.assert_array_equal(kept.numpy(), before)  # a result has memory of its own
