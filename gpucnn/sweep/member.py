"""The process of one run of a sweep: `gpucnn train`, which stops with a checkpoint when the sweep's process ends.

`python -m gpucnn.sweep.member train CONFIG ...` holds its standard input open. The sweep closes the other end to stop
the run; where the sweep is killed, the system closes it.
"""

import os
import runpy
import signal
import threading


def main() -> None:
    """Run the command line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it as ignored
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    runpy.run_module("gpucnn", run_name="__main__")


def _stop_at_end_of_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
