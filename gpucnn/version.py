"""The version of gpucnn, also where it is not installed."""

__version__ = "0.2.0"
