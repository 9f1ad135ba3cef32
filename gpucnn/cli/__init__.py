"""The command line: `gpucnn COMMAND ...`. What a command needs is imported when it runs, so that help comes at once."""

import errno
import io
import os
import sys
from collections.abc import Sequence

from gpucnn.cli.arguments import parse
from gpucnn.errors import InputError, TrainingError

DONE, FAILED, WRONG_INPUT, INTERRUPTED = 0, 1, 2, 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 2 wrong input, 1 anything else, 130 after Ctrl-C."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal cannot show
    try:
        parsed = parse(arguments)
        code = parsed.run(parsed)
        sys.stdout.flush()  # a reader that has gone is noticed here
        return code or DONE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more
        return FAILED
    except KeyboardInterrupt:
        return _said("interrupted", INTERRUPTED)
    except InputError as error:
        return _said(str(error), WRONG_INPUT)
    except TrainingError as error:
        return _said(f"training stopped: {error}", FAILED)
    except MemoryError as error:
        return _said(f"out of memory: {error}; take a smaller train.batch_size or a smaller network", FAILED)
    except OSError as error:
        return _system_error(error)


def _system_error(error: OSError) -> int:
    """A disk that is full is nobody's input; a path that cannot be used is."""
    if error.errno in DISK_FULL:
        where = f" while writing {error.filename}" if error.filename else ""
        mend = "free some space, then try again; a run that has begun goes on with --resume"
        return _said(f"the disk is full{where}: {error.strerror}; {mend}", FAILED)
    path = error.filename or "a file"
    if error.errno in FORBIDDEN:
        return _said(f"{path}: {error.strerror}; give another path, or yourself the right to it", WRONG_INPUT)
    if error.errno in WRONG_PATH:
        return _said(f"{path}: {error.strerror}; give another path", WRONG_INPUT)
    return _said(f"the system refused: {error}", FAILED)


def _said(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code
