"""Kernels, feature maps and any confusion matrix as figures; how tiles are laid out."""

import numpy as np
import pytest

from gpucnn import InputError, Tensor, nn, no_grad
from gpucnn.report import plot_confusion, plot_feature_maps, plot_kernels
from gpucnn.report.feature_maps import value_range
from gpucnn.report.kernels import largest_weight
from gpucnn.report.pixels import quantised
from gpucnn.report.tiles import flat_tiles, mosaic


def network() -> nn.Sequential:
    block = nn.Residual(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), block, nn.Flatten(), nn.Linear(4 * 36, 10))


def test_all_kernels_share_one_scale_symmetric_about_0() -> None:
    net = network()
    largest = max(float(np.abs(net[0].weight.numpy()).max()), float(np.abs(net[2][0].weight.numpy()).max()))
    figure = plot_kernels(net)
    panels = [panel for panel in figure.axes if panel.images]
    assert [panel.images[0].get_clim() for panel in panels] == [(-largest, largest)] * 2
    assert figure.axes[-1].get_xlabel() == "weight; one scale for all kernels"
    assert [panel.get_title(loc="left") for panel in panels] == [
        "layer 0 (conv2d): 4 outputs × 1 inputs of 3 × 3",
        "layer 2.0 (conv2d): 4 outputs × 4 inputs of 3 × 3",
    ]


def test_kernels_stand_in_the_column_of_their_output_and_the_row_of_their_input() -> None:
    layer = nn.Conv2d(2, 3, 2)
    (panel,) = [panel for panel in plot_kernels(layer).axes if panel.images]
    picture, weight = panel.images[0].get_array(), layer.weight.numpy()
    assert picture.shape == (2 * 3 - 1, 3 * 3 - 1)
    for output in range(3):
        for given in range(2):
            np.testing.assert_array_equal(
                picture[3 * given : 3 * given + 2, 3 * output : 3 * output + 2], weight[output, given]
            )


@pytest.mark.parametrize(
    "layer", [nn.Conv1d(2, 3, 5), nn.Conv3d(1, 2, 3), nn.Conv2d(512, 512, 3)], ids=lambda x: x.kind
)
def test_kernels_of_every_kind_have_a_picture_of_bounded_size(layer) -> None:
    figure = plot_kernels(layer)
    assert figure.png().startswith(b"\x89PNG") and max(figure.get_size_inches()) < 12


def test_a_network_without_kernels_is_told() -> None:
    with pytest.raises(InputError, match="no convolution in this Sequential"):
        plot_kernels(nn.Sequential(nn.Linear(2, 2)))


def test_feature_maps_are_what_the_layers_give() -> None:
    net, image = network().eval(), np.random.default_rng(0).normal(size=(1, 8, 8)).astype(np.float32)
    figure = plot_feature_maps(net, image)
    titles = [panel.get_title(loc="left").partition(":")[0] for panel in figure.axes]
    assert titles == ["layer 0 (conv2d)", "layer 1 (relu)", "layer 2.0 (conv2d)", "layer 2.1 (relu)",
                      "layer 2 (residual)", "layer 4 (linear)"]  # fmt: skip
    with no_grad():
        expected = net[:3](Tensor(image[None])).numpy()[0]  # behind the block
    shown = figure.axes[4].images[0]
    np.testing.assert_allclose(shown.get_array()[:, 7:13], expected[1], rtol=1e-6)
    assert shown.get_clim()[1] == pytest.approx(expected.max())
    assert net.training is False


def test_scales_begin_at_0_or_are_symmetric_and_titles_tell_them() -> None:
    figure = plot_feature_maps(network(), np.ones((1, 8, 8), np.float32))
    for panel in figure.axes:
        low, high = panel.images[0].get_clim()
        words = f"{low:.3g} (blue) to {high:.3g} (red)" if low else f"0 (dark) to {high:.3g} (bright)"
        assert low in (0, -high) and words in panel.get_title(loc="left")


def test_512_maps_are_cut_to_64_and_the_title_says_so() -> None:
    figure = plot_feature_maps(nn.Sequential(nn.Conv2d(1, 512, 3)), np.ones((1, 28, 28), np.float32))
    assert "512 maps of 26 × 26, 64 shown" in figure.axes[0].get_title(loc="left")
    assert max(figure.get_size_inches()) < 12


def test_what_is_no_image_or_no_chain_of_layers_is_told() -> None:
    with pytest.raises(InputError, match=r"expected one image \(C, H, W\)"):
        plot_feature_maps(network(), np.ones((2, 1, 8, 8, 8), np.float32))
    with pytest.raises(InputError, match="give an nn.Sequential"):
        plot_feature_maps(nn.Conv2d(1, 1, 1), np.ones((1, 8, 8), np.float32))


def test_any_confusion_matrix_is_drawn_with_names_or_numbers() -> None:
    figure = plot_confusion([[3, 1], [0, 2]])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["0", "1"]
    assert figure.get_suptitle() == "5 of 6 test images classified correctly"
    assert plot_confusion(np.eye(2, dtype=int), ["cat", "dog"]).axes[0].get_yticklabels()[1].get_text() == "dog"
    for wrong, words in (([[1, 2]], "whole numbers"), ([[0.5, 1], [1, 1]], "whole numbers")):
        with pytest.raises(InputError, match=words):
            plot_confusion(wrong)
    with pytest.raises(InputError, match="1 class names for 2 classes"):
        plot_confusion(np.eye(2, dtype=int), ["cat"])


def test_a_notebook_shows_a_figure() -> None:
    assert plot_kernels(nn.Conv2d(1, 1, 3))._repr_png_().startswith(b"\x89PNG")


def test_tiles_of_every_number_of_axes() -> None:
    assert flat_tiles(np.ones(3)).shape == (3, 1, 1)
    assert flat_tiles(np.ones((3, 5))).shape == (3, 1, 5)
    volume = flat_tiles(np.arange(2 * 2 * 3).reshape(1, 2, 2, 3))
    assert volume.shape == (1, 2, 7) and np.isnan(volume[0, :, 3]).all()
    np.testing.assert_array_equal(volume[0, 1, 4:], [9, 10, 11])
    joined = mosaic(np.ones((3, 2, 2)), columns=2)
    assert joined.shape == (5, 5) and np.isnan(joined).sum() == 25 - 12


def test_numbers_that_are_not_finite_spoil_no_picture() -> None:
    net = network()
    net[0].weight.data[0], net[0].weight.data[1, 0, 0, 0] = np.nan, np.inf
    assert 0 < largest_weight([net[0]]) < 1
    assert quantised(np.array([np.nan, -np.inf, np.inf, 0.5]), -1, 1).tolist() == [0, 0, 255, 191]
    assert value_range(np.array([np.nan, np.inf, 2.0, -3.0])) == (-3.0, 3.0)
    assert plot_kernels(net).png() and plot_feature_maps(nn.Sequential(nn.ReLU()), np.full((1, 4, 4), np.inf)).png()
