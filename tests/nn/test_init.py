"""Initial weights: the deviation and the range that the papers give, for every kind of layer."""

import math

import numpy as np
import pytest

import gpucnn
from gpucnn import nn
from gpucnn.errors import InputError

pytestmark = pytest.mark.usefixtures("device")

# Standard deviations by He et al. 2015, Glorot and Bengio 2010, and the documentation of torch.nn.Linear
DEVIATIONS = {
    "he_normal": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "he_uniform": lambda fan_in, fan_out: math.sqrt(2 / fan_in),
    "xavier_normal": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "xavier_uniform": lambda fan_in, fan_out: math.sqrt(2 / (fan_in + fan_out)),
    "default": lambda fan_in, fan_out: 1 / math.sqrt(3 * fan_in),
}
LAYERS = [
    (lambda init: nn.Linear(300, 200, init=init), 300, 200),
    (lambda init: nn.Conv1d(60, 80, 5, init=init), 60 * 5, 80 * 5),
    (lambda init: nn.Conv2d(30, 40, (3, 5), init=init), 30 * 15, 40 * 15),
    (lambda init: nn.Conv2d(30, 60, 3, groups=3, init=init), 10 * 9, 20 * 9),
    (lambda init: nn.Conv3d(10, 20, 3, init=init), 10 * 27, 20 * 27),
]


def test_every_name_is_tested():
    assert set(nn.init.NAMES) == {*DEVIATIONS, "dirac"}


@pytest.mark.parametrize(
    ("inputs", "outputs", "groups"), [(1, 1, 1), (3, 3, 1), (4, 2, 1), (2, 5, 1), (6, 6, 6), (4, 6, 2)]
)
@pytest.mark.parametrize("kernel", [1, 3, (2, 5)])
def test_dirac_is_pytorchs(torch, inputs, outputs, groups, kernel):
    layer = nn.Conv2d(inputs, outputs, kernel, groups=groups, init="dirac")
    expected = torch.nn.init.dirac_(torch.empty(layer.weight.shape), groups)
    np.testing.assert_array_equal(layer.weight.numpy(), expected)
    assert not layer.bias.numpy().any()


def test_dirac_hands_the_image_on(rng):
    x = rng.standard_normal((2, 3, 5, 6)).astype("float32")
    y = nn.Conv2d(3, 3, 3, padding=1, init="dirac")(gpucnn.Tensor(x))
    np.testing.assert_array_equal(y.numpy(), x)


def test_dirac_needs_a_kernel():
    with pytest.raises(InputError, match="init dirac is for convolutions.*Give this layer another init"):
        nn.Linear(3, 3, init="dirac")


@pytest.mark.parametrize(("make", "fan_in", "fan_out"), LAYERS)
@pytest.mark.parametrize("name", DEVIATIONS)
def test_weights_have_the_deviation_of_the_paper(name, make, fan_in, fan_out):
    weights = make(name).weight.numpy()
    expected = DEVIATIONS[name](fan_in, fan_out)
    # Five standard errors of a deviation and of a mean, over this many weights
    assert abs(weights.std() / expected - 1) < 5 / math.sqrt(2 * weights.size)
    assert abs(weights.mean()) < 5 * expected / math.sqrt(weights.size)
    if name in ("he_normal", "xavier_normal"):
        assert abs(weights).max() > 3 * expected, "a normal distribution has tails"
    else:
        assert 0.99 * math.sqrt(3) * expected < abs(weights).max() <= math.sqrt(3) * expected * 1.000001


@pytest.mark.parametrize(("make", "fan_in", "fan_out"), LAYERS)
def test_biases(make, fan_in, fan_out):
    assert not make("he_normal").bias.numpy().any()
    biases = make(None).bias.numpy()
    assert 0.5 / math.sqrt(fan_in) < abs(biases).max() <= 1 / math.sqrt(fan_in)


def test_none_is_pytorchs_default():
    def draw(init):
        gpucnn.manual_seed(3)
        return nn.Conv2d(3, 4, 3, init=init).state_dict()

    for name, array in draw(None).items():
        np.testing.assert_array_equal(array, draw("default")[name])


def test_the_seed_decides():
    def draw(seed):
        gpucnn.manual_seed(seed)
        return nn.Linear(10, 10).weight.numpy()

    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()
    gpucnn.manual_seed(1)
    assert (nn.Linear(10, 10).weight.numpy() != nn.Linear(10, 10).weight.numpy()).any()


def test_weights_are_float32():
    assert nn.Linear(3, 2, init="he_normal").weight.dtype == np.float32
