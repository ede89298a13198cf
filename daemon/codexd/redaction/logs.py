"""Redacts the daemon's own log in the same way as events."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from codexd.machine.log_lines import LogLines


@contextmanager
def clean_logs(redact: Callable[[str], str]) -> Iterator[None]:
    """Redact all log handlers of the process, for as long as the context lasts."""
    handlers = [(handler, handler.formatter) for handler in logging.getLogger().handlers]
    for handler, formatter in handlers:
        inner = formatter.inner if isinstance(formatter, LogLines) else formatter
        handler.setFormatter(LogLines(inner or logging.Formatter(), redact))
    try:
        yield
    finally:
        for handler, formatter in handlers:
            handler.setFormatter(formatter)
