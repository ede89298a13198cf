"""Formats the daemon's own log: an entry is one line, its traceback is indented, control characters are visible.

Entries contain names of clients, texts of models, paths and errors of servers. With `cat` or codexctl, every
character of them is visible, and no text can look like a separate entry.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from codexd.protocol.display.visible import CUT, visible_line, visible_prose

# A longer entry contains foreign text, of which the beginning is enough.
ENTRY_CHARACTERS_MAX = 4000
# A hundred frames; if an error has a long text, the frames matter more.
TRACEBACK_CHARACTERS_MAX = 20_000
INDENT = "    "


class LogLines(logging.Formatter):
    """Formats with another formatter, removes secrets, and then makes control characters visible."""

    def __init__(self, inner: logging.Formatter, clean: Callable[[str], str] = str) -> None:
        super().__init__()
        self.inner, self._clean = inner, clean

    def format(self, record: logging.LogRecord) -> str:
        """The entry; a traceback follows on lines of its own."""
        bare = copy.copy(record)
        bare.exc_info = bare.exc_text = bare.stack_info = None
        entry = visible_line(self._clean(self.inner.format(bare)), ENTRY_CHARACTERS_MAX)
        if not record.exc_info:
            return entry
        return f"{entry}\n{indented(self._clean(self.inner.formatException(record.exc_info)))}"


def indented(text: str) -> str:
    """A text of several lines, indented below an entry."""
    if len(text) > TRACEBACK_CHARACTERS_MAX:
        text = f"{CUT}{text[-TRACEBACK_CHARACTERS_MAX:]}"
    return INDENT + visible_prose(text).replace("\n", f"\n{INDENT}")


def log_to(stream: TextIO, level: int, layout: str) -> None:
    """Write the process's log to a stream, including a crash of the process."""
    log_with(logging.StreamHandler(stream), level, layout)


def log_with(handler: logging.Handler, level: int, layout: str) -> None:
    """The same with a handler."""
    handler.setFormatter(LogLines(logging.Formatter(layout)))
    logging.basicConfig(handlers=[handler], level=level)
    sys.excepthook = _crashed


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(__name__).critical("the process ends", exc_info=(kind, error, trace))
