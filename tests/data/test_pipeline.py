"""From pictures of any kind to images like those of the training, and back to classes."""

import json

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import Dataset, Fingerprint, Normalizer, Pipeline, read_image
from gpucnn.data.layouts import channels_first
from gpucnn.errors import DataError, ShapeError

SEEDS = range(12)
NAMES = ("cat", "dog")


def digits(rng, n=60, size=(9, 7), channels=1) -> np.ndarray:
    """Bright spots on a dark ground, (N, C, H, W) uint8, every one with a white pixel."""
    images = np.zeros((n, channels, *size), np.uint8)
    images[:, :, 2:-2, 2:-2] = rng.integers(0, 256, images[:, :, 2:-2, 2:-2].shape)
    images[:, :, 3, 3] = 255
    return images


def pipeline(images: np.ndarray, outputs="logits", **options) -> Pipeline:
    train = Dataset(images, np.arange(len(images)) % 2, NAMES)
    return Pipeline.of(train, Fingerprint.of("npz", {"train": train}), outputs, **options)


BYTES = digits(np.random.default_rng(0))
RUNS = {  # what a network may have been trained on: the same pictures in several ranges
    "bytes": BYTES,
    "unit": (BYTES / 255).astype(np.float32),
    "signed": (BYTES / 127.5 - 1).astype(np.float32),
    "digits": np.rint(BYTES / 255 * 16).astype(np.uint8),
    "binary": (BYTES > 127).astype(np.uint8),
    "16 bits": (BYTES * 257.0).astype(np.float32),
}
SHARE = {"binary": 0.51, "digits": 0.5 / 16 + 1e-6}  # of white, by which a range this coarse misses


@pytest.fixture
def save(tmp_path):
    def save(pixels: np.ndarray, name="picture.png", **options):
        Image.fromarray(pixels, **options).save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize("run", RUNS)
