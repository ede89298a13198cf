"""The standard streams as a command finds them: closed, full, or in an encoding with few characters. I/O.

No state of a stream ends in a traceback. A closed stream is like /dev/null. A failed write on stdout ends
the command with a sentence; on stderr it is ignored. A character that the encoding lacks is replaced.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO

from codexd_frontends.client.errors import CommandError

STANDARD_STREAMS = (0, 1, 2)


class OutputFailed(CommandError):
    """Stdout takes nothing more."""


def prepare_streams() -> None:
    """Open /dev/null where a standard stream is closed, so that no file or socket gets its number."""
    for descriptor in STANDARD_STREAMS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # It gets the lowest number.
    # Python has None for a stream that was closed when it started. These stay open to the end.
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def writing_stdout() -> Iterator[None]:
    """Raises: OutputFailed, where stdout cannot be written; BrokenPipeError, where the reader has gone."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        close_stream(sys.stdout)
        raise OutputFailed(f"stdout cannot be written: {error.strerror}") from error


def close_stream(stream: TextIO) -> None:
    """Let a stream go nowhere: else Python would flush it at exit, fail again, and end with another code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def talk_on_stderr(text: str) -> None:
    """Write on stderr; a failure cannot be reported and is ignored."""
    try:
        write_text(sys.stderr, text)
    except OSError:
        close_stream(sys.stderr)


def write_text(stream: TextIO, text: str) -> None:
    """Write and flush."""
    stream.write(text)
    stream.flush()
