"""What all pictures share: figures, colours, shortened names."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpucnn.report.canvas import Picture

RESOLUTION = 120  # pixels per inch
# Blue and vermilion stay apart for colour-blind readers (Okabe and Ito, "Color Universal Design", 2008).
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#444444"
# matplotlib's maps: one whose lightness rises evenly, and one for signs, white at 0.
MAGNITUDES, SIGNED = "cividis", "RdBu_r"
# Okabe and Ito's other colours, for curves of several runs; those too light for a page are darkened.
SERIES = (BLUE, VERMILION, "#009E73", "#CC79A7", "#B8860B", "#3A9BD6", "#8C6BB1", "#7F7F7F")
LONGEST_NAME = 24  # characters


def new_figure(width: float, height: float) -> "Picture":
    """An empty figure of a size in inches."""
    from gpucnn.report.canvas import Picture

    return Picture(width, height, RESOLUTION)


def short(name: str) -> str:
    """A name, shortened if it is too long for a picture."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
