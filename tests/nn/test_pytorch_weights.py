"""Weights saved by PyTorch load unmapped, and back; outputs and gradients agree."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from tests.judges import TOLERANCES

pytestmark = pytest.mark.usefixtures("device")


def lenet(nn):
    """Written once, for PyTorch's nn and ours."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding="same", bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 10),
    )


def many_layers(nn):
    return nn.Sequential(
        nn.ZeroPad2d((1, 0, 2, 1)),
        nn.Conv2d(1, 8, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.BatchNorm2d(8),
        nn.LeakyReLU(0.2),
        nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(8, 8, 3, groups=4), nn.Tanh()),
        nn.AvgPool2d(3, 2, 1, True, False),
        nn.ReflectionPad2d((2, 1, 0, 1)),
        nn.Conv2d(8, 4, 1),
        nn.BatchNorm2d(4, 1e-3, 0.3, affine=False),
        nn.MaxPool2d(3, 2, 1, 1, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(4 * 6 * 9, 12),
        nn.BatchNorm1d(12),
        nn.Sigmoid(),
        nn.Linear(12, 10, bias=False),
        nn.LogSoftmax(1),
    )


def one_and_three_dimensions(nn):
    """Images as lines of channels and back are views."""
    return nn.Sequential(nn.Conv1d(28, 6, 3, 2, 1), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(), nn.Linear(84, 10))


NETWORKS = {"lenet": lenet, "many layers": many_layers, "one dimension": one_and_three_dimensions}


@pytest.fixture(params=NETWORKS)
def pair(request, torch):
    """The same network twice, with PyTorch's weights in both, and its input."""
    torch.manual_seed(0)
    theirs, ours = NETWORKS[request.param](torch.nn), NETWORKS[request.param](nn)
    for statistics in theirs.buffers():
        if statistics.is_floating_point():
            statistics.uniform_(0.5, 1.5)
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    shape = (4, 28, 28) if request.param == "one dimension" else (4, 1, 28, 28)
    return ours, theirs, np.random.default_rng(0).standard_normal(shape).astype("float32")


def assert_same_state(ours, theirs) -> None:
    """The same names in the same order, with the same arrays."""
    found, expected = ours.state_dict(), theirs.state_dict()
    assert list(found) == list(expected)
    for name, array in found.items():
        assert array.dtype == expected[name].numpy().dtype, name
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_names_layouts_and_dtypes_are_pytorchs(pair):
    ours, theirs, _ = pair
    assert_same_state(ours, theirs)
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]


def test_outputs_agree_in_evaluation(pair, torch):
    ours, theirs, x = pair
    expected = theirs.eval()(torch.tensor(x)).detach()
    rtol, atol = TOLERANCES[x.dtype]
    np.testing.assert_allclose(ours.eval()(Tensor(x)).numpy(), expected, rtol, atol)


def test_a_training_pass_agrees_with_gradients_and_running_statistics(pair, torch):
    ours, theirs, x = pair
    labels = np.array([3, 1, 4, 1])
    F.cross_entropy(ours(Tensor(x)), labels).backward()
    torch.nn.functional.cross_entropy(theirs(torch.tensor(x)), torch.tensor(labels)).backward()
    for (name, mine), yours in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(mine.grad.numpy(), yours.grad, rtol=1e-4, atol=1e-5, err_msg=name)
    assert_same_state(ours, theirs)


def test_weights_go_back_to_pytorch(pair, torch):
    ours, theirs, x = pair
    for parameter in ours.parameters():
        parameter.data *= 1.5
    theirs.load_state_dict({name: torch.tensor(array) for name, array in ours.state_dict().items()})
    assert_same_state(ours, theirs)


def test_pytorchs_tensors_load_as_they_are(torch):
    theirs, ours = torch.nn.Linear(3, 2), nn.Linear(3, 2)
    ours.load_state_dict({name: tensor.detach() for name, tensor in theirs.state_dict().items()})
    assert_same_state(ours, theirs)


def test_num_batches_tracked_counts(torch):
    ours = nn.BatchNorm2d(3)
    assert ours.state_dict()["num_batches_tracked"].dtype == np.int64
    for _ in range(3):
        ours(Tensor(np.random.default_rng(0).random((4, 3, 2, 2), np.float32)))
    ours.eval()(Tensor(np.zeros((4, 3, 2, 2), np.float32)))
    assert ours.state_dict()["num_batches_tracked"] == 3


def test_a_module_used_twice_has_both_names(torch):
    def twice(nn):
        layer = nn.Linear(3, 3)
        return nn.Sequential(layer, nn.ReLU(), layer)

    ours, theirs = twice(nn), twice(torch.nn)
    ours.load_state_dict({name: tensor.numpy() for name, tensor in theirs.state_dict().items()})
    assert_same_state(ours, theirs)
