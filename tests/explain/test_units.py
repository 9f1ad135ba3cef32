"""What channels like: the most exciting pictures, held to all pairs; pictures made to excite, held to the values."""

import numpy as np
import pytest

import gpucnn
from gpucnn import Tensor, nn, no_grad
from gpucnn.errors import InputError
from gpucnn.explain import made_to_excite, most_exciting
from gpucnn.explain.scores import unit_gradients
from gpucnn.explain.units import convolutions_of, exciting
from tests.explain.classifiers import classifier_of


@pytest.fixture
def classifier(rng):
    gpucnn.manual_seed(5)
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip
    return classifier_of(net, rng.integers(0, 256, (300, 1, 10, 10), dtype=np.uint8), ("a", "b"))


def maps_of(classifier, images, end) -> np.ndarray:
    with no_grad():
        return classifier.net[:end](Tensor(classifier.normalizer.apply(images))).numpy()


@pytest.mark.parametrize(("layer", "end"), [("0", 1), ("3", 4)])
def test_the_most_exciting_pictures_are_those_of_all(layer, end, classifier, rng) -> None:
    images = rng.integers(0, 256, (300, 1, 10, 10), dtype=np.uint8)
    found = most_exciting(classifier, images, layer, 5)
    maps = maps_of(classifier, images, end)
    for channel in range(maps.shape[1]):
        highest = maps[:, channel].max(axis=(1, 2))
        np.testing.assert_allclose(found.values[channel], np.sort(highest)[::-1][:5], rtol=1e-5)
        for image, value, unit in zip(found.images[channel], found.values[channel], found.units[channel], strict=True):
            assert maps[(image, channel, *unit)] == pytest.approx(value, rel=1e-5)
    assert not any(module._hooks for module in classifier.net.modules())


def test_what_a_unit_sees_is_all_that_excites_it(classifier, rng) -> None:
    images = rng.integers(0, 256, (40, 1, 10, 10), dtype=np.uint8)
    found = most_exciting(classifier, images, "3", 1)
    field = convolutions_of(classifier.net, (1, 10, 10))["3"].field
    for channel in range(4):
        image, unit = found.images[channel, 0], tuple(found.units[channel, 0])
        alone = 255 - images[image]
        seen = (slice(None), *field.of(unit, (10, 10)))
        alone[seen] = images[image][seen]
        assert maps_of(classifier, alone[None], 4)[(0, channel, *unit)] == pytest.approx(
            found.values[channel, 0], rel=1e-4
        )


def test_unit_gradients_are_finite_differences(classifier, rng) -> None:
    net, inputs = classifier.net.astype("float64"), rng.normal(size=(2, 1, 10, 10))
    with unit_gradients(net, net[3]) as gradients:
        found = gradients(inputs, np.array([1, 3]))
    for n, channel in enumerate((1, 3)):
        for place in ((0, 0, 0), (0, 5, 7), (0, 6, 6)):
            step = np.zeros_like(inputs)
            step[(n, *place)] = 1e-6
            with no_grad():
                above, below = (net[:4](Tensor(inputs + s * step)).numpy()[n, channel, 1, 1] for s in (1, -1))
            assert found[(n, *place)] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-8)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


def test_what_follows_the_layer_is_not_computed(classifier) -> None:
    net, runs = classifier.net, []
    last = list(net)[-1]
    last.register_forward_hook(lambda module, given, output: runs.append(output))
    with unit_gradients(net, net[0]) as gradients:
        gradients(np.zeros((1, 1, 10, 10), np.float32), np.array([0]))
    assert not runs
    exciting(net, classifier.normalizer, np.zeros((3, 1, 10, 10), np.float32), ["0", "3"], 2)
    assert not runs


def test_a_picture_made_to_excite_a_channel_does_so_more_than_any_other(classifier) -> None:
    made = made_to_excite(classifier, "3")
    assert made.shape == (4, 1, 10, 10) and made.dtype == np.float32 and made.min() >= 0 and made.max() <= 255
    noise = np.random.default_rng(2).integers(0, 256, (500, 1, 10, 10)).astype(np.uint8)
    others = maps_of(classifier, noise, 4)[:, :, 1, 1].max(axis=0)
    own = maps_of(classifier, made, 4)[:, :, 1, 1]
    assert (np.diag(own) > others).all() and (own.argmax(axis=0) == np.arange(4)).all()
    np.testing.assert_array_equal(made_to_excite(classifier, "3", [2]), made[2:3])


def test_regularisation_smooths(classifier, monkeypatch) -> None:
    def roughness(images) -> float:
        return float(np.abs(np.diff(images, axis=2)).mean() + np.abs(np.diff(images, axis=3)).mean())

    smooth = roughness(made_to_excite(classifier, "3"))
    monkeypatch.setattr("gpucnn.explain.units.SMOOTHING", 0)
    assert smooth < 0.7 * roughness(made_to_excite(classifier, "3"))


@pytest.mark.parametrize("ask", [made_to_excite, lambda c, layer: most_exciting(c, np.zeros((1, 1, 10, 10)), layer)])
def test_what_is_no_convolution_is_told(ask, classifier) -> None:
    with pytest.raises(InputError, match="'1' is no convolution of this network; it has 0, 3"):
        ask(classifier, "1")
