"""matplotlib's figure without windows; in a file of its own, since importing matplotlib is slow."""

import contextlib
import io
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from PIL import Image

COMPRESSION = 3  # of PNG: a file 5 % larger than by 6, the usual, in 60 % of the time


class Picture(Figure):
    """A figure on an Agg canvas: no pyplot, no window, nothing to close. A notebook shows it as the last of a cell.

    Who draws on it says where: matplotlib's layout engines draw everything several times to find out.
    """

    def __init__(self, width: float, height: float, dpi: int) -> None:
        """width, height: inches."""
        super().__init__((width, height), dpi=dpi)
        FigureCanvasAgg(self)

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """New axes of a size in inches, their corner so far from the left and the top of the figure."""
        across, down = self.get_size_inches()
        return self.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    def width_of(self, texts: Iterable[str], points: float) -> float:
        """How many inches the widest of the texts takes, written in the usual font at this size."""
        measure, font = self.canvas.get_renderer().get_text_width_height_descent, FontProperties(size=points)  # type: ignore[attr-defined]
        with _boxes_for_missing_glyphs():
            return max((measure(text, font, False)[0] for text in texts), default=0.0) / self.dpi

    def png(self) -> bytes:
        """The figure as the bytes of a PNG."""
        buffer = io.BytesIO()
        with _boxes_for_missing_glyphs():
            self.canvas.draw()
        pixels = np.asarray(self.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "png", compress_level=COMPRESSION)
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        """The figure as a notebook shows it."""
        return self.png()


@contextlib.contextmanager
def _boxes_for_missing_glyphs() -> Iterator[None]:
    """Class names in scripts that the font has not show boxes, without warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield
