"""A page to draw on: what a trained network makes of a drawing while it is drawn."""

from gpucnn.draw.answers import Reader
from gpucnn.draw.server import DrawServer

__all__ = ["DrawServer", "Reader"]
