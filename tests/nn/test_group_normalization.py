"""Group, instance and layer normalisation as layers: PyTorch's weights and statistics; errors in words."""

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn import functional as F
from gpucnn.errors import ShapeError
from tests.judges import close

pytestmark = pytest.mark.usefixtures("device")


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_running_statistics_are_pytorchs(torch, axes, affine, rng):
    sizes = (5, 4, 3)[:axes]
    ours = getattr(nn, f"InstanceNorm{axes}d")(3, 1e-3, 0.3, affine, True)
    theirs = getattr(torch.nn, f"InstanceNorm{axes}d")(3, 1e-3, 0.3, affine, True)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        x = rng.standard_normal((4, 3, *sizes)).astype("float32") * 2 + 1
        close(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy())
        for name, value in theirs.state_dict().items():
            close(ours.state_dict()[name].astype("float64"), value.double().numpy().round(6), name, 1e6)


def test_weights_are_pytorchs(torch, rng):
    x = rng.standard_normal((4, 6, 5)).astype("float32")
    for ours, theirs in [
        (nn.GroupNorm(3, 6, 1e-3), torch.nn.GroupNorm(3, 6, 1e-3)),
        (nn.LayerNorm((6, 5)), torch.nn.LayerNorm((6, 5))),
        (nn.LayerNorm(5, bias=False), torch.nn.LayerNorm(5, bias=False)),
        (nn.LayerNorm(5, 1e-3, False), torch.nn.LayerNorm(5, 1e-3, False)),
    ]:
        state = {name: rng.standard_normal(value.shape).astype("f") for name, value in theirs.state_dict().items()}
        ours.load_state_dict(state)
        theirs.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        close(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy())


def test_a_frozen_layer_keeps_its_statistics(rng):
    layer = nn.InstanceNorm1d(3, track_running_stats=True)
    layer.frozen = True
    x = Tensor(rng.standard_normal((4, 3, 5)).astype("float32"))
    close(layer(x).numpy(), layer.eval()(x).numpy())
    assert not layer.running_mean.numpy().any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: F.group_norm(x, 3), "num_groups is 3, which does not divide the 4 channels"),
        (lambda x: F.group_norm(x, 2, Tensor(np.ones(3))), "weight has shape .3,.*num_channels=4"),
        (lambda x: F.layer_norm(x, (4, 3)), "does not end in normalized_shape"),
        (lambda x: F.layer_norm(x, (5,), Tensor(np.ones(3))), "weight has shape .3,"),
        (lambda x: F.layer_norm(x, ()), "does not end in"),
        (lambda x: F.instance_norm(x[:, :, :1]), "each channel of an image has one value"),
        (lambda x: nn.InstanceNorm2d(4)(x), "expected 3 axes beside the images"),
        (lambda x: nn.GroupNorm(5, 8), "num_groups is 5, which does not divide the 8"),
        (lambda x: nn.GroupNorm(2, 8).output_shape((4, 5)), "expected 8. Give num_channels=4"),
        (lambda x: nn.LayerNorm(7).output_shape((4, 5)), "does not end in normalized_shape"),
    ],
)
def test_what_does_not_fit_is_told(call, words):
    with pytest.raises(ShapeError, match=words):
        call(Tensor(np.ones((2, 4, 5))))
