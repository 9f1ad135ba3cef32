"""Compiled optimizer steps and clipping against the reference, over several steps and any length."""

import numpy as np
import pytest

from gpucnn import backend
from gpucnn.kernels.cuda import kernels as cuda_kernels
from gpucnn.kernels.cuda import program
from gpucnn.kernels.interface import AdamOptions, RMSpropOptions, StepScales
from gpucnn.kernels.numpy import kernels as reference

STEPS = {
    "sgd": (0, lambda count: (StepScales(0.1 / count), 0.01)),
    "momentum": (1, lambda count: (StepScales(0.1 / count), 0.9, 0.01)),
    "nesterov": (1, lambda count: (StepScales(0.1), 0.9, 0.0)),
    "adam": (
        2,
        lambda count: (StepScales(0.01 * count, 1 / count, 1 - 0.01 * count), AdamOptions((0.9, 0.999), 1e-6, 0.01)),
    ),
    "rmsprop": (3, lambda count: (StepScales(0.1 / count), RMSpropOptions(0.9, 0.1, 0.9, 0.01, False))),
    "rmsprop, centred": (3, lambda count: (StepScales(0.1), RMSpropOptions(0.9, 0.1, 0.0, 0.0, True))),
}


def step_of(update, name):
    """The kernel as a function of parameters, gradient, arrays that are kept, scales and options."""
    if name.startswith("rmsprop"):
        return lambda p, g, *rest: update.rmsprop(p, g, rest[:3], *rest[3:])
    return getattr(update, name)


def trained(update, name, length, dtype):
    """Parameters and state after five steps."""
    rng = np.random.default_rng(length)
    slots, arguments = STEPS[name]
    arrays = [rng.standard_normal(length).astype(dtype), *(np.zeros(length, dtype) for _ in range(slots))]
    for count in range(1, 6):
        gradient = rng.standard_normal(length).astype(dtype)
        before = gradient.copy()
        step_of(update, name)(arrays[0], gradient, *arrays[1:], *arguments(count))
        assert np.array_equal(gradient, before)
    return arrays


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 5, 16, 61, 8192, 61_706, 150_001])
def test_steps_are_the_references(compiled, name, length, dtype):
    found, expected = (trained(kernels.update, name, length, dtype) for kernels in (compiled, reference))
    tolerance = 20 * np.finfo(dtype).eps  # several roundings in each of five steps
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", STEPS)
def test_a_parameter_moves_alike_wherever_it_stands(compiled, name):
    """In a vector, in what is left of one, and in another thread's piece."""
    slots, arguments = STEPS[name]
    values = [np.full(150_003, number, "float32") for number in (0.7, -0.3, *([0.2] * slots))]
    step_of(compiled.update, name)(*values, *arguments(3))
    for array in values:
        assert (array == array[0]).all()


