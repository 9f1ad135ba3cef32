"""Pictures of a run. matplotlib is imported when the first is drawn."""

from gpucnn.report.plots import plot_confusion, plot_curves, write_pictures

__all__ = ["plot_confusion", "plot_curves", "write_pictures"]
