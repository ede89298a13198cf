"""The daemon's own log as text: an entry is one line, its traceback is indented, and nothing in it drives a screen.

Names of clients, words of models, paths and errors of servers are part of entries. Whoever reads the log, with
`cat` or through codexctl, sees every character of them, and none of them looks like an entry of its own.
"""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

from codexd.protocol.display.visible import CUT, visible_line, visible_prose

# An entry says what happened, and with what; what is longer is somebody's text, of which the beginning tells.
ENTRY_CHARACTERS_MAX = 4000
# A hundred frames; of an error with a long text in it, the frames are what is looked for.
TRACEBACK_CHARACTERS_MAX = 20_000
INDENT = "    "


class LogLines(logging.Formatter):
    """Formats as another formatter does, takes the secrets out, and then makes everything visible."""

    def __init__(self, inner: logging.Formatter, clean: Callable[[str], str] = str) -> None:
        super().__init__()
        self.inner, self._clean = inner, clean

    def format(self, record: logging.LogRecord) -> str:
        """The entry; a traceback follows on lines of its own."""
        bare = copy.copy(record)
        bare.exc_info = bare.exc_text = bare.stack_info = None
        said = visible_line(self._clean(self.inner.format(bare)), ENTRY_CHARACTERS_MAX)
        if not record.exc_info:
            return said
        return f"{said}\n{indented(self._clean(self.inner.formatException(record.exc_info)))}"


def indented(text: str) -> str:
    """A text of several lines below an entry."""
    if len(text) > TRACEBACK_CHARACTERS_MAX:
        text = f"{CUT}{text[-TRACEBACK_CHARACTERS_MAX:]}"
    return INDENT + visible_prose(text).replace("\n", f"\n{INDENT}")


def log_to(stream: TextIO, level: int, layout: str) -> None:
    """Write the process's log there, a crash of the process included."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogLines(logging.Formatter(layout)))
    logging.basicConfig(handlers=[handler], level=level)
    sys.excepthook = _crashed


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger(__name__).critical("the process ends", exc_info=(kind, error, trace))
