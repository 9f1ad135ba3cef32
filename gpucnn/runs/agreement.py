"""Whether processes that train together do the same work: versions, kernels, configuration and data."""

from dataclasses import dataclass

from gpucnn import backend
from gpucnn.data import Fingerprint
from gpucnn.errors import ConfigError, DataError, InputError
from gpucnn.parallel import Communicator
from gpucnn.runs.environment import kernels_name
from gpucnn.version import __version__


@dataclass(frozen=True)
class Work:
    """What a process is about to do."""

    version: str
    device: str  # cpu or cuda
    kernels: str
    config: str
    data: Fingerprint

    @classmethod
    def of(cls, config: str, data: Fingerprint) -> "Work":
        """The work of this process, by its configuration (YAML) and its data."""
        return cls(__version__, backend.device().kind, kernels_name(), config, data)


def check_agreement(communicator: Communicator, own: Work) -> None:
    """Raise InputError, in every process, where one is about to do other work than rank 0; it names that rank."""
    first, *others = communicator.gather(own)
    for rank, work in enumerate(others, 1):
        _compare(first, work, communicator.name(rank), communicator.name(0))


def _compare(first: Work, work: Work, name: str, first_name: str) -> None:
    if work.version != first.version:
        raise InputError(
            f"{name} runs gpucnn {work.version}, and {first_name} {first.version}; install one version everywhere"
        )
    if work.device != first.device:
        raise InputError(
            f"{name} computes on {work.device}, and {first_name} on {first.device}; give --device cpu, or as many GPUs "
            "as processes"
        )
    if work.kernels != first.kernels:
        raise InputError(
            f"{name} has the kernels {work.kernels}, and {first_name} {first.kernels}: results differ in the last "
            "digits, and the weights would drift apart. Set GPUCNN_KERNELS to one that all have, such as avx2 or numpy"
        )
    if work.config != first.config:
        raise ConfigError(
            f"{name} has another configuration than {first_name}; give one file that all processes read, and the same "
            "key=value"
        )
    if changed := first.data.differences(work.data):
        raise DataError(
            f"{name} has other data than {first_name}; there, and then here: {'; '.join(changed)}. Give every machine "
            "the same files (GPUCNN_DATA_DIR)"
        )
