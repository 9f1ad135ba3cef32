"""Sweeps: many runs of one configuration with other options, each in a run folder of its own, ranked on one page."""

from gpucnn.sweep.folder import Member, Sweep
from gpucnn.sweep.grid import Plan
from gpucnn.sweep.page import write_page
from gpucnn.sweep.run import Local, run_sweep

__all__ = ["Local", "Member", "Plan", "Sweep", "run_sweep", "write_page"]