@pytest.mark.parametrize("name", STEPS)
def test_scales_in_device_memory_are_those_given_by_value(cuda, name):
    rng = np.random.default_rng(0)
    arrays = [abs(rng.standard_normal(1000)).astype("float32") for _ in range(2 + STEPS[name][0])]
    scales, *arguments = STEPS[name][1](3)
    results = []
    for given in (scales, np.array([*scales, 0.0])):
        results.append([array.copy() for array in arrays])
        step_of(cuda.update, name)(*results[-1], given, *arguments)
    for found, expected in zip(*results, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", STEPS)
def test_where_it_halts_nothing_moves(cuda, name):
    arrays = [np.full(1000, number, "float32") for number in range(2 + STEPS[name][0])]
    scales, *arguments = STEPS[name][1](3)
    step_of(cuda.update, name)(*arrays, np.array([*scales, 1.0]), *arguments)
    for number, array in enumerate(arrays):
        assert (array == number).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", [[(1,)], [(6, 5, 5), (6,), (84, 120)], [(2100,), (0,), (3, 2047)], [(2_100_001,)]])
@pytest.mark.parametrize("share", [0.3, 1.7])
def test_clipping_is_the_definition(compiled, shapes, share, dtype, rng):
    gradients = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    exact = np.sqrt(sum((gradient.astype("float64") ** 2).sum() for gradient in gradients))
    for kernels in (compiled, reference):
        clipped = [gradient.copy() for gradient in gradients]
        norm = kernels.update.clip_by_norm(clipped, share * exact)
        assert np.shape(norm) == () and norm.dtype == dtype
        np.testing.assert_allclose(norm, exact, rtol=1e-5 if dtype == "float32" else 1e-12)
        for ours, before in zip(clipped, gradients, strict=True):
            if share < 1:
                np.testing.assert_allclose(ours, before * share, rtol=1e-5, atol=1e-7)
            else:
                assert np.array_equal(ours, before)


@pytest.fixture
def launches(monkeypatch):
    """The names of the kernels launched."""
    names, launch = [], program.launch
    monkeypatch.setattr(
        program, "launch", lambda source, name, *rest: (names.append(name), launch(source, name, *rest))
    )
    return names


def test_the_gradients_of_a_bank_are_clipped_in_two_launches(cuda, launches):
    xp = backend.load_cupy()
    flat = xp.asarray(np.arange(5000, dtype="float32"))
    views = [flat[:7], flat[7:3007].reshape(30, 100), flat[3007:5000]]
    norm = cuda_kernels.update.clip_by_norm(views, 1.0)
    assert launches == ["squares", "clip"]
    expected = np.arange(5000) / np.linalg.norm(np.arange(5000))
    np.testing.assert_allclose(flat.get(), expected, rtol=1e-5)
    assert float(norm) == pytest.approx(np.linalg.norm(np.arange(5000)), rel=1e-6)


def test_a_gap_between_gradients_is_left_alone(cuda, launches):
    flat = backend.load_cupy().asarray(np.ones(5000, "float32"))
    cuda_kernels.update.clip_by_norm([flat[:1000], flat[1001:]], 1.0)
    assert launches == ["squares", "squares", "clip", "clip"]
    found = flat.get()
    assert found[1000] == 1
    np.testing.assert_allclose(np.delete(found, 1000), 1 / np.sqrt(4999), rtol=1e-5)


def test_the_values_of_a_bank_are_clipped_in_one_launch(cuda, launches):
    flat = backend.load_cupy().asarray(np.array([*np.linspace(-3, 3, 1000), np.nan, np.inf], "float32"))
    before = flat.get()
    cuda_kernels.update.clip_by_value([flat[:7], flat[7:777], flat[777:]], 1.5)
    assert launches == ["clip_values"]
    assert np.array_equal(flat.get(), before.clip(-1.5, 1.5), equal_nan=True)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("length", [1, 61, 150_001])
def test_muons_direction_is_the_references(compiled, nesterov, length, rng):
    gradient, average = rng.standard_normal((2, length))
    found = []
    for kernels in (compiled, reference):
        kept, out = average.copy(), np.empty(length)
        kernels.update.muon_direction(gradient, kept, StepScales(0.1), 0.95, nesterov, out)
        found.append((kept, out))
    expected = 0.95 * average + 0.05 * gradient
    for kept, out in found:
        np.testing.assert_allclose(kept, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            out, 0.05 * gradient + 0.95 * expected if nesterov else expected, rtol=1e-12, atol=1e-14
        )


def test_muons_average_stays_where_it_halts(cuda):
    average, out = np.full(1000, 3.0, "float32"), np.empty(1000, "float32")
    cuda.update.muon_direction(average + 1, average, np.array([0.1, 1, 1, 1.0]), 0.9, True, out)
    assert (average == 3).all()


@pytest.mark.parametrize("length", [1, 61, 5000, 2_100_001])
@pytest.mark.parametrize("scale", [1e-9, 2.5])
def test_a_unit_norm_is_the_definition(compiled, length, scale, rng):
    x = rng.standard_normal(length) * scale
    for kernels in (compiled, reference):
        found = x.copy()
        kernels.update.to_unit_norm(found, 1e-3)
        np.testing.assert_allclose(found, x / max(np.linalg.norm(x), 1e-3), rtol=1e-10)


def test_arrays_are_scaled(compiled, rng):
    arrays = [rng.standard_normal(shape).astype("float32") for shape in [(3,), (6, 5, 5), (150_001,)]]
    for kernels in (compiled, reference):
        scaled = [array.copy() for array in arrays]
        kernels.update.scale(scaled, 0.3)
        for found, array in zip(scaled, arrays, strict=True):
            np.testing.assert_array_equal(found, array * np.float32(0.3))
