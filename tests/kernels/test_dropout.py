"""Dropout in C draws what the reference draws; in CUDA by Philox4x32-10, whose published answers it gives."""

import numpy as np
import pytest

from gpucnn import backend, generators
from gpucnn.kernels.numpy import kernels as reference

DTYPES = ["float32", "float64"]
# Key, counter and words, each from the lowest to the highest 32 bits: those published with Random123 for this generator
KNOWN = [
    ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 4, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
]


def philox(key, counter):
    """J. Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, 2011: the generator in Python's whole numbers."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def kept(dropout, key, length, p):
    """Which elements remain, where draw_key gives that key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpucnn.kernels.cuda.activation.draw_key", lambda: key)
        x, scales, out = np.ones(length, "float32"), np.full(length, np.nan, "float32"), np.empty(length, "float32")
        dropout(x, scales, p, out)
    assert np.array_equal(scales, out)
    return out > 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("length", [1, 7, 16, 63, 8191, 150_001])
def test_in_c_it_is_the_references(compiled_c, length, dtype):
    x, p = np.random.default_rng(length).standard_normal(length).astype(dtype), 0.3
    results = []
    for kernels in (compiled_c.activation, reference.activation):
        scales, out, back = np.full_like(x, np.nan), np.empty_like(x), np.empty_like(x)
        generators.manual_seed(length)
        kernels.dropout(x, scales, p, out)
        kernels.dropout_backward(x, scales, back)
        results.append((scales, out, back))
    for found, expected in zip(*results, strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.parametrize(("key", "counter", "words"), KNOWN)
def test_the_judge_gives_the_published_answers(key, counter, words):
    assert philox(key, counter) == words


@pytest.mark.parametrize(("seed", "stream"), [(0, 0), (2**63 - 1, 0), (1 << 40 | 5, 2**33 + 7), (123456789, 3)])
def test_the_words_are_those_of_philox(cuda, seed, stream):
    """An element is kept from exactly its word on: below p = word / 2**32, or at it, but not above."""
    blocks, width = 2, 256  # elements: four to a thread, a block's width apart
    length = blocks * 4 * width
    for number, lane in [(0, 0), (0, 1), (0, 2), (0, 3), (17, 2), (width + 3, 1)]:
        element = number // width * 4 * width + lane * width + number % width
        counter = (number, 0, stream & 0xFFFFFFFF, stream >> 32)
        word = philox((seed & 0xFFFFFFFF, seed >> 32), counter)[lane]
        assert kept(cuda.activation.dropout, (seed, stream), length, word / 2**32)[element]
        assert not kept(cuda.activation.dropout, (seed, stream), length, (word + 1) / 2**32)[element]


@pytest.mark.parametrize("length", [1, 5, 1023, 1025, 5000])
def test_a_seed_in_device_memory_draws_the_same(cuda, length):
    there = backend.load_cupy().asarray(np.array([77]))
    drawn = [kept(cuda.activation.dropout, (seed, 2), length, 0.5) for seed in (77, there, 78)]
    assert np.array_equal(drawn[0], drawn[1])
    assert length < 100 or (drawn[0] != drawn[2]).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [0.1, 0.9])
def test_in_cuda_a_share_falls_and_the_rest_is_scaled(cuda, p, dtype):
    x, scales, out = (np.full(100_003, 2, dtype) for _ in range(3))
    cuda.activation.dropout(x, scales, p, out)
    np.testing.assert_allclose(np.unique(scales), [0, 1 / (1 - p)], rtol=1e-6)
    assert np.array_equal(out, 2 * scales)
    # Five standard deviations of a binomial share
    assert abs((scales == 0).mean() - p) < 5 * np.sqrt(p * (1 - p) / x.size)
    cuda.activation.dropout_backward(out, scales, x)
    assert np.array_equal(x, out * scales)
