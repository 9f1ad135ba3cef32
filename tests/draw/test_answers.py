"""What a network makes of a drawing, told in bytes."""

import base64

import numpy as np
import pytest

from gpucnn import Tensor, nn
from gpucnn.draw import Reader
from gpucnn.draw.answers import MOST_MAPS, MOST_SLICES, MOST_UNITS, ZERO
from gpucnn.draw.drawing import Drawing
from gpucnn.errors import DataError, InputError
from gpucnn.explain import grad_cam
from gpucnn.training import predict
from tests.draw.conftest import NAMES, SHAPE, classifier


def drawing(centre: bool = True, invert: bool = False) -> Drawing:
    """A bar."""
    ink = np.zeros((280, 280), np.uint8)
    ink[40:240, 100:160] = 255
    return Drawing(ink, centre, invert)


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_the_description(reader) -> None:
    told = reader.describe()
    assert told["image"] == SHAPE and told["classes"] == NAMES
    assert [layer["name"] for layer in told["layers"]] == [
        "0 conv2d", "1 relu", "2.0 conv2d", "2.1 relu", "2 residual", "3 max_pool2d", "4 flatten", "5 linear"
    ]  # fmt: skip
    assert [layer["shape"] for layer in told["layers"][-3:]] == [(4, 6, 6), (144,), (3,)]
    assert told["layers"][5]["field"] == {"size": (11, 11), "jump": (4, 4), "start": (-2, -2)}  # 5 + 2 · 2 + 2
    assert told["layers"][6]["field"] is None  # flatten has no maps
    assert [layer["kernels"] is not None for layer in told["layers"]] == [True, False, True, *[False] * 5]


def test_kernels_are_the_layer_s_weights(reader) -> None:
    kernels = reader.describe()["layers"][2]["kernels"]
    weight = reader.net[2][0].weight.numpy()
    told = (bytes_of(kernels["bytes"]).astype(float) - ZERO) / ZERO * kernels["peak"]
    assert kernels["peak"] == np.abs(weight).max() and kernels["size"] == (3, 3)
    assert told.reshape(weight.shape) == pytest.approx(weight, abs=kernels["peak"] / ZERO / 2 * 1.001)


def test_answers_are_what_the_layers_give(reader) -> None:
    answer = reader.answer(drawing())
    x = Tensor(reader.image_of(drawing())[None].astype(np.float32) / 255)
    expected = [y := reader.net[0](x), y := reader.net[1](y), z := reader.net[2][0](y), reader.net[2][1](z)]
    expected += [y := reader.net[2](y), y := reader.net[3](y), y := reader.net[4](y), reader.net[5](y)]
    for told, output in zip(answer["layers"], expected, strict=True):
        values = output.numpy().ravel()
        assert told["peak"] == pytest.approx(np.abs(values).max(), rel=1e-5)
        scaled = (bytes_of(told["bytes"]).astype(float) - ZERO) / ZERO * told["peak"]
        assert scaled == pytest.approx(values, abs=told["peak"] / ZERO)


def test_the_answer_says_why_by_grad_cam(reader) -> None:
    answer = reader.answer(drawing())
    said = NAMES[int(np.argmax(answer["probabilities"]))]
    assert reader.describe()["explains"] == "2.0"
    expected = grad_cam(reader.classifier, reader.image_of(drawing())[0], said)
    told = bytes_of(answer["why"]).reshape(28, 28)
    np.testing.assert_allclose(told, 255 * expected / expected.max(), atol=0.51)
    assert told.max() == 255


def test_a_network_without_convolutions_says_no_why() -> None:
    reader = Reader(classifier(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)).eval()))
    assert reader.describe()["explains"] is None and reader.answer(drawing())["why"] is None


def test_probabilities_are_those_of_predict(reader) -> None:
    shares = reader.answer(drawing())["probabilities"]
    image = reader.classifier.normalizer.apply(reader.image_of(drawing())[None])
    assert sum(shares) == pytest.approx(1, abs=1e-5) and shares == predict(reader.net, image)[0].tolist()


def test_the_image_is_told_as_it_is_before_it_is_normalised(reader) -> None:
    assert (bytes_of(reader.answer(drawing())["image"]).reshape(28, 28) == reader.image_of(drawing())[0]).all()


def test_drawings_are_centred_or_taken_whole_and_may_be_inverted(reader) -> None:
    centred, whole = reader.image_of(drawing())[0], reader.image_of(drawing(centre=False))[0]
    assert np.flatnonzero(centred.any(axis=0)).tolist() == [*range(11, 17)]
    assert np.flatnonzero(whole.any(axis=0)).tolist() == [*range(10, 16)]
    assert (reader.image_of(drawing(invert=True))[0] == 255 - centred).all()


def test_in_colour_every_channel_is_the_drawing() -> None:
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 30 * 30, 3)).eval()
    reader = Reader(classifier(net, (3, 32, 32)))
    image = reader.image_of(drawing())
    assert image.shape == (3, 32, 32) and (image == image[0]).all() and image.any()
    assert len(bytes_of(reader.answer(drawing())["image"])) == 32 * 32


def test_much_is_told_in_part() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 20, 3, padding="same"), nn.Conv2d(20, 512, 1), nn.Flatten(), nn.Linear(512 * 60 * 60, 3)
    )
    reader = Reader(classifier(net.eval(), (1, 60, 60)))
    first, second, flat, _ = reader.describe()["layers"]
    assert first["size"] == (30, 30) and first["shape"] == (20, 60, 60)  # larger than can be shown: half
    assert (second["shown"], second["shape"][0]) == (MOST_MAPS, 512)
    assert (second["kernels"]["shown"], second["kernels"]["slices"]) == (MOST_SLICES, 20)
    assert len(bytes_of(second["kernels"]["bytes"])) == MOST_MAPS * MOST_SLICES
    assert flat["shown"] == MOST_UNITS
    answer = reader.answer(drawing())["layers"]
    assert [len(bytes_of(layer["bytes"])) for layer in answer] == [20 * 900, MOST_MAPS * 900, MOST_UNITS, 3]


@pytest.mark.parametrize("shape", [(1, 100), (2, 28, 28), (1, 8, 8, 8)])
def test_networks_for_other_images_are_refused(shape) -> None:
    with pytest.raises(DataError, match="takes no picture of one channel or three, but"):
        Reader(classifier(shape=shape))


def test_weights_that_are_not_finite_are_told(reader) -> None:
    reader.net[5].weight.data[0, 0] = np.nan
    with pytest.raises(InputError, match="outputs are not finite"):
        reader.answer(drawing())


@pytest.mark.parametrize(("dtype", "scale"), [(np.float32, 1 / 255), (np.float32, 257.0), (np.uint8, 1 / 255)])
def test_a_drawing_is_the_same_in_every_range_that_a_network_was_trained_on(dtype, scale, reader) -> None:
    """White on black, whatever numbers stood for them in training."""
    other = Reader(classifier(reader.net, dtype=dtype, scale=scale))
    answers = [each.answer(drawing(centre=False))["probabilities"] for each in (reader, other)]
    np.testing.assert_allclose(*answers, atol=0.02 if dtype == np.uint8 else 1e-6)
    assert len({tuple(answer) for answer in (*answers, reader.answer(drawing(invert=True))["probabilities"])}) > 1


def test_a_network_for_other_numbers_than_pictures_have_is_refused() -> None:
    with pytest.raises(DataError, match="which is no range of pictures"):
        Reader(classifier(dtype=np.float32, scale=1e6))
