"""Explanations of single pictures: held to networks whose evidence is known, to finite differences, to PyTorch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gpucnn
from gpucnn import nn
from gpucnn.errors import DataError, InputError
from gpucnn.explain import grad_cam, occlusion, saliency, smooth_grad
from gpucnn.runs.classifier import Classifier
from tests.explain.classifiers import classifier_of

METHODS = [grad_cam, occlusion, saliency, smooth_grad]
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
SIDE = 16
CORNERS = [(0, 0), (0, SIDE - 3), (SIDE - 3, 0), (SIDE - 3, SIDE - 3)]
CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "same": lambda: nn.Conv2d(1, 2, 3, padding=1),
    "valid": lambda: nn.Conv2d(1, 2, 3),
    "unequal sides": lambda: nn.Conv2d(1, 2, 3, padding=((0, 4), (3, 0))),
}


def finds_crosses(convolution: nn.Module, *last: nn.Module) -> nn.Sequential:
    """A network that says "cross" for a cross and "block" for a block of nine pixels, wherever they are.

    A map fires at 5 of 5 bright pixels with 4 dark ones between, the other at all 9.
    """
    convolution.weight.numpy()
    convolution.load_state_dict({"weight": np.stack([2 * CROSS - 1, np.ones((3, 3))])[:, None], "bias": [-4, -8]})
    features = int(np.prod(convolution.output_shape((1, SIDE, SIDE))[1:]))
    linear = nn.Linear(2 * features, 2)
    by_class = np.repeat(np.eye(2), features, axis=1)
    linear.load_state_dict({"weight": by_class, "bias": [0, 0]})
    return nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), linear, *last)


def marked(corner: tuple[int, int]) -> np.ndarray:
    """A picture with a cross in the corner and a block in the middle: bytes (SIDE, SIDE)."""
    picture = np.zeros((SIDE, SIDE), np.uint8)
    picture[6:9, 7:10] = 255
    row, column = corner
    picture[row : row + 3, column : column + 3] = 255 * CROSS
    return picture


def cross_finder(kind: str = "same", *last: nn.Module) -> Classifier:
    return classifier_of(
        finds_crosses(CONVOLUTIONS[kind](), *last), np.stack([marked(c)[None] for c in CORNERS]), ("cross", "block")
    )


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_the_only_evidence_is_found_where_it_is(method, kind, corner) -> None:
    classifier = cross_finder(kind)
    found = method(classifier, marked(corner), "cross")
    assert found.shape == (SIDE, SIDE)
    row, column = corner
    near = np.zeros((SIDE, SIDE), bool)
    near[max(0, row - 1) : row + 4, max(0, column - 1) : column + 4] = (
        True  # a patch of 2 x 2 reaches one pixel further
    )
    assert found[near].sum() > 0.99 * np.abs(found).sum() > 0
    at = np.unravel_index(found.argmax(), found.shape)
    assert row <= at[0] < row + 3 and column <= at[1] < column + 3
    other = method(classifier, marked(corner), "block")
    assert 6 <= np.unravel_index(other.argmax(), other.shape)[0] < 9 and other[near].max() < 0.01 * other.max()


@pytest.mark.parametrize("method", METHODS)
def test_a_softmax_at_the_end_changes_nothing(method) -> None:
    picture = marked(CORNERS[1])
    expected = method(cross_finder(), picture, "cross")
    for last in (nn.Softmax(), nn.LogSoftmax(), nn.Sigmoid()):
        np.testing.assert_array_equal(method(cross_finder("same", last), picture, "cross"), expected)


@pytest.fixture
def random_classifier(rng) -> Classifier:
    """Of two convolutions, one in a residual block, in float64, on pictures of three channels."""
    gpucnn.manual_seed(1)
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh(),
        nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()),
        nn.AvgPool2d(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4 * 3 * 4, 3),
    )  # fmt: skip
    images = rng.integers(0, 256, (12, 3, 6, 8), dtype=np.uint8)
    return classifier_of(net.astype("float64"), images, ("a", "b", "c"), "standard")


def scores_of(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """The network's outputs, by a plain call."""
    with gpucnn.no_grad():
        return classifier.net(gpucnn.Tensor(classifier.normalizer.apply(images, "float64"))).numpy()


def test_saliency_equals_finite_differences(random_classifier, rng) -> None:
    image = rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    slopes = np.zeros(image.shape)
    for place in np.ndindex(*image.shape):
        step = np.zeros(image.shape)
        step[place] = 1e-3
        above, below = scores_of(random_classifier, np.stack([image + step, image - step]))[:, 1]
        slopes[place] = (above - below) / 2e-3
    np.testing.assert_allclose(saliency(random_classifier, image, "b"), np.abs(slopes).max(axis=0), rtol=1e-6)


