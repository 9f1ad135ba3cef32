"""Tables that name picture files."""

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import csv
from gpucnn.errors import DataError

WORDS = ["cat", "dog"] * 6


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures in two folders, the k-th of the grey value 10 k; returns the folder and their names below it."""
    names = []
    for k, word in enumerate(WORDS):
        names.append(f"{'ab'[k % 2]}/{k}_{word[0]}.png")
        (tmp_path / names[-1]).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 3), 10 * k).save(tmp_path / names[-1])
    return tmp_path, names


def rows(*columns, header=None) -> str:
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join(([header] if header else []) + lines) + "\n"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (lambda names: rows(names, WORDS), {}),
        (lambda names: rows(WORDS, names), {}),
        (lambda names: rows(names, WORDS, header="file,label"), {}),
        (lambda names: rows(names, WORDS, header="picture,kind"), {"header": True}),
        (lambda names: rows([name.rpartition("/")[2] for name in names], WORDS, header="id,breed"), {"header": True}),
        (lambda names: rows([name[2:-4] for name in names], WORDS, header="id,label"), {}),
        (lambda names: rows([name.replace("/", "\\") for name in names], WORDS), {}),
        (lambda names: rows(range(12), names, WORDS, header=",file,label"), {}),
        (lambda names: rows(names, range(12), WORDS, header="file,age,kind"), {"label": "kind"}),
        (lambda names: rows(names, [word == "dog" and 2 or 1 for word in WORDS], header="file,label"),
         {"class_names": ("cat", "dog")}),
    ],
)  # fmt: skip
def test_pictures_are_read_in_the_order_of_the_table(pictures, text, options):
    folder, names = pictures
    path = folder / "labels.csv"
    path.write_text(text(names))
    source = csv.load(path, channels=1, **options)
    assert source.train.class_names == ("cat", "dog")
    assert source.train.image_shape == (1, 3, 4) and source.from_files
    values = np.concatenate([part.images[:, 0, 0, 0] for part in (source.train, source.test)]).tolist()
    labels = np.concatenate([part.labels for part in (source.train, source.test)]).tolist()
    assert sorted(zip(values, labels, strict=True)) == [(10 * k, k % 2) for k in range(12)]
    assert csv.peek(path, channels=1, **options) == ((1, 3, 4), 2)
    assert csv.load(path, size=8, **options).train.image_shape == (3, 8, 8)


def test_the_folder_may_be_another_than_the_tables(pictures, tmp_path_factory):
    folder, names = pictures
    path = tmp_path_factory.mktemp("tables") / "labels.csv"
    path.write_text(rows(names, WORDS))
    assert csv.peek(path, pictures=folder) == ((3, 3, 4), 2)
    assert len(csv.load(path, path, pictures=folder).test) == 12
    with pytest.raises(DataError, match=r"line 1: column 0 names 'a/0_c.png', and below .* there is no such picture"):
        csv.load(path)


def test_faults_are_told(pictures):
    folder, names = pictures
    path = folder / "labels.csv"
    path.write_text(rows(names, WORDS, range(12)))
    with pytest.raises(DataError, match="column 0 names pictures, and the label may be any of the other 2 columns"):
        csv.peek(path)
    Image.new("L", (4, 3)).save(folder / "a" / "1_d.png")
    path.write_text(rows([name.rpartition("/")[2] for name in names], WORDS))
    with pytest.raises(DataError, match="line 2: column 0 names '1_d.png', and below .* 2 pictures are called so"):
        csv.load(path)
    Image.new("L", (5, 3)).save(folder / names[1])
    path.write_text(rows(names, WORDS))
    with pytest.raises(DataError, match="1_d.png is 3 x 5 .* but the first picture is 3 x 4. Give size"):
        csv.load(path)
    path.write_text(rows(names, ["cat"] * 12))
    with pytest.raises(DataError, match=r"column 1, taken as the label, holds 'cat' only"):
        csv.peek(path)
