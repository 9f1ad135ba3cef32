"""Dead and saturated units, and norms: held to loops and to gradients; the network is as before afterwards."""

import numpy as np
import pytest

from gpucnn import Tensor, nn, optim
from gpucnn.backend import to_device
from gpucnn.data.loader import Batch
from gpucnn.functional import cross_entropy
from gpucnn.training.health import SATURATED, SLOPES, copied_weights, norms, shares_of_units


def batch_of(images: np.ndarray) -> Batch:
    return Batch(np.ascontiguousarray(np.moveaxis(images, 0, -1)), np.zeros(len(images), np.int64))


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Residual(nn.Conv2d(6, 6, 1), nn.Tanh()), nn.Flatten(), nn.Linear(96, 8),
        nn.Sigmoid(), nn.Linear(8, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 3), nn.ScaledTanh(),
    )  # fmt: skip


def test_shares_of_units_are_those_of_loops(device, rng) -> None:
    net = network()
    net[0].bias.memory[...] = to_device(np.array([0, -9, 0, -9, -9, 0], np.float32))  # three channels are always 0
    net[7].train()
    images = rng.normal(size=(9, 1, 6, 6)).astype(np.float32)
    found = shares_of_units(net, batch_of(images))
    assert list(found) == ["1", "2.1", "5", "7", "10"]
    assert found["1"] == {"dead": 0.5}
    net.eval()
    outputs, x = {}, Tensor(images)
    for number, layer in enumerate(net):
        x = layer(x)
        outputs[str(number)] = x.numpy()
    dead = sum(all(outputs["7"][image, unit] == 0 for image in range(9)) for unit in range(5))
    assert found["7"]["dead"] == pytest.approx(dead / 5)
    few = sum(4 * float(y) * (1 - float(y)) < SATURATED for y in outputs["5"].ravel())
    assert found["5"]["saturated"] == pytest.approx(few / outputs["5"].size, abs=1e-5)
    inside = net[2][1](net[2][0](Tensor(outputs["1"]))).numpy()
    few = sum(1 - float(y) ** 2 < SATURATED for y in inside.ravel())
    assert found["2.1"]["saturated"] == pytest.approx(few / inside.size, abs=1e-5)


@pytest.mark.parametrize("kind", SLOPES)
def test_the_slopes_are_the_gradients(kind) -> None:
    x = Tensor(np.linspace(-6, 6, 401), requires_grad=True)
    y = nn.LAYERS[kind]()(x)
    y.sum().backward()
    np.testing.assert_allclose(SLOPES[kind](y.numpy()), x.grad.numpy() / x.grad.numpy().max(), atol=1e-12)


def test_norms_are_those_of_loops(device, rng) -> None:
    net = network()
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    before = copied_weights(net)
    for _ in range(2):
        optimizer.zero_grad()
        images = Tensor(rng.normal(size=(4, 1, 6, 6)).astype(np.float32))
        cross_entropy(net(images), np.array([0, 1, 2, 1])).backward()
        optimizer.step()
    found = norms(net, before, stepped=True)
    assert list(found) == ["0", "2.0", "4", "6", "9"]
    for name, figures in found.items():
        own = {key: value for key, value in net.named_parameters() if key.rpartition(".")[0] == name}
        assert len(own) == 2
        expected = {
            "weights": [value.numpy() for value in own.values()],
            "gradients": [value.grad.numpy() for value in own.values()],
            "updates": [value.numpy() - np.asarray(Tensor(before[key]).numpy()) for key, value in own.items()],
        }
        for what, arrays in expected.items():
            squares = sum(float(number) ** 2 for array in arrays for number in array.ravel())
            assert figures[what] == pytest.approx(squares**0.5, rel=1e-4), (name, what)


def test_what_is_not_known_is_none() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    net[0].weight.requires_grad = net[0].bias.requires_grad = False
    optim.SGD(net[1].parameters(), lr=0.1)
    assert norms(net, None, stepped=False)["1"] == {
        "weights": pytest.approx(norm_of(net[1])),
        "gradients": None,
        "updates": None,
    }
    assert norms(net, None, stepped=True)["0"]["gradients"] is None
    net[1].weight.memory[0, 0] = np.nan
    assert norms(net, None, stepped=True)["1"] == {"weights": None, "gradients": 0.0, "updates": None}


def norm_of(layer: nn.Module) -> float:
    return float(f"{np.sqrt(sum((each.numpy().astype(float) ** 2).sum() for each in layer.parameters())):.5g}")


def test_a_network_is_as_before(rng) -> None:
    net = network().train()
    net[3].eval()
    modes = [module.training for module in net.modules()]
    names = [sorted(vars(module)) for module in net.modules()]
    shares_of_units(net, batch_of(rng.normal(size=(2, 1, 6, 6)).astype(np.float32)))
    assert [module.training for module in net.modules()] == modes
    assert [sorted(vars(module)) for module in net.modules()] == names
