"""im2col and col2im, each by what the other says."""

import numpy as np
import pytest

from gpucnn.geometry import make_window
from gpucnn.kernels.numpy.conv import col2im, padded, window_view


@pytest.mark.parametrize(
    ("sizes", "options"),
    [
        ((6, 5), {"kernel": (3, 2)}),
        ((6, 5), {"kernel": 3, "stride": 2, "padding": 1}),
        ((7, 6), {"kernel": (2, 3), "stride": (3, 1), "padding": ((2, 0), (0, 1)), "dilation": (1, 2)}),
        ((9,), {"kernel": 4, "padding": "same", "dilation": 2}),
        ((4, 3, 5), {"kernel": 2, "stride": (1, 2, 3), "padding": 1}),
        ((4, 4), {"kernel": 1, "stride": 3}),
    ],
)
def test_col2im_is_the_transpose_of_im2col(sizes, options, rng):
    """<im2col(x), c> = <x, col2im(c)> for every x and c."""
    window = make_window("window", sizes, **options)
    x = rng.standard_normal((3, *sizes, 2))
    columns = window_view(padded(x, window, 0.0), window, window.output_sizes(sizes))
    weights, back = rng.standard_normal(columns.shape), np.full(x.shape, np.nan)
    col2im(weights, window, back)
    np.testing.assert_allclose((columns * weights).sum(), (x * back).sum(), rtol=1e-12)


def test_columns_hold_what_the_window_sees():
    x = np.arange(12.0).reshape(1, 3, 4, 1)
    window = make_window("window", (3, 4), 2, 1, ((0, 1), (0, 0)))
    columns = window_view(padded(x, window, -1.0), window, (3, 3))
    assert columns.shape == (1, 2, 2, 3, 3, 1)
    assert columns[0, :, :, 0, 0, 0].tolist() == [[0, 1], [4, 5]]
    assert columns[0, :, :, 2, 1, 0].tolist() == [[9, 10], [-1, -1]]
