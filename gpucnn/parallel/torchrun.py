"""The variables of torchrun, and of what starts processes as it does."""

import os

from gpucnn.errors import InputError
from gpucnn.parallel.tcp import Place

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
LAST_PORT = 65535


def place() -> Place:
    """The place that the variables give this process. Raises InputError for one that is missing or wrong."""
    if missing := [name for name in VARIABLES if not os.environ.get(name)]:
        raise InputError(
            f"WORLD_SIZE is {os.environ.get('WORLD_SIZE')}, and {' and '.join(missing)} not set: processes that "
            f"torchrun or the like starts have {', '.join(VARIABLES)}. Unset WORLD_SIZE to train in one process"
        )
    size = _whole("WORLD_SIZE", 1)
    rank, port = _whole("RANK", 0, size - 1), _whole("MASTER_PORT", 1, LAST_PORT - 1)
    local_rank = _whole("LOCAL_RANK", 0) if os.environ.get("LOCAL_RANK") else None
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        port += 1  # torchrun itself listens at the other
    key = os.environ.get("TORCHELASTIC_RUN_ID", "").encode()
    return Place(rank, size, os.environ["MASTER_ADDR"], port, key, local_rank)


def _whole(name: str, least: int, most: int | None = None) -> int:
    """A variable that is a whole number. Raises InputError."""
    text = os.environ[name]
    if not text.isdecimal() or int(text) < least or most is not None and int(text) > most:
        expected = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise InputError(f"{name} is {text}; expected a whole number {expected}")
    return int(text)
