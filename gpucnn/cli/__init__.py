"""The command line: `gpucnn COMMAND ...`. A command's modules are imported when it runs, so that help is fast."""

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence

from gpucnn.cli.arguments import parse
from gpucnn.errors import ConfigError, DataError, DeviceError, InputError, TrainingError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)
# The page of the docs that says more of an error, by its class.
PAGES: dict[type[BaseException], str] = {
    ConfigError: "docs/usage.md",
    DataError: "docs/data.md",
    DeviceError: "docs/usage.md#kernels-threads-memory-a-gpu",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 2 wrong input, 1 anything else, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the terminal may not show a file name
    try:
        parsed = parse(arguments)
        code = parsed.run(parsed)
        sys.stdout.flush()  # raises BrokenPipeError if the reader has gone
        return code or DONE
    except BrokenPipeError:
        code = FAILED
    except (KeyboardInterrupt, InputError, TrainingError, MemoryError, OSError) as error:
        code = _report(error)
    _drop_what_cannot_be_written()
    return code


def _drop_what_cannot_be_written() -> None:
    """Keep the interpreter's last flush from failing once more, which would change the exit code of a failure."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def failure(error: BaseException) -> tuple[str, int]:
    """The message and the exit code of an error that ends a command; a traceback for one that is not foreseen."""
    match error:
        case KeyboardInterrupt():
            return "interrupted", INTERRUPTED
        case InputError():
            return str(error), WRONG_INPUT
        case TrainingError():
            return f"training stopped: {error}", FAILED
        case MemoryError():
            return f"out of memory: {error}; take a smaller train.batch_size or a smaller network", FAILED
        case OSError():
            return _system_error(error)
    return "".join(traceback.format_exception(error)), FAILED


def _system_error(error: OSError) -> tuple[str, int]:
    """Message and exit code of an error of the system: a full disk is a failure, an unusable path wrong input."""
    if error.errno in DISK_FULL:
        where = f" while writing {error.filename}" if error.filename else ""
        mend = "free some space and try again; continue a run that has begun with --resume"
        return f"the disk is full{where}: {error.strerror}; {mend}", FAILED
    path = error.filename or "a file"
    if error.errno in FORBIDDEN:
        return f"{path}: {error.strerror}; give another path, or change its permissions", WRONG_INPUT
    if error.errno in WRONG_PATH:
        return f"{path}: {error.strerror}; give another path", WRONG_INPUT
    return f"the system refused: {error}", FAILED


def _report(error: BaseException) -> int:
    """Print the message; on a terminal with the page that says more, if there is one. Returns the exit code."""
    message, code = failure(error)
    print(message, file=sys.stderr)
    page = PAGES.get(type(error))
    if page is not None and sys.stderr.isatty():
        print(f"see {page}", file=sys.stderr)
    return code
