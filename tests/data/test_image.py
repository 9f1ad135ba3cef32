"""Pictures of every mode, turned, transparent, damaged and hostile."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gpucnn.data.image import read_channels, read_image, read_size
from gpucnn.errors import DataError

GREY = np.array([[0, 50], [100, 255]], dtype=np.uint8)


@pytest.fixture
def save(tmp_path):
    def save(picture: Image.Image, name: str = "picture.png", **options):
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG written by the book (RFC 2083), to say things Pillow would not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_grey_and_colour(save):
    path = save(Image.fromarray(GREY))
    assert read_image(path, 1).tolist() == [GREY.tolist()]
    assert read_image(path, 3).tolist() == [GREY.tolist()] * 3
    assert read_image(path, 1, invert=True).tolist() == [[[255, 205], [155, 0]]]
    assert read_image(path, 1).flags.c_contiguous


def test_colour_to_grey_by_luma(save):
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], dtype=np.uint8)
    path = save(Image.fromarray(colours))
    assert read_image(path, 3)[:, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    assert read_image(path, 1).tolist() == [[[76, 150, 29]]]  # 0.299, 0.587 and 0.114 of 255


def test_one_bit_and_palette(save):
    assert read_image(save(Image.fromarray(GREY > 60)), 1).tolist() == [[[0, 0], [255, 255]]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putdata([1, 0])
    assert read_image(save(palette), 3).tolist() == [[[200, 10]], [[100, 20]], [[0, 30]]]
    clear = save(palette, "clear.png", transparency=0)
    assert read_image(clear, 3)[:, 0, 1].tolist() == [255, 255, 255]
    assert read_image(clear, 3, ground="black")[:, 0, 1].tolist() == [0, 0, 0]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    path = tmp_path / "deep.png"
    path.write_bytes(png(3, 1, 16, 0, b"\0" + struct.pack(">3H", 0, 257 * 100, 65535)))
    assert read_image(path, 1).tolist() == [[[0, 100, 255]]]


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_shows_the_background(save, mode):
    half = Image.new("LA", (1, 1), (0, 128)).convert(mode)
    assert abs(int(read_image(save(half), 1)[0, 0, 0]) - 127) <= 1
    assert read_image(save(half), 1, ground="black").item() == 0


def test_size_is_height_and_width(save):
    picture = Image.fromarray(np.repeat([[0, 200]], 4, axis=0).astype(np.uint8))  # 4 high, 2 wide
    assert read_image(save(picture), 1).shape == (1, 4, 2)
    assert read_size(save(picture)) == (4, 2)
    small = read_image(save(picture), 1, size=(2, 1))
    assert small.tolist() == [[[100], [100]]]  # the mean of 0 and 200


def test_exif_orientation_turns_the_picture_upright(save):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying: turn it clockwise to show it
    lying = Image.fromarray(np.array([[0, 255]], dtype=np.uint8))
    path = save(lying, exif=exif)
    assert read_image(path, 1).tolist() == [[[0], [255]]]
    assert read_size(path) == (2, 1)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(save, mode):
    path = save(Image.new(mode, (8, 8)), "picture.jpg")
    assert read_image(path, 3, (4, 4)).shape == (3, 4, 4)


def test_not_an_image(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"picture.png is empty \(0 bytes\). Give another copy"):
        read_image(path, 1)
    for content in (b"hello", b"\x80\x04pickle", b"<svg/>"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is not a picture; expected one of PNG, JPEG"):
            read_image(path, 1)
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "none.png", 1)
    with pytest.raises(DataError, match="not a file but a folder"):
        read_image(tmp_path, 1)


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_truncated_files(save, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)
    path = save(Image.fromarray(noise), f"picture.{suffix}")
    whole = path.read_bytes()
    for length in (len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="damaged or truncated"):
            read_image(path, 1)


@pytest.mark.parametrize("side", [10_000, 100_000, 2**31 - 1])
def test_a_picture_that_unpacks_without_bound_is_refused_by_its_header(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png(side, side, 8, 2, bytes(1000)))
    with pytest.raises(DataError, match="too large to unpack"):
        read_image(path, 1)
    with pytest.raises(DataError, match="too large to unpack"):
        read_size(path)


def test_a_text_bomb_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    whole = png(1, 1, 8, 0, bytes(2))
    path.write_bytes(whole[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27))) + whole[33:])
    with pytest.raises(DataError, match="damaged"):
        read_image(path, 1)


def test_noise_in_a_file_never_gives_another_error(save):
    rng = np.random.default_rng(1)
    path = save(Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)), "picture.jpg")
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(200):
        hurt = whole.copy()
        hurt[rng.integers(0, len(hurt), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(hurt.tobytes())
        try:
            assert read_image(path, 3, (8, 8)).shape == (3, 8, 8)
        except DataError:
            refused += 1
    assert refused


def test_channels_are_one_or_three(save):
    with pytest.raises(DataError, match="channels is 4"):
        read_image(save(Image.fromarray(GREY)), 4)


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("I;16", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)]
)
def test_grey_or_coloured_by_the_header(save, mode, channels):
    assert read_channels(save(Image.new(mode, (2, 2)))) == channels


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "webp", "tiff", "pgm", "ppm"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_file_gives_the_same_pixels(save, suffix, channels):
    options = {"webp": {"lossless": True}}.get(suffix, {})
    picture = Image.fromarray(GREY).convert("L" if suffix == "pgm" or channels == 1 else "RGB")
    path = save(picture, f"picture.{suffix}", **options)
    assert read_image(path, channels).tolist() == [GREY.tolist()] * channels


def test_one_bit_and_sixteen_bits_of_other_kinds(save, tmp_path):
    assert read_image(save(Image.fromarray(GREY > 60), "picture.pbm"), 1).tolist() == [[[0, 0], [255, 255]]]
    deep = GREY.astype(np.uint16) * 257
    assert read_image(save(Image.fromarray(deep), "picture.tiff"), 1).tolist() == [GREY.tolist()]
    (tmp_path / "deep.pgm").write_bytes(b"P5 2 2 65535\n" + deep.astype(">u2").tobytes())
    assert read_image(tmp_path / "deep.pgm", 1).tolist() == [GREY.tolist()]


def test_floats_of_a_file_are_0_to_1_or_0_to_255(save):
    for values in (GREY / np.float32(255), GREY.astype(np.float32)):
        assert read_image(save(Image.fromarray(values), "picture.tiff"), 1).tolist() == [GREY.tolist()]
        assert read_channels(save(Image.fromarray(values), "picture.tiff")) == 1
    with pytest.raises(DataError, match="picture.tiff: its pixels are floating-point numbers beyond 0 to 255"):
        read_image(save(Image.fromarray(GREY - np.float32(90)), "picture.tiff"), 1)


@pytest.mark.parametrize("suffix", ["tiff", "ppm", "webp", "bmp", "gif"])
def test_noise_in_a_file_never_gives_another_error_nor_a_warning(save, suffix):
    rng = np.random.default_rng(9)
    picture = Image.fromarray(rng.integers(0, 256, (9, 8, 3), dtype=np.uint8))
    path = save(picture, f"picture.{suffix}")
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    refused = 0
    for _ in range(150):
        hurt = whole.copy()
        hurt[rng.integers(0, min(len(hurt), rng.choice([20, 1000])), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(hurt.tobytes()[: rng.integers(1, 4 * len(hurt))])
        for read in (read_size, read_channels, lambda file: read_image(file, 3, (8, 8))):
            try:
                read(path)
            except DataError:
                refused += 1
    assert refused > 50
