"""The report of a run, served while it trains."""

from gpucnn.live.server import LiveServer
from gpucnn.live.watch import Watch

__all__ = ["LiveServer", "Watch"]
