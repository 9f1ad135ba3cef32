"""Clipping: the norm after is the norm asked for; PyTorch's numbers; its errors."""

import numpy as np
import pytest

from gpucnn import Tensor, nn, optim
from gpucnn.backend import module_of
from gpucnn.errors import InputError

pytestmark = pytest.mark.usefixtures("device")


def parameters_with(*gradients: np.ndarray) -> list[nn.Parameter]:
    parameters = [nn.Parameter(np.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        (parameter * Tensor(gradient)).sum().backward()
    return parameters


def norm(parameters) -> float:
    return np.sqrt(sum((p.grad.numpy().astype("float64") ** 2).sum() for p in parameters if p.grad is not None))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_an_optimizer", [False, True])
def test_clips_to_the_norm_over_all_parameters(dtype, in_an_optimizer, rng):
    """49.84 was seen in a peer after clipping to 1: it clipped each parameter, or none."""
    gradients = [50 * rng.standard_normal(shape).astype(dtype) for shape in [(6, 1, 5, 5), (6,), (10, 84)]]
    parameters = parameters_with(*gradients)
    if in_an_optimizer:
        optim.SGD(parameters, lr=0.1)
    before = norm(parameters)
    found = optim.clip_grad_norm_(parameters, 1.0)
    assert isinstance(found, float) and found == pytest.approx(before, rel=1e-5)
    assert norm(parameters) == pytest.approx(1.0, rel=1e-5)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        np.testing.assert_allclose(parameter.grad.numpy(), gradient / before, rtol=1e-4, atol=1e-7)


def test_a_smaller_norm_is_left_alone(rng):
    gradient = rng.standard_normal((3, 4))
    parameters = parameters_with(gradient)
    optim.clip_grad_norm_(parameters, 100.0)
    np.testing.assert_array_equal(parameters[0].grad.numpy(), gradient)


def test_the_clipped_gradient_is_the_one_that_moves():
    net = nn.Linear(3, 2, bias=False)
    optimizer, before = optim.SGD(net.parameters(), lr=1.0), net.weight.numpy()
    (net.weight * 1000).sum().backward()
    optim.clip_grad_norm_(net.parameters(), 5.0)
    optimizer.step()
    assert np.linalg.norm(net.weight.numpy() - before) == pytest.approx(5.0, rel=1e-4)


def test_agrees_with_pytorch(torch, rng):
    gradients = [rng.standard_normal(shape) for shape in [(3, 4), (5,)]]
    ours, theirs = parameters_with(*gradients), [torch.nn.Parameter(torch.zeros(g.shape)) for g in gradients]
    for parameter, gradient in zip(theirs, gradients, strict=True):
        parameter.grad = torch.tensor(gradient, dtype=torch.float32)
    for limit in (2.0, 0.5):
        expected = torch.nn.utils.clip_grad_norm_(theirs, limit)
        assert optim.clip_grad_norm_(ours, limit) == pytest.approx(expected.item(), rel=1e-5)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.grad.numpy(), b.grad, rtol=1e-5)


def test_the_norm_may_stay_on_its_device(rng):
    gradient = rng.standard_normal((3, 4)).astype("float32")
    norm = optim.clip_norm(parameters_with(gradient), 1.0)
    assert norm.shape == () and module_of(norm) is module_of(parameters_with(gradient)[0].grad.memory)
    assert float(norm) == pytest.approx(np.linalg.norm(gradient), rel=1e-6)
    assert optim.clip_norm([nn.Parameter(np.ones(2))], 1.0) is None


def test_parameters_without_gradient_do_not_count():
    idle, moved = nn.Parameter(np.ones(3)), parameters_with(np.array([3.0, 4.0]))
    assert optim.clip_grad_norm_([idle, *moved], 1.0) == pytest.approx(5.0)
    assert optim.clip_grad_norm_([idle], 1.0) == 0.0


def test_values_are_clipped_one_by_one(rng):
    gradient = 3 * rng.standard_normal((4, 5))
    parameters = [nn.Parameter(np.ones(2)), *parameters_with(gradient)]
    optim.clip_grad_value_(parameters, 1.5)
    np.testing.assert_array_equal(parameters[1].grad.numpy(), np.clip(gradient, -1.5, 1.5))


@pytest.mark.parametrize("clip", [optim.clip_grad_norm_, optim.clip_grad_value_])
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(clip, limit):
    with pytest.raises(InputError, match=f"{clip.__name__}.*{limit}"):
        clip([nn.Parameter(np.ones(1))], limit)
