"""Reports: pages on runs, and pictures of networks and runs. matplotlib is imported when the first is drawn."""

from gpucnn.report.confusion import plot_confusion
from gpucnn.report.curves import plot_curves
from gpucnn.report.feature_maps import plot_feature_maps
from gpucnn.report.kernels import plot_kernels
from gpucnn.report.page import COMPARISON, write_comparison, write_report
from gpucnn.report.subject import Subject

__all__ = [
    "COMPARISON",
    "Subject",
    "plot_confusion",
    "plot_curves",
    "plot_feature_maps",
    "plot_kernels",
    "write_comparison",
    "write_report",
]
