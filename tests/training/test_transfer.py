"""Weights taken from a file of another network: which layers fit, by name, and which do not."""

import itertools

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.errors import CheckpointError
from gpucnn.training import save_weights
from gpucnn.training.transfer import last_layer, matched, transfer_weights


def lenet(classes=10, width=6, extra=()):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, width, 3),
        *extra,
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(width * 16, 8),
        nn.Linear(8, classes),
    )


def same(own, other, name, theirs=None):
    return np.array_equal(own.state_dict()[name], other.state_dict()[theirs or name])


def test_another_number_of_classes_takes_all_but_the_last_layer(tmp_path):
    old, new = lenet(10), lenet(3)
    before = new.state_dict()
    save_weights(tmp_path / "old.safetensors", old.state_dict())
    told = transfer_weights(tmp_path / "old.safetensors", new)
    assert told.taken == {name: name for name in before if not name.startswith("6.")}
    assert told.new == {"6.weight": (3, 8), "6.bias": (3,)}
    assert told.left == {"6.bias": (10,), "6.weight": (10, 8)}
    assert all(same(new, old, name) for name in told.taken)
    assert all(np.array_equal(new.state_dict()[name], before[name]) for name in told.new)
    assert str(told).splitlines() == [
        "  taken: 0.weight, 0.bias, 2.weight, 2.bias, 5.weight, 5.bias",
        "  drawn anew: 6.weight (3, 8), 6.bias (3,)",
        "  left there: 6.bias (10,), 6.weight (10, 8)",
    ]


def test_a_grown_network_takes_its_layers_under_their_new_names(tmp_path):
    old, new = lenet(), lenet(extra=(nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1)))
    save_weights(tmp_path / "old.safetensors", old.state_dict())
    told = transfer_weights(tmp_path / "old.safetensors", new)
    assert {own: theirs for own, theirs in told.taken.items() if own != theirs} == {
        "8.weight": "5.weight",
        "8.bias": "5.bias",
        "9.weight": "6.weight",
        "9.bias": "6.bias",
    }
    assert all(same(new, old, own, theirs) for own, theirs in told.taken.items())
    assert {name.partition(".")[0] for name in told.new} == {"3", "5"} and not told.left
    assert "5.weight as 8.weight" in str(told)


def test_a_layer_that_is_to_be_drawn_anew_takes_nothing(tmp_path):
    old, new = lenet(), lenet()
    before = new.state_dict()
    save_weights(tmp_path / "old.safetensors", old.state_dict())
    told = transfer_weights(tmp_path / "old.safetensors", new, [last_layer(new)])
    assert set(told.new) == set(told.left) == {"6.weight", "6.bias"}
    assert np.array_equal(new.state_dict()["6.weight"], before["6.weight"]) and same(new, old, "5.weight")
    save_weights(tmp_path / "one.safetensors", nn.Sequential(nn.Linear(3, 2)).state_dict())
    with pytest.raises(CheckpointError, match="no layer fits but 0, which is to be drawn anew"):
        transfer_weights(tmp_path / "one.safetensors", nn.Sequential(nn.Linear(3, 2)), ["0"])


def test_the_same_network_takes_everything(tmp_path):
    old, new = lenet(), lenet()
    save_weights(tmp_path / "old.safetensors", old.state_dict())
    told = transfer_weights(tmp_path / "old.safetensors", new)
    assert not told.new and not told.left and len(str(told).splitlines()) == 1
    assert all(same(new, old, name) for name in new.state_dict())


def test_a_network_of_which_nothing_fits_is_refused_and_unchanged(tmp_path):
    new = nn.Sequential(nn.Linear(5, 2))
    before = new.state_dict()
    save_weights(tmp_path / "old.safetensors", lenet().state_dict())
    with pytest.raises(CheckpointError, match="does not fit this network: .*0.weight has shape"):
        transfer_weights(tmp_path / "old.safetensors", new)
    assert all(np.array_equal(array, before[name]) for name, array in new.state_dict().items())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_pytorchs_weights_under_names_of_its_own(tmp_path, torch, dtype):
    import safetensors.torch  # which needs PyTorch

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 6, 3)
            self.fc1, self.fc2 = torch.nn.Linear(96, 8), torch.nn.Linear(8, 7)

    theirs = Net().to(getattr(torch, dtype))
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "net.safetensors")
    new = lenet(10)
    told = transfer_weights(tmp_path / "net.safetensors", new)
    assert told.taken["0.weight"] == "conv1.weight" and told.taken["5.bias"] == "fc1.bias"
    assert set(told.left) == {"fc2.weight", "fc2.bias"}
    expected = theirs.conv2.weight.detach().float().numpy()
    np.testing.assert_array_equal(new.state_dict()["2.weight"], expected)


def by_trying_all(ours, others):
    """The most layers that can be paired in order, and the most names alike among such pairings."""
    best = (0, 0)
    for count in range(min(len(ours), len(others)) + 1):
        for mine, theirs in itertools.product(
            itertools.combinations(ours, count), itertools.combinations(others, count)
        ):
            if all(ours[one] == others[other] for one, other in zip(mine, theirs, strict=True)):
                best = max(best, (count, sum(one == other for one, other in zip(mine, theirs, strict=True))))
    return best


def test_no_pairing_in_order_takes_more(rng):
    for _ in range(150):
        sizes = [{str(name): int(rng.integers(1, 4)) for name in range(rng.integers(1, 6))} for _ in range(2)]
        own = {f"{name}.weight": np.zeros((size,), np.float32) for name, size in sizes[0].items()}
        theirs = {f"{name}.weight": ((size,), "F32") for name, size in sizes[1].items()}
        pairs = matched(own, theirs)
        assert list(pairs.values()) == sorted(pairs.values())
        assert all(own[one].shape == theirs[other][0] for one, other in pairs.items())
        alike = sum(one == other for one, other in pairs.items())
        assert (len(pairs), alike) == by_trying_all(*sizes)


def test_names_are_ordered_by_their_numbers(tmp_path):
    layers = [nn.Linear(3, 3) for _ in range(12)]
    old = nn.Sequential(*layers)
    save_weights(tmp_path / "old.safetensors", old.state_dict())
    new = nn.Sequential(*[nn.Linear(3, 3) for _ in range(12)])
    assert transfer_weights(tmp_path / "old.safetensors", new).taken == {name: name for name in old.state_dict()}


def test_a_checkpoint_gives_the_networks_weights(tmp_path):
    net = lenet(3)
    trainer = gpucnn.Trainer(net, gpucnn.optim.SGD(net.parameters(), 0.1))
    gpucnn.save(trainer, tmp_path / "trainer.safetensors")
    new = lenet(5)
    assert len(transfer_weights(tmp_path / "trainer.safetensors", new).taken) == 6
    assert same(new, net, "5.weight")
