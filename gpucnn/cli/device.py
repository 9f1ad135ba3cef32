"""Which device a command computes on, and a configuration that is checked before there is one."""

import os
import sys
from collections.abc import Iterable

from gpucnn import backend
from gpucnn.config.check import Checked, load_config
from gpucnn.config.schema import Config
from gpucnn.kernels import choice
from gpucnn.kernels.cuda import precision


def accept_config(config: str, overrides: Iterable[str] = ()) -> Checked:
    """The configuration, found right on the CPU: its faults are to be told before those of the device."""
    backend.set_device("cpu")
    return load_config(config, overrides)


def choose_device(option: str | None, config: Config) -> backend.Device:
    """Make the device current that --device names, else GPUCNN_DEVICE, else the configuration, with its precision.

    Where `auto` comes to the CPU, one line says why, and one where the precision is for a GPU alone. Raises DeviceError
    for a device that cannot be had, InputError for an unknown GPUCNN_KERNELS.
    """
    choice.choose(choice.requested())
    name = option or os.environ.get("GPUCNN_DEVICE") or config.device
    device = backend.set_device(name)
    if name == "auto" and device.kind == "cpu":
        print(f"device auto: computing on the CPU, since {backend.why_no_gpu()}", file=sys.stderr)
    if device.kind == "cpu" and config.precision != "float32":
        print(f"precision {config.precision}: a CPU multiplies float32 as it is", file=sys.stderr)
    precision.set(config.precision)
    return device
