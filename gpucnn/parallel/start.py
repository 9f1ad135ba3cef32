"""How this process was started: by itself, or as one of several, by mpirun, srun, torchrun or what is like them."""

import importlib.metadata
import os
from typing import Any

from gpucnn.backend import load_cupy
from gpucnn.errors import InputError
from gpucnn.parallel.communicator import ALONE, Communicator

SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")  # set by what starts processes


def start() -> Communicator:
    """The processes that were started together with this one; ALONE where nothing says that there are others.

    Torchrun's variables say more than those of what may have started torchrun, and are looked at first. Raises
    InputError where there are others and mpi4py is not installed, or finds another number of them, and for variables
    that are wrong; TrainingError where others do not come.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ:
        from gpucnn.parallel.tcp import Tcp
        from gpucnn.parallel.torchrun import place

        return Tcp(place())
    name = next((name for name in SIZES if os.environ.get(name, "1") != "1"), None)
    if name is None:
        return ALONE
    asked = os.environ[name]
    mpi = _load_mpi(f"{asked} processes were started together ({name})")
    from gpucnn.parallel.mpi import Mpi

    world = mpi.COMM_WORLD
    if str(world.Get_size()) != asked:
        raise InputError(
            f"{asked} processes were started together ({name}), and mpi4py sees {world.Get_size()}: it is built for "
            f"another MPI ({_first_line(mpi.Get_library_version())}), or srun was not told which (--mpi=pmix). Use the "
            "mpirun of that MPI, or install mpi4py anew: pip install --no-binary mpi4py --force-reinstall mpi4py"
        )
    return Mpi(world)


def _load_mpi(why: str) -> Any:
    """The module mpi4py.MPI, which initialises MPI. Raises InputError."""
    try:
        import mpi4py

        mpi4py.rc.thread_level = "funneled"  # one thread alone calls MPI
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: the library of MPI is not found
        raise InputError(
            f"{why}, which needs MPI: {_first_line(str(error))}. Install it, such as: apt-get install openmpi-bin "
            "libopenmpi-dev; pip install 'gpucnn[mpi]'"
        ) from None
    return MPI


def describe_mpi() -> str:
    """The MPI that mpi4py finds, or why there is none. MPI is not initialised."""
    try:
        import mpi4py

        mpi4py.rc.initialize = False
        from mpi4py import MPI

        return f"{_first_line(MPI.Get_library_version())}, mpi4py {importlib.metadata.version('mpi4py')}"
    except (ImportError, RuntimeError) as error:
        return f"none: {_first_line(str(error))}"


def describe_nccl() -> str:
    """The NCCL that CuPy finds, or why there is none."""
    try:
        nccl = load_cupy().cuda.nccl
        if not nccl.available:
            return "none: CuPy does not find it; pip install nvidia-nccl-cu13 (or -cu12)"
        version = nccl.get_version()  # 22809 is 2.28.9
        return f"{version // 10000}.{version // 100 % 100}.{version % 100}"
    except (ImportError, AttributeError, RuntimeError) as error:
        return f"none: {_first_line(str(error))}"


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip("\0") if text.strip() else "no cause is given"
