"""Random options and shapes: many steps are PyTorch's, in float64."""

import numpy as np
import pytest

from gpucnn import Tensor, nn, optim

CONFIGURATIONS, STEPS = 200, 8
FEWER = 20  # where the emulated GPU computes


def options_of(name: str, rng: np.random.Generator) -> dict:
    """Random options of an optimizer."""
    common = {"lr": float(rng.uniform(0.001, 0.2)), "weight_decay": float(rng.choice([0, 0.01, 0.3]))}
    momentum = float(rng.choice([0, 0.5, 0.95]))
    if name == "SGD":
        return {**common, "momentum": momentum, "nesterov": momentum > 0 and bool(rng.integers(2))}
    if name == "RMSprop":
        more = {"alpha": float(rng.uniform(0.5, 0.99)), "centered": bool(rng.integers(2))}
        return {**common, **more, "momentum": momentum, "eps": float(10 ** rng.uniform(-4, -2))}
    if name == "Muon":
        rule = [None, "original", "match_rms_adamw"][rng.integers(3)]
        more = {"nesterov": bool(rng.integers(2)), "ns_steps": int(rng.integers(1, 7)), "adjust_lr_fn": rule}
        return {**common, **more, "momentum": momentum, "eps": float(10 ** rng.uniform(-9, 0))}
    betas = (float(rng.uniform(0, 0.99)), float(rng.uniform(0, 0.999)))
    return {**common, "betas": betas, "eps": float(10 ** rng.uniform(-8, -2))}


def shapes_of(name: str, rng: np.random.Generator) -> list[tuple[int, ...]]:
    """Random shapes of parameters: of weights, of biases too unless they are Muon's."""
    axes = rng.choice([2, 3, 4, 5] if name == "Muon" else [0, 1, 2, 4, 5], size=rng.integers(1, 4))
    return [tuple(map(int, rng.integers(1, 7 if count < 4 else 4, size=count))) for count in axes]


def as_given(name: str, array: np.ndarray) -> np.ndarray:
    """What PyTorch gets: its Muon takes matrices alone, of O rows."""
    return array.reshape(len(array), -1) if name == "Muon" else array


@pytest.fixture
def in_float64(torch, monkeypatch):
    """PyTorch's Muon rounds to bfloat16 in between; here it computes in the parameters' own type."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda tensor: tensor.clone())


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Muon"])
def test_steps_are_pytorchs_whatever_the_options(torch, in_float64, device, name):
    for seed in range(FEWER if device.kind == "cuda" else CONFIGURATIONS):
        rng = np.random.default_rng(seed)
        options, arrays = options_of(name, rng), [rng.standard_normal(shape) for shape in shapes_of(name, rng)]
        ours = [nn.Parameter(array) for array in arrays]
        theirs = [torch.nn.Parameter(torch.tensor(as_given(name, array))) for array in arrays]
        optimizers = getattr(optim, name)(ours, **options), getattr(torch.optim, name)(theirs, **options)
        for _ in range(STEPS):
            for parameter, other in zip(ours, theirs, strict=True):
                gradient = rng.standard_normal(parameter.shape)
                parameter.grad, other.grad = Tensor(gradient), torch.tensor(as_given(name, gradient))
            for optimizer in optimizers:
                optimizer.step()
        for parameter, other in zip(ours, theirs, strict=True):
            found = as_given(name, parameter.numpy())
            np.testing.assert_allclose(found, other.detach(), rtol=1e-8, atol=1e-9, err_msg=f"{seed}: {options}")


def test_muon_is_pytorchs_up_to_the_rounding_of_bfloat16(torch, device, rng):
    weight = rng.standard_normal((20, 30))
    ours, theirs = nn.Parameter(weight), torch.nn.Parameter(torch.tensor(weight))
    pair = optim.Muon([ours], lr=0.1), torch.optim.Muon([theirs], lr=0.1)
    gradient = rng.standard_normal((20, 30))
    ours.grad, theirs.grad = Tensor(gradient), torch.tensor(gradient)
    for optimizer in pair:
        optimizer.step()
    moved = np.linalg.norm(theirs.detach().numpy() - weight)
    assert np.linalg.norm(ours.numpy() - theirs.detach().numpy()) < 0.02 * moved


def test_muons_other_parameters_are_adamws(torch, device, rng):
    arrays = [rng.standard_normal(shape) for shape in [(4, 3), (4,), (2, 4, 3, 3), (2,), ()]]
    ours = [nn.Parameter(array) for array in arrays]
    theirs = [torch.nn.Parameter(torch.tensor(array)) for array in arrays if array.ndim < 2]
    optimizer = optim.Muon(ours, lr=0.02, weight_decay=0.05, adamw_lr=0.01)
    judge = torch.optim.AdamW(theirs, lr=0.01, betas=(0.9, 0.95), eps=1e-7, weight_decay=0.05)
    for step in range(20):
        optimizer.lr, judge.param_groups[0]["lr"] = 0.02 / (1 + step), 0.01 / (1 + step)
        gradients = [rng.standard_normal(array.shape) for array in arrays]
        for parameter, gradient in zip(ours, gradients, strict=True):
            parameter.grad = Tensor(gradient)
        for parameter, gradient in zip(theirs, (g for g in gradients if g.ndim < 2), strict=True):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        judge.step()
    for found, expected in zip((p for p in ours if p.ndim < 2), theirs, strict=True):
        np.testing.assert_allclose(found.numpy(), expected.detach(), rtol=1e-10, atol=1e-12)


def test_muons_update_is_nearly_orthogonal(device, rng):
    """All singular values of the step, per learning rate, are near 1, whatever those of the gradient are."""
    weight = nn.Parameter(np.zeros((16, 3, 3, 3)))
    optimizer = optim.Muon([weight], lr=1.0)
    scales = np.logspace(-1, 1, 16)[:, None]
    weight.grad = Tensor((scales * rng.standard_normal((16, 27))).reshape(16, 3, 3, 3))
    optimizer.step()
    values = np.linalg.svd(weight.numpy().reshape(16, 27), compute_uv=False)
    assert values.min() > 0.5 and values.max() < 1.3


def test_muons_groups_are_split_by_what_is_a_matrix():
    matrix, bias, head = (nn.Parameter(np.ones(shape)) for shape in [(2, 3), (2,), (3, 2)])
    groups = [{"params": [matrix, bias], "lr": 0.1}, {"params": [head], "use_muon": False, "lr": 0.003}]
    optimizer = optim.Muon(groups, lr=0.2, adamw_lr=0.01)
    assert [(len(g["params"]), g["use_muon"], g["lr"]) for g in optimizer.param_groups] == [
        (1, True, 0.1),
        (1, False, 0.005),  # half the common rate, as the matrix beside it
        (1, False, 0.003),
    ]
