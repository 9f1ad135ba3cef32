"""`gpucnn filter` from a picture to a picture, and what it refuses."""

import errno
import os

import numpy as np
import pytest
from PIL import Image

from gpucnn.cli import main

GREY = np.array([[0, 0, 60, 60]] * 3, np.uint8)
COLOUR = np.stack([GREY, GREY + 9, GREY[:, ::-1]], axis=-1)  # (3, 4, 3)


@pytest.fixture(autouse=True)
def pictures(tmp_path):
    Image.fromarray(GREY).save("grey.png")
    Image.fromarray(COLOUR).save("colour.png")
    return tmp_path


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def filtered(*arguments: str, out: str = "out.png") -> np.ndarray:
    assert main(["filter", *arguments, "--out", out]) == 0
    with Image.open(out) as picture:
        return np.asarray(picture)


def test_identity_gives_the_picture_back():
    for name, pixels in (("grey.png", GREY), ("colour.png", COLOUR)):
        assert np.array_equal(filtered(name, "--kernel", "identity"), pixels)


def test_blur_with_zero_and_edge_borders():
    assert filtered("grey.png", "--kernel", "blur", "--border", "edge").tolist() == [[0, 20, 40, 60]] * 3
    zero = filtered("grey.png", "--kernel", "blur")
    assert zero[1].tolist() == [0, 20, 40, 40] and zero[0].tolist() == [0, 13, 27, 27]  # 2/9 and 4/9 of 60 above


def test_channels_each_on_their_own_or_summed():
    apart = filtered("colour.png", "--kernel", "blur", "--border", "edge")
    assert apart[1].tolist() == [[0, 9, 60], [20, 29, 40], [40, 49, 20], [60, 69, 0]]
    assert (
        filtered("colour.png", "--kernel", "blur", "--border", "edge", "--summed").tolist() == [[69, 89, 109, 129]] * 3
    )


def test_values_beyond_black_and_white_are_cut_and_told(capsys):
    bright = 4 * GREY
    Image.fromarray(bright).save("bright.png")
    assert filtered("bright.png", "--kernel", "sharpen", "--border", "edge").tolist() == [[0, 0, 255, 240]] * 3
    assert capsys.readouterr().out == "out.png: 1 x 3 x 4, 50.0% of it beyond black or white and cut off there\n"


def test_a_kernel_from_a_file(pictures):
    (pictures / "shift.txt").write_text("0 0 1  # the pixel on the right\n")
    assert filtered("grey.png", "--kernel", "shift.txt", "--border", "edge").tolist() == [[0, 60, 60, 60]] * 3


def test_the_result_is_beside_the_picture_by_default(pictures, capsys):
    (pictures / "holidays").mkdir()
    Image.fromarray(COLOUR).save("holidays/cat.v2.jpg")
    assert main(["filter", "holidays/cat.v2.jpg", "--kernel", "edges"]) == 0
    assert capsys.readouterr().out.startswith("holidays/cat.v2-edges.png: 3 x 3 x 4")
    assert (pictures / "holidays/cat.v2-edges.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_grey_stays_grey_and_colour_colour(mode):
    Image.new(mode, (5, 4)).save("picture.png")
    assert filtered("picture.png", "--kernel", "blur").shape == ((4, 5, 3) if mode in ("P", "RGB", "RGBA") else (4, 5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nothing.png --kernel blur", "nothing.png: No such file"),
        (". --kernel blur", ". is not a file but a folder"),
        ("rows.txt --kernel blur", "rows.txt is not a picture; expected one of PNG"),
        ("grey.png --kernel blurr", "--kernel blurr: no such file, and no kernel of that name; did you mean blur?"),
        ("grey.png --kernel rows.txt", "rows.txt: line 2: 1 numbers, but the row before has 2"),
        ("grey.png --kernel grey.png", "grey.png: it is not text"),
        ("grey.png --kernel long.txt", "long.txt: it is larger than 65,536 bytes"),
        ("grey.png --kernel /dev/zero", "/dev/zero is not a file but a folder or a device"),
        ("grey.png --kernel blur --out x.jpg", "--out x.jpg: the picture is written as PNG"),
        ("grey.png --kernel blur --out no/x.png", "no/x.png: there is no folder no; make it"),
        ("grey.png --kernel blur --out folder.png", "folder.png: Is a directory"),
    ],
)
def test_wrong_input_is_one_message_and_leaves_nothing(arguments, words, pictures, fails):
    (pictures / "rows.txt").write_text("1 2\n3\n")
    (pictures / "long.txt").write_text("#" * 70_000)
    (pictures / "folder.png").mkdir()
    before = names(pictures)
    assert words in fails(2, "filter", *arguments.split())
    assert names(pictures) == before


def test_a_border_that_is_not_known(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["filter", "grey.png", "--kernel", "blur", "--border", "mirror"])
    assert stopped.value.code == 2 and "choose from" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_picture(pictures, fails, monkeypatch):
    filtered("grey.png", "--kernel", "identity")
    old = (pictures / "out.png").read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    assert "the disk is full while writing out.png" in fails(
        1, "filter", "grey.png", "--kernel", "blur", "--out", "out.png"
    )
    assert (pictures / "out.png").read_bytes() == old and names(pictures) == ["colour.png", "grey.png", "out.png"]
