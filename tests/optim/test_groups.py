"""Optimizers as PyTorch's users take them: state dictionaries either library loads, groups added later."""

import numpy as np
import pytest

from gpucnn import InputError, Tensor, nn, optim
from gpucnn import functional as F
from gpucnn.errors import CheckpointError
from tests.judges import close

RULES = [("SGD", {"lr": 0.1, "momentum": 0.9}), ("SGD", {"lr": 0.1}), ("Adam", {"lr": 0.01}), ("AdamW", {"lr": 0.01})]
X = np.random.default_rng(0).standard_normal((8, 3)).astype("f4")


def ours_after(steps, net, optimizer):
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(net(Tensor(X)), X[:, :2]).backward()
        optimizer.step()


def theirs_after(torch, steps, net, optimizer):
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(net(torch.tensor(X)), torch.tensor(X[:, :2])).backward()
        optimizer.step()


@pytest.mark.parametrize(("rule", "options"), RULES)
def test_a_state_goes_from_pytorch_and_back(torch, rule, options):
    theirs = torch.nn.Linear(3, 2)
    their_optimizer = getattr(torch.optim, rule)(theirs.parameters(), **options)
    theirs_after(torch, 3, theirs, their_optimizer)
    ours = nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    optimizer = getattr(optim, rule)(ours.parameters(), **{**options, "lr": 5.0})
    optimizer.load_state_dict(their_optimizer.state_dict())
    assert optimizer.param_groups[0]["lr"] == options["lr"]
    ours_after(3, ours, optimizer)
    theirs_after(torch, 3, theirs, their_optimizer)
    close(ours.weight.numpy(), theirs.weight.detach().numpy())
    state = optimizer.state_dict()
    back = {number: {k: torch.tensor(v) for k, v in each.items()} for number, each in state["state"].items()}
    their_optimizer.load_state_dict({"state": back, "param_groups": [
        {**their_optimizer.param_groups[0], "params": state["param_groups"][0]["params"]}]})  # fmt: skip
    ours_after(3, ours, optimizer)
    theirs_after(torch, 3, theirs, their_optimizer)
    close(ours.weight.numpy(), theirs.weight.detach().numpy())


def test_a_state_of_other_parameters_is_refused():
    optimizer = optim.Adam(nn.Linear(3, 2).parameters())
    with pytest.raises(CheckpointError, match=r"groups of \[1\]"):
        optimizer.load_state_dict(optim.Adam([nn.Parameter(np.ones(2, "f4"))]).state_dict())
    with pytest.raises(CheckpointError, match=r"mean of parameter 0 has shape \(2, 4\); expected \(2, 3\)"):
        optimizer.load_state_dict(optim.Adam(nn.Linear(4, 2).parameters()).state_dict())


@pytest.mark.parametrize(("rule", "options"), RULES)
def test_a_group_added_later_is_trained_with_its_options(torch, rule, options):
    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    optimizer = getattr(optim, rule)([ours.weight], **options)
    their_optimizer = getattr(torch.optim, rule)([theirs.weight], **options)
    ours_after(2, ours, optimizer)
    theirs_after(torch, 2, theirs, their_optimizer)
    optimizer.add_param_group({"params": ours.bias, "lr": 0.5})
    their_optimizer.add_param_group({"params": theirs.bias, "lr": 0.5})
    ours.zero_grad()
    theirs.zero_grad()
    ours_after(3, ours, optimizer)
    theirs_after(torch, 3, theirs, their_optimizer)
    close(ours.weight.numpy(), theirs.weight.detach().numpy())
    close(ours.bias.numpy(), theirs.bias.detach().numpy())
    with pytest.raises(InputError, match="twice"):
        optimizer.add_param_group({"params": [ours.bias]})


def test_what_cannot_be_trained_is_named():
    with pytest.raises(InputError, match="ndarray"):
        optim.SGD([X], lr=1.0)
    with pytest.raises(TypeError):
        optim.SGD([nn.Parameter(X)], 0.1, 0.9, 0.0, 1e-4)  # PyTorch's dampening, then decay: not another option
