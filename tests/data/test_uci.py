"""The digits inside the package: the right ones, enlarged by the book."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gpucnn.data import uci

ROOT = Path(__file__).parents[2]


def test_the_split_is_fixed_and_stratified():
    source = uci.load()
    assert (len(source.train), len(source.test)) == (1437, 360)
    # UCI's counts of the digits 0 to 9 in its test set: 178, 182, 177, 183, 181, 182, 181, 179, 174, 180
    counts = source.train.class_counts + source.test.class_counts
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert set(source.test.class_counts.tolist()) <= {35, 36, 37}
    assert uci.peek() == (source.train.image_shape, len(source.train.class_names)) == ((1, 28, 28), 10)


def test_the_pixels_are_scikit_learns():
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    by_label = np.argsort(digits.target, kind="stable")
    tested = np.sort(by_label[::5])
    assert np.array_equal(uci.load().test.images, uci.enlarge(digits.images[tested]))
    assert np.array_equal(uci.load().test.labels, digits.target[tested])


def test_enlarging_is_bilinear_with_a_margin():
    digit = np.random.default_rng(0).integers(0, 17, (1, 8, 8), dtype=np.uint8)
    large = uci.enlarge(digit)
    assert large.shape == (1, 1, 28, 28)
    inner = large[0, 0, 4:24, 4:24]
    assert large.sum() == inner.sum()
    by_pillow = Image.fromarray(digit[0].astype(np.float32) * 255 / 16).resize((20, 20), Image.Resampling.BILINEAR)
    assert np.abs(inner - np.asarray(by_pillow)).max() <= 0.5 + 1e-3
    assert (uci.enlarge(np.full((1, 8, 8), 16))[0, 0, 4:24, 4:24] == 255).all()


def test_the_tool_makes_the_file_that_is_shipped(tmp_path):
    pytest.importorskip("sklearn")
    made = tmp_path / "digits.npz"
    subprocess.run([sys.executable, ROOT / "tools" / "make_digits.py", made], cwd=ROOT, check=True, timeout=60)
    with np.load(made) as ours, np.load(uci.FILE) as shipped:
        assert sorted(ours) == sorted(shipped) == ["images", "labels"]
        assert all(np.array_equal(ours[name], shipped[name]) for name in ours)
    assert uci.FILE.stat().st_size <= 60_000


def test_source_and_licence_stand_beside_the_file():
    text = (uci.FILE.parent / "README.md").read_text()
    for fact in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0", "Changes"):
        assert fact in text