def test_the_training_images_and_their_files_are_the_same_pictures(run, save):
    images = RUNS[run]
    line = pipeline(images)
    assert np.array_equal(line.images(images), images)
    paths = [save(picture[0], f"{k}.png") for k, picture in enumerate(BYTES[:9])]
    read = line.images(paths)
    assert read.shape == (9, 1, 9, 7)
    np.testing.assert_allclose(line.pixels.fraction(read), line.pixels.fraction(images[:9]), atol=SHARE.get(run, 1e-6))
    if run in ("bytes", "unit"):
        assert np.array_equal(read, images[:9])
    normalizer = Normalizer.fit("standard", Dataset(images, np.arange(60) % 2, NAMES))
    for dtype in ("float32", "float64"):
        expected = normalizer.apply(images, dtype)
        assert np.array_equal(line.inputs(images.astype(np.float64), normalizer, dtype), expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_type_layout_and_number_of_pictures_change_nothing(seed):
    """A random network's images, given in every way that they can be, are the same to the bit."""
    rng = np.random.default_rng(seed)
    channels, size = int(rng.choice([1, 3])), tuple(int(side) for side in rng.integers(5, 12, 2))
    images = digits(rng, 40, size, channels)
    line = pipeline(images)
    some = images[: rng.integers(1, 9)]
    ways = {"NCHW": some, "NHWC": some.transpose(0, 2, 3, 1), "list": list(some)}
    ways["list of NHWC"] = list(some.transpose(0, 2, 3, 1))
    ways["files"] = [Image.fromarray(image.transpose(1, 2, 0).squeeze()) for image in some]
    if channels == 1:
        ways |= {"NHW": some[:, 0], "list of HW": list(some[:, 0]), "nested lists": some[:, 0].tolist()}
    for way, given in ways.items():
        assert np.array_equal(line.images(given), some), way
        for dtype in ("int64", "float32", "float64", "uint16", ">i2"):
            if isinstance(given, np.ndarray):
                assert np.array_equal(line.images(given.astype(dtype)), some), (way, dtype)
    one = some[0]
    for single in (one, one.transpose(1, 2, 0), *([one[0]] if channels == 1 else [])):
        assert np.array_equal(line.images(single), one[None])
        assert np.array_equal(line.images((single / 255).astype(np.float32)), one[None])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_pictures_of_any_mode_and_size_are_read_as_the_training_pictures_were(seed, channels, mode, tmp_path):
    rng = np.random.default_rng(seed)
    line = pipeline(digits(rng, channels=channels))
    picture = Image.fromarray(rng.integers(0, 256, (*rng.integers(3, 30, 2), 4), dtype=np.uint8))
    picture = (
        Image.fromarray(rng.integers(0, 65536, picture.size, dtype=np.uint16)) if mode == "I;16" else
        picture if mode == "RGBA" else picture.convert("RGB").convert(mode)
    )  # fmt: skip
    path = tmp_path / ("p.tif" if mode == "CMYK" else "p.png")
    picture.save(path)
    expected = read_image(path, channels, (9, 7), ground="black")
    for given in (path, str(path), [path], picture, [picture]):
        assert np.array_equal(line.images(given), expected[None])
    if mode in ("L", "RGB", "RGBA"):
        pixels = np.asarray(picture)
        for array in (pixels, pixels.astype(np.int64), pixels / 255):
            if min(picture.size) > 4:
                assert np.array_equal(line.images(array), expected[None])


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("given", ["unit", "digits", "bytes", "16 bits", "binary", "signed"])
def test_every_range_is_answered_by_every_network(run, given):
    """None is refused, and each gives the same picture, as exactly as the coarser of the two ranges tells it."""
    line = pipeline(RUNS[run])
    share = SHARE.get(given, 0) + SHARE.get(run, 0) + 1e-4
    np.testing.assert_allclose(line.pixels.fraction(line.images(RUNS[given])), BYTES / 255, atol=share)


def test_sixteen_bits_of_a_file_are_kept_where_training_had_them(tmp_path):
    deep = (np.arange(63).reshape(9, 7) * 1000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    line = pipeline(RUNS["16 bits"])
    assert np.array_equal(line.images(tmp_path / "deep.png")[0, 0], deep)
    twelve = pipeline(np.rint(BYTES / 255 * 4095).astype(np.float32))
    Image.fromarray(deep // 16).save(tmp_path / "twelve.png")  # up to 3,875: twelve bits in a file of sixteen
    assert np.array_equal(twelve.images(tmp_path / "twelve.png")[0, 0], deep // 16)
    unit = pipeline(RUNS["unit"]).images(tmp_path / "deep.png")[0, 0]
    np.testing.assert_allclose(unit, deep / 65535, rtol=1e-6)


def test_floats_are_resized_and_made_grey_as_bytes_are():
    rng = np.random.default_rng(1)
    photo = rng.integers(0, 256, (30, 40, 4), dtype=np.uint8)
    for channels in (1, 3):
        images = digits(rng, channels=channels)
        exact = pipeline(images).images(photo)
        floats = pipeline((images / 255).astype(np.float32)).images(photo)
        np.testing.assert_allclose(floats * 255, exact, atol=3)


@pytest.mark.parametrize(("ground", "expected"), [("dark", 0), ("bright", 255)])
def test_transparent_parts_show_the_ground_of_the_training(ground, expected, save):
    images = BYTES if ground == "dark" else 255 - BYTES
    clear = np.zeros((9, 7, 4), np.uint8)
    line = pipeline(images)
    assert line.ground == ground
    assert line.images(save(clear))[0, 0, 0, 0] == expected == line.images(clear)[0, 0, 0, 0]
    own = pipeline(images, background="white")
    assert own.images(save(clear))[0, 0, 0, 0] == 255
    floats = pipeline((images / 255).astype(np.float32))
    assert floats.images(clear / 255)[0, 0, 0, 0] == expected / 255


def test_a_ground_other_than_that_of_the_training_is_seen():
    for images in (RUNS["bytes"], RUNS["unit"], RUNS["signed"]):
        line = pipeline(images)
        given = line.images([BYTES[0], 255 - BYTES[1]])
        assert line.opposed(given).tolist() == [False, True]
        assert line.opposed(line.images(255 - BYTES[1], invert=True)).tolist() == [False]
    bright = pipeline(255 - BYTES)
    assert bright.opposed(bright.images([BYTES[0], 255 - BYTES[1]])).tolist() == [True, False]
    mixed = pipeline(np.where(np.arange(60)[:, None, None, None] % 2, BYTES, 255 - BYTES))
    assert mixed.ground is None and not mixed.opposed(BYTES).any()


def test_inverting_is_once_where_the_training_inverted_and_twice_where_it_is_asked_for(save):
    line = pipeline(BYTES, invert=True, from_files=True)
    path = save(BYTES[3, 0])
    assert np.array_equal(line.images(path), 255 - BYTES[3:4])
    assert np.array_equal(line.images(BYTES[3, 0]), 255 - BYTES[3:4])
    assert np.array_equal(line.images(path, invert=True), BYTES[3:4])


def test_arrays_of_files_with_rows_and_columns_exchanged(save):
    line = pipeline(BYTES, transposed=True)
    assert np.array_equal(line.images(BYTES.swapaxes(2, 3), transposed=True), BYTES)
    assert np.array_equal(line.images(save(BYTES[0, 0].T), transposed=True), BYTES[:1])
    assert np.array_equal(line.images(save(BYTES[0, 0])), BYTES[:1])  # a picture stands upright


@pytest.mark.parametrize(
    ("shape", "given", "words"),
    [
        ((1, 9, 7), (9,), "cannot be read"),
        ((1, 9, 7), (2, 2, 2, 9, 7), "cannot be read"),
        ((3, 9, 7), (3, 20, 20, 3), None),
        ((1, 9, 7), (3, 20, 20), "cannot be told apart"),  # three grey pictures, or one in colours
        ((2, 9, 7), (4, 2, 9, 8), "cannot be read|cannot be told apart"),
        ((1, 9, 7), (4, 5, 9, 7), "cannot be read"),
        ((1, 20), (4, 21), "the network takes 1 channels of 20"),
    ],
)
def test_a_layout_that_leaves_the_meaning_open_is_refused(shape, given, words):
    if words is None:
        assert channels_first(np.zeros(given), shape).shape == (3, 3, 20, 20)
        return
    with pytest.raises(DataError, match=words):
        channels_first(np.zeros(given), shape)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nothing.png", None),
        ([], "There is no picture in the list"),
        (object(), "Expected the path of a picture, a PIL image, an array"),
        (np.array(["a"]), "Expected the path of a picture"),
        (np.zeros((0, 9, 7)), "Expected the path of a picture"),
        ([np.zeros((9, 7)), "x.png"], None),
        ([[1, 2], [3]], "cannot be read"),
        (np.full((9, 7), np.inf), "must be finite numbers"),
        (np.full((9, 7), 1e6), "go up to 1e\\+06; expected at most"),
    ],
)
def test_what_is_no_picture_is_refused(given, words):
    with pytest.raises(FileNotFoundError if words is None else DataError, match=words):
        pipeline(BYTES).images(given)


@pytest.mark.parametrize("shape", [(1, 20), (2, 20), (1, 3, 4, 5), (2, 3, 4, 5)])
def test_signals_and_volumes_are_taken_as_they_are(shape, save):
    rng = np.random.default_rng(3)
    images = rng.normal(0, 0.3, (10, *shape)).astype(np.float32)
    line = pipeline(images)
    assert (line.image_shape, line.ground, line.pixels.known) == (shape, None, False)
    for given in (images, np.moveaxis(images, 1, -1), *([images[:, 0]] if shape[0] == 1 else [])):
        assert np.array_equal(line.images(given), images)
    assert np.array_equal(line.images(images[0]), images[:1])
    with pytest.raises(DataError, match="was trained on arrays that are not pictures"):
        line.images(save(BYTES[0, 0]))
    with pytest.raises(DataError, match="Only pictures can be transposed"):
        line.images(images, transposed=True)


def test_networks_of_other_channels_take_arrays_of_them():
    images = digits(np.random.default_rng(2), channels=5)
    line = pipeline(images)
    assert np.array_equal(line.images(images.transpose(0, 2, 3, 1)), images)
    with pytest.raises(DataError, match="the network takes 5 channels of 9 x 7"):
        line.images(BYTES)
    with pytest.raises(DataError, match="was trained on arrays that are not pictures, 5 x 9 x 7"):
        line.images(Image.new("L", (7, 9)))


def test_outputs_become_probabilities_and_names():
    outputs = np.array([[0.0, 2.0], [1e4, 0.0]], np.float32)
    soft = np.array([[1 / (1 + np.e**2), 1 / (1 + np.e**-2)], [1, 0]])
    line = pipeline(BYTES)
    np.testing.assert_allclose(line.probabilities(outputs), soft, rtol=1e-6)
    assert line.classes(outputs) == ["dog", "cat"]
    with np.errstate(divide="ignore"):
        logs = pipeline(BYTES, "log_probabilities").probabilities(np.log(soft))
    np.testing.assert_allclose(logs, soft, rtol=1e-6)
    own = np.array([[0.9, 0.8], [0.1, 0.2]])  # of sigmoids: they need not sum to one
    assert np.array_equal(pipeline(BYTES, "probabilities").probabilities(own), own)
    with pytest.raises(ShapeError, match=r"outputs of shape \(2, 3\); expected \(N, 2\), one for each class"):
        line.classes(np.zeros((2, 3)))


@pytest.mark.parametrize("run", RUNS)
def test_kept_as_json_it_is_the_same(run):
    line = pipeline(RUNS[run], invert=True)
    again = Pipeline.from_json(line.to_json())
    assert again == line
    assert Pipeline.from_json(line.to_json().encode()).images(RUNS[run]).tobytes() == line.images(RUNS[run]).tobytes()


HOSTILE = {
    "no JSON": (lambda kept: "{", "the file: "),
    "nothing": (lambda kept: "", "the file: "),
    "a list": (lambda kept: "[]", "the file: "),
    "deep": (lambda kept: "[" * 100_000, "the file: "),
    "long": (lambda kept: " " * (2**24 + 1), "it is longer than 16,777,216 bytes"),
    "another version": (lambda kept: {**kept, "version": 2}, "version: Input should be 1"),
    "an unknown key": (lambda kept: {**kept, "more": 1}, "more: "),
    "a missing key": (lambda kept: {k: v for k, v in kept.items() if k != "ground"}, "ground: "),
    "a size of none": (lambda kept: {**kept, "size": []}, "size: "),
    "a huge size": (lambda kept: {**kept, "size": [65536, 65536]}, "too large"),
    "a size of text": (lambda kept: {**kept, "size": ["9", "7"]}, "size.0: "),
    "channels true": (lambda kept: {**kept, "channels": True}, "channels: "),
    "two classes of one name": (lambda kept: {**kept, "class_names": ["a", "a"]}, "holds 'a' more than once"),
    "a file elsewhere": (lambda kept: {**kept, "normalization": "../x.safetensors"}, "normalization: "),
    "a file with an end of line": (lambda kept: {**kept, "normalization": "x.safetensors\n"}, "normalization: "),
    "NaN": (lambda kept: {**kept, "pixels": {**kept["pixels"], "low": float("nan")}}, "pixels.low: "),
    "an empty range": (lambda kept: {**kept, "pixels": {**kept["pixels"], "low": 255.0}}, "not below high"),
    "a ground of its own": (lambda kept: {**kept, "ground": "grey"}, "ground: "),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_json_is_refused_in_words(kind):
    spoil, words = HOSTILE[kind]
    spoilt = spoil(json.loads(pipeline(BYTES).to_json()))
    with pytest.raises(DataError) as caught:
        Pipeline.from_json(spoilt if isinstance(spoilt, str) else json.dumps(spoilt))
    assert words in str(caught.value) and str(caught.value).endswith("Restore it, or train again.")


def test_any_changed_byte_of_the_json_is_refused_or_read_and_never_another_error():
    whole = np.frombuffer(pipeline(BYTES).to_json().encode(), np.uint8)
    rng = np.random.default_rng(8)
    refused = 0
    for _ in range(2000):
        hurt = whole.copy()
        hurt[rng.integers(0, len(hurt))] = rng.integers(0, 256)
        try:
            Pipeline.from_json(hurt.tobytes())
        except DataError:
            refused += 1
    assert refused > 1000
