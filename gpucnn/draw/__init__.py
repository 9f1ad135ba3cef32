"""A page to draw on, which shows a trained network's prediction while one draws."""

from gpucnn.draw.answers import Reader
from gpucnn.draw.server import DrawServer

__all__ = ["DrawServer", "Reader"]