def test_smooth_grad_is_the_mean_of_gradients_and_without_noise_the_saliency(random_classifier, rng) -> None:
    image = rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    plain = saliency(random_classifier, image, "a")
    np.testing.assert_allclose(smooth_grad(random_classifier, image, "a", samples=3, noise=0), plain, rtol=1e-12)
    once, again = (smooth_grad(random_classifier, image, "a", samples=300, seed=4) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - plain).max() > 0.01 * plain.max()
    noise = np.random.default_rng(4).standard_normal((256, *image.shape))  # of the first batch of copies
    first = image + 0.15 * float(np.ptp(image.astype(float))) * noise
    both = smooth_grad(random_classifier, image, "a", samples=256, seed=4)
    slopes = np.zeros(image.shape)
    for place in [(0, 0, 0), (1, 3, 4), (2, 5, 7)]:
        step = np.zeros(image.shape)
        step[place] = 1e-3
        above, below = (scores_of(random_classifier, first + sign * step)[:, 0].mean() for sign in (1, -1))
        slopes[place] = abs(above - below) / 2e-3
        assert slopes[place] <= both[place[1:]] * (1 + 1e-6)  # the largest of the channels
    assert slopes.any()


@pytest.mark.parametrize(("layer", "end"), [("0", 3), ("3.0", 4), (None, 4)])
def test_grad_cam_is_pytorchs_gradients_weighted_and_summed(layer, end, random_classifier, rng, torch) -> None:
    image = rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    weights = {name: torch.tensor(value) for name, value in random_classifier.net.state_dict().items()}
    x = torch.tensor(random_classifier.normalizer.apply(image[None], "float64"))
    conv = torch.nn.functional.conv2d
    first = conv(x, weights["0.weight"], weights["0.bias"], padding=1)
    first = (first - weights["1.running_mean"][:, None, None]) / (weights["1.running_var"][:, None, None] + 1e-5).sqrt()
    first = (first * weights["1.weight"][:, None, None] + weights["1.bias"][:, None, None]).tanh()
    first.requires_grad_()
    inner = conv(first, weights["3.0.weight"], weights["3.0.bias"], padding=1).tanh()
    inner.retain_grad()
    flat = torch.nn.functional.avg_pool2d(first + inner, 2).flatten(1)
    (flat @ weights["7.weight"].T + weights["7.bias"])[0, 2].backward()
    seen = first if end == 3 else inner
    expected = (seen.grad.mean(dim=(2, 3), keepdim=True) * seen).sum(dim=1).clamp(min=0)[0]
    found = grad_cam(random_classifier, image, "c", layer=layer)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_occlusion_is_the_mean_fall_of_the_patches_that_covered_a_pixel(random_classifier, rng) -> None:
    image = rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    colour = image.reshape(3, -1).mean(axis=1).astype(np.uint8)
    (whole,) = scores_of(random_classifier, image[None])[:, 0]
    falls, times = np.zeros((6, 8)), np.zeros((6, 8))
    for row in (0, 2, 3):  # of a patch of 3 x 2 by steps of 2 x 1; the last ends with the picture
        for column in range(7):
            covered = image.copy()
            covered[:, row : row + 3, column : column + 2] = colour[:, None, None]
            falls[row : row + 3, column : column + 2] += whole - scores_of(random_classifier, covered[None])[0, 0]
            times[row : row + 3, column : column + 2] += 1
    found = occlusion(random_classifier, image, "a", size=(3, 2), stride=(2, 1))
    np.testing.assert_allclose(found, falls / times, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_was(method, random_classifier, rng) -> None:
    net, image = random_classifier.net, rng.integers(0, 256, (3, 6, 8)).astype(np.uint8)
    net[1].train()
    net[0].weight.requires_grad_(False)
    net(gpucnn.Tensor(random_classifier.normalizer.apply(image[None], "float64"))).sum().backward()

    def state() -> Any:
        return (
            [(module.training, list(module._hooks)) for module in net.modules()],
            [
                (each.requires_grad, None if each.grad is None else each.grad.numpy().tolist())
                for each in net.parameters()
            ],
            {name: value.tolist() for name, value in net.state_dict().items()},
            gpucnn.is_grad_enabled(),
        )

    before = state()
    method(random_classifier, image)
    assert state() == before
    with pytest.raises(InputError):
        method(random_classifier, image, "no such class")
    assert state() == before


def test_it_is_left_as_it_was_when_it_fails(random_classifier, monkeypatch) -> None:
    net = random_classifier.net
    with monkeypatch.context() as patched:
        patched.setattr(type(net[7]), "forward", lambda *_: (_ for _ in ()).throw(MemoryError("none left")))
        with pytest.raises(MemoryError, match="none left"):
            grad_cam(random_classifier, np.zeros((3, 6, 8), np.uint8), "a")
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(module._hooks or module.training for module in net.modules())


def sees_one_pixel(row: int, column: int) -> Classifier:
    """A network whose first class is told by one pixel alone."""
    linear = nn.Linear(SIDE * SIDE, 2)
    weight = np.zeros((2, SIDE, SIDE))
    weight[0, row, column] = 1
    linear.load_state_dict({"weight": weight.reshape(2, -1), "bias": [0, 0]})
    images = np.stack([marked(corner)[None] for corner in CORNERS])
    return classifier_of(nn.Sequential(nn.Flatten(), linear), images, ("seen", "other"))


def test_a_map_has_the_pictures_own_pixels(tmp_path) -> None:
    classifier, small = sees_one_pixel(2, 14), marked(CORNERS[1])
    large = small.repeat(5, axis=0).repeat(3, axis=1)
    path = tmp_path / "large.png"
    Image.fromarray(large).save(path)
    with Image.open(path) as opened:
        for picture in (path, str(path), opened, [path], large):
            found = saliency(classifier, picture, "seen")
            assert found.shape == large.shape
            row, column = np.unravel_index(found.argmax(), found.shape)
            assert 10 <= row < 15 and 42 <= column < 45
    on_its_side = Image.fromarray(np.ascontiguousarray(large.T[::-1]))  # which its EXIF orientation turns back
    on_its_side.getexif()[0x0112] = 6
    on_its_side.save(tmp_path / "turned.png", exif=on_its_side.getexif())
    np.testing.assert_array_equal(saliency(classifier, tmp_path / "turned.png", "seen"), found)
    expected = saliency(classifier, small, "seen")
    assert expected.argmax() == 2 * SIDE + 14 and np.count_nonzero(expected) == 1
    np.testing.assert_array_equal(saliency(classifier, small.T, "seen", transposed=True), expected.T)
    crosses = cross_finder()
    np.testing.assert_array_equal(
        saliency(crosses, 255 - small, "cross", invert=True), saliency(crosses, small, "cross")
    )


def test_the_class_is_the_predicted_one_unless_it_is_named() -> None:
    classifier, picture = cross_finder(), marked(CORNERS[0])
    picture[6:9, 7:10] = 0
    assert classifier.predict(picture) == ["cross"]
    np.testing.assert_array_equal(grad_cam(classifier, picture), grad_cam(classifier, picture, "cross"))
    numbered = classifier_of(classifier.net, marked(CORNERS[0])[None, None], ("7", "3"))
    np.testing.assert_array_equal(grad_cam(numbered, picture, 7), grad_cam(classifier, picture, "cross"))


@pytest.mark.parametrize(
    ("method", "picture", "options", "told"),
    [
        (grad_cam, marked((0, 0)), {"label": "dog"}, "there is no class 'dog'; the classes are cross, block"),
        (grad_cam, marked((0, 0)), {"layer": "1"}, "'1' is no convolution of this network; give one of 0"),
        (saliency, np.zeros((2, 1, SIDE, SIDE)), {}, "one picture is explained at a time; given 2"),
        (saliency, marked((0, 0)), {"centre": True}, "centre it first"),
        (occlusion, marked((0, 0)), {"size": 17}, r"size is 17; expected at most \(16, 16\)"),
        (occlusion, marked((0, 0)), {"size": 3, "stride": 4}, r"stride is 4; expected at most \(3, 3\)"),
        (occlusion, marked((0, 0)), {"stride": 0}, "stride is 0; expected a whole number of at least 1"),
        (smooth_grad, marked((0, 0)), {"samples": 0}, "samples=0"),
        (smooth_grad, marked((0, 0)), {"noise": float("nan")}, "noise=nan"),
    ],
)
def test_what_does_not_fit_is_told(method, picture, options, told) -> None:
    with pytest.raises(InputError, match=told):
        method(cross_finder(), picture, **options)
    with pytest.raises(DataError):
        method(cross_finder(), np.zeros((3, 2)))


def test_a_network_without_convolutions_has_no_grad_cam(rng) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 2))
    classifier = classifier_of(net, rng.integers(0, 256, (4, 1, 4, 4), dtype=np.uint8), ("a", "b"))
    with pytest.raises(InputError, match="this network has none; saliency and occlusion need none"):
        grad_cam(classifier, np.eye(4))
    assert occlusion(classifier, np.eye(4)).shape == saliency(classifier, np.eye(4)).shape == (4, 4)


@pytest.mark.parametrize(
    ("net", "shape"),
    [
        (lambda: [nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 7, 2)], (2, 9)),
        (lambda: [nn.Conv3d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 24, 2)], (1, 3, 4, 5)),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_signals_and_volumes_are_explained(method, net, shape, rng) -> None:
    images = rng.normal(size=(5, *shape)).astype(np.float32)
    found = method(classifier_of(nn.Sequential(*net()), images, ("a", "b"), "standard"), images[:1])
    assert found.shape == shape[1:] and np.isfinite(found).all() and found.any()


def test_every_set_of_kernels_explains_alike(device) -> None:
    picture, classifier = marked(CORNERS[3]), cross_finder()
    for parameter in (*classifier.net.parameters(), *classifier.net.buffers()):
        assert type(parameter.memory) is type(gpucnn.Tensor(np.zeros(1)).memory)
    for method in METHODS:
        found = method(classifier, picture, "cross")
        assert type(found) is np.ndarray and found.argmax() // SIDE >= SIDE - 3
