"""Events -> tokens: what each response used, and the sum over the thread."""

from __future__ import annotations

from codexd.core.events import Event, ModelCallEnded, Unknown
from codexd.core.usage import Tokens, read_usage


class UsageTotals:
    """The fold over a thread."""

    def __init__(self) -> None:
        self.total = Tokens()
        self.last = Tokens()

    def copy(self) -> UsageTotals:
        """The same counts, to be counted on apart."""
        copied = UsageTotals()
        copied.total, copied.last = self.total, self.last
        return copied

    def apply(self, event: Event | Unknown) -> bool:
        """Take an event in; whether it changed anything."""
        if not isinstance(event, ModelCallEnded):
            return False
        tokens = read_usage(event.usage)
        if tokens is None:
            return False
        self.total, self.last = self.total.plus(tokens), tokens
        return True
