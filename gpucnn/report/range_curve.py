"""The picture of a learning rate range test."""

from typing import TYPE_CHECKING

from gpucnn.report.figures import BLUE, GREY, VERMILION, new_figure
from gpucnn.training.range_test import RangeTest

if TYPE_CHECKING:
    from gpucnn.report.canvas import Picture


def plot_range(found: RangeTest) -> "Picture":
    """The loss over the learning rate, its running mean, and the rate that is named."""
    figure = new_figure(8, 5)
    panel = figure.panel(left=0.85, top=0.45, width=7.0, height=3.9)
    panel.plot(found.rates, found.losses, ".", color=GREY, markersize=3, label="loss of each update's images")
    panel.plot(found.rates, found.means, color=BLUE, label="running mean")
    if found.suggestion is not None:
        panel.axvline(found.suggestion, color=VERMILION, linestyle="--", label=f"{found.suggestion:.2g}, to begin with")
    panel.set_xscale("log")
    panel.set_xlabel("learning rate")
    panel.set_ylabel("mean loss per image")
    panel.set_ylim(0.9 * min(found.losses), 1.1 * max(found.means))
    panel.grid(color="0.9")
    panel.legend()
    figure.suptitle("Learning rate range test")
    return figure
