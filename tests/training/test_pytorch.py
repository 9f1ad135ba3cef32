"""PyTorch's weights by one call, from memory or a file, in half precision too; and back."""

import sys

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.errors import CheckpointError, InputError


def network(nn):
    """Written once, for PyTorch's nn and ours."""
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))


@pytest.fixture
def images(rng):
    return rng.standard_normal((5, 1, 6, 6)).astype(np.float32)


def answers(theirs, torch, images):
    with torch.no_grad():
        return theirs.eval()(torch.from_numpy(images)).numpy()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("by", ["memory", "a file"])
def test_pytorchs_weights_of_any_precision_are_taken(torch, images, tmp_path, dtype, by):
    import safetensors.torch

    theirs = network(torch.nn).to(getattr(torch, dtype))
    state = theirs.state_dict()
    if by == "a file":
        safetensors.torch.save_file(state, tmp_path / "theirs.safetensors")
        state = str(tmp_path / "theirs.safetensors")
    ours = gpucnn.load_state_dict(network(nn), state).eval()
    assert ours[0].weight.dtype == np.float32
    for name, value in theirs.state_dict().items():  # exactly: float32 holds every number of half precision
        np.testing.assert_array_equal(ours.state_dict()[name], value.to(torch.float32).numpy(), err_msg=name)
    np.testing.assert_allclose(
        ours(gpucnn.Tensor(images)).numpy(), answers(theirs.float(), torch, images), rtol=1e-4, atol=1e-5
    )
    wide = gpucnn.load_state_dict(network(nn).astype("float64"), state)
    np.testing.assert_array_equal(wide[4].weight.numpy(), theirs[4].weight.detach().double().numpy())


def test_ours_go_to_pytorch_by_one_call(torch, images):
    ours, theirs = network(nn), network(torch.nn)
    theirs.load_state_dict(gpucnn.torch_state_dict(ours))
    np.testing.assert_allclose(
        ours.eval()(gpucnn.Tensor(images)).numpy(), answers(theirs, torch, images), rtol=1e-5, atol=1e-6
    )
    before = ours[0].weight.numpy()
    with torch.no_grad():
        theirs[0].weight += 1
    np.testing.assert_array_equal(ours[0].weight.numpy(), before)  # copies


def test_differences_are_named_and_nothing_is_changed(torch, tmp_path):
    import safetensors.torch

    ours, theirs = (
        nn.Sequential(nn.Conv2d(1, 3, 3)),
        torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, bias=False)).bfloat16(),
    )
    before = ours.state_dict()
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    for state in (theirs.state_dict(), tmp_path / "theirs.safetensors"):
        with pytest.raises(CheckpointError, match=r"0\.bias") as error:
            gpucnn.load_state_dict(ours, state)
        assert "0.weight has shape (4, 1, 3, 3)" in str(error.value)
    for name, value in before.items():
        np.testing.assert_array_equal(ours.state_dict()[name], value)
    with pytest.raises(InputError, match=r"was given Linear; expected a state_dict\(\) or the path"):
        gpucnn.load_state_dict(ours, torch.nn.Linear(1, 1))


def test_without_pytorch_it_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="torch_state_dict needs PyTorch .*; pip install torch"):
        gpucnn.torch_state_dict(nn.Linear(1, 1))
