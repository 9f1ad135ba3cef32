"""A command that several processes run together: rank 0 speaks, and a fault of one ends all."""

import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable

from gpucnn.cli import failure
from gpucnn.parallel import Communicator, start


def together(command: Callable[[Communicator], int]) -> int:
    """Run `command` in this process, and in those that were started with it; returns the exit code.

    Only rank 0 prints. An error that all have in common is reported by it, as if it were alone; one of a single process
    by that process, with its rank, and then all end.
    """
    communicator = start()
    if communicator.size == 1:
        return command(communicator)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # mpirun sends it for Ctrl-C
    with contextlib.ExitStack() as silence:
        own = sys.stderr
        if communicator.rank:
            nowhere = silence.enter_context(open(os.devnull, "w"))  # noqa: PTH123  (no file's name)
            silence.enter_context(contextlib.redirect_stdout(nowhere))
            silence.enter_context(contextlib.redirect_stderr(nowhere))
        try:
            code = command(communicator)
            communicator.timeout = math.inf  # for rank 0 may draw the report for long
            communicator.gather(None)  # the others wait here, and leave their core to it
            return code
        except BaseException as error:
            message, code = failure(error)
            if communicator.all_failed(error):
                if communicator.rank == 0:
                    raise
                return code
            print(f"{communicator.name(communicator.rank)}: {message}", file=own, flush=True)
            communicator.abort(code)
