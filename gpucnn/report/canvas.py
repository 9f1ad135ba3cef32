"""matplotlib's figure without windows; in a file of its own, since importing matplotlib is slow."""

import io
import warnings
from typing import Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class Picture(Figure):
    """A figure on an Agg canvas: no pyplot, no window, nothing to close. A notebook shows it as the last of a cell."""

    def __init__(self, width: float, height: float, layout: Literal["constrained", "compressed"], dpi: int) -> None:
        """width, height: inches."""
        super().__init__((width, height), dpi=dpi, layout=layout)
        FigureCanvasAgg(self)

    def png(self) -> bytes:
        """The figure as the bytes of a PNG."""
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")  # class names in other scripts show boxes
            self.savefig(buffer, format="png")
        return buffer.getvalue()

    def _repr_png_(self) -> bytes:
        """The figure as a notebook shows it."""
        return self.png()
