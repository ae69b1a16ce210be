"""A command's output may go to a pipe that closes or to a full disk: one line then, not a traceback."""

from __future__ import annotations

import errno
import os
import sys
from typing import Callable

CLOSED_PIPE = 141  # what a shell reports for a program that such a pipe has ended
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run_command(name: str, command: Callable[[], int]) -> int:
    """Run a command and make sure that its output has arrived.

    Args:
        name: the command's name, for the message.
        command: prints, returns the exit code.

    Returns:
        The command's exit code; 141 if nobody reads its output any more, 1 if that could not be written.
    """
    try:
        try:
            return command()
        finally:
            # Here and not at the interpreter's end, where a failure is a traceback that nobody can catch.
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
        return CLOSED_PIPE
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        _drop_output()
        print(f"{name}: the output could not be written: {exc.strerror}", file=sys.stderr)
        return 1


def _drop_output() -> None:
    """Let what is still buffered go nowhere: the interpreter flushes once more when it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
