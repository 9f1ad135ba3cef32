"""The device of a command, and the check of a configuration before the device is chosen."""

import os
import sys
from collections.abc import Iterable

from gpucnn import backend
from gpucnn.config.check import Checked, load_config
from gpucnn.config.schema import Config
from gpucnn.kernels import dispatch
from gpucnn.kernels.cuda import precision
from gpucnn.parallel import ALONE, Communicator
from gpucnn.parallel.nccl import own_gpu


def accept_config(config: str, overrides: Iterable[str] = ()) -> Checked:
    """The checked configuration. It is checked on the CPU, so that its faults are reported before the device's."""
    backend.set_device("cpu")
    return load_config(config, overrides)


def choose_device(option: str | None, config: Config, among: Communicator = ALONE) -> backend.Device:
    """Select the device that --device names, else GPUCNN_DEVICE, else the configuration, and the precision.

    Of processes that train together each takes a GPU of its own, unless a number is named. Prints a line if `auto`
    selects the CPU, with the reason, and one if the precision applies to GPUs only. Raises DeviceError for an
    unavailable device, InputError for an unknown GPUCNN_KERNELS.
    """
    dispatch.choose(dispatch.requested())
    name = option or os.environ.get("GPUCNN_DEVICE") or config.device
    device = backend.set_device(name)
    if device.kind == "cuda" and among.size > 1 and name in ("auto", "cuda"):
        device = backend.set_device(own_gpu(among.local_rank))
    if name == "auto" and device.kind == "cpu":
        print(f"device auto: computing on the CPU, since {backend.why_no_gpu()}", file=sys.stderr)
    if device.kind == "cpu" and config.precision != "float32":
        print(f"precision {config.precision}: a CPU multiplies float32 as it is", file=sys.stderr)
    precision.set(config.precision)
    return device
