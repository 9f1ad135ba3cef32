"""The wall time and peak memory of a command: `python -m bench.timed COMMAND...` prints them as JSON.

A small program of its own, because Linux counts towards a process's peak what its parent held when it started it.
Ends with the command's own exit code where that is not 0.
"""

import json
import os
import subprocess
import sys
import time

from bench.clock import rusage_mib


def main() -> int:
    """Run the command; its output goes to standard error, the figures to standard output."""
    start = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if process.returncode == 0:
        print(json.dumps({"seconds": seconds, "peak_MiB": rusage_mib(usage)}))
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
