"""Which kind of steps trains on which batches."""

from typing import Any

from gpucnn import backend
from gpucnn.data.loader import Batches, Loader
from gpucnn.data.resident import why_not_resident
from gpucnn.kernels import dispatch
from gpucnn.training.captured import CapturedSteps
from gpucnn.training.captured_shares import CpuShares, GpuShares
from gpucnn.training.shared_steps import SharedSteps
from gpucnn.training.shares import Shares
from gpucnn.training.step import HostSteps, Step

Steps = HostSteps | SharedSteps | CapturedSteps


def steps_over(step: Step, batches: Batches, shares: Shares, capture: bool) -> Steps:
    """The steps over the batches: captured, with the data set on the device, if the batches are a Loader's.

    On a GPU the data set lies there too where `capture` is off.
    """
    on_gpu, several = backend.device().kind == "cuda", shares.communicator.size > 1
    if _why_not_here(batches, capture or on_gpu) or not isinstance(batches, Loader):
        return SharedSteps(step, batches, shares) if several else HostSteps(step, batches)
    if not several:
        return CapturedSteps(step, batches, capture)
    return GpuShares(step, batches, shares, capture) if on_gpu else CpuShares(step, batches, shares)


def why_one_by_one(steps: Steps, batches: Any, capture: bool) -> str | None:
    """Why steps run one by one, in one line; None where they are captured."""
    return steps.reason if isinstance(steps, CapturedSteps) else _why_not_here(batches, capture)


def _why_not_here(batches: Any, capture: bool) -> str | None:
    """Why no step over the batches is captured, whatever the network and the loss are."""
    on_gpu = backend.device().kind == "cuda"
    if (dispatch.asked() if on_gpu else dispatch.chosen()) == "numpy":
        return "the kernels are NumPy's"
    if not capture:
        return "capture is off"
    if not isinstance(batches, Loader):
        return f"the batches are of {type(batches).__name__}, not of a Loader"
    return why_not_resident(batches)
