"""The daemon's own log, without secrets: what is formatted for it passes the same eyes as an event."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class _Clean(logging.Formatter):
    def __init__(self, inner: logging.Formatter | None, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._inner, self._redact = inner or logging.Formatter(), redact

    def format(self, record: logging.LogRecord) -> str:
        """The whole entry, its traceback included."""
        return self._redact(self._inner.format(record))


@contextmanager
def clean_logs(redact: Callable[[str], str]) -> Iterator[None]:
    """Let nothing secret into any log that the process has, for as long as the context lasts."""
    handlers = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    for handler, formatter in handlers:
        handler.setFormatter(_Clean(formatter, redact))
    try:
        yield
    finally:
        for handler, formatter in handlers:
            handler.setFormatter(formatter)
