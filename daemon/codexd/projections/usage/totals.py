"""Events -> tokens: what each response used, the sum over the thread, and how full the window is.

Law: `total` is a pure sum. Nothing that becomes of the history, a compaction, a revert, a refusal, takes
away from it: those tokens were spent.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import Event, ModelCallEnded, TurnStarted, Unknown
from codexd.core.events.history import HistoryCompacted
from codexd.core.events.revert import (
    HistoryCompactionUndone,
    HistoryReverted,
    HistoryRevertUndone,
)
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import TurnId
from codexd.core.values.usage import Tokens, read_usage


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a thread has used."""

    total: Tokens = Tokens()
    last: Tokens = (
        Tokens()
    )  # of the newest response; an estimate, its total alone, where that says less
    window: ContextWindow = ContextWindow()
    turn_id: TurnId = TurnId("")  # of the newest turn


class UsageTotals:
    """The fold over a thread. It is mutable, so that what stands at one place is taken up elsewhere."""

    def __init__(self, now: Usage | None = None) -> None:
        self.now = now or Usage()

    @property
    def total(self) -> Tokens:
        """In all responses."""
        return self.now.total

    @property
    def last(self) -> Tokens:
        """In the newest one."""
        return self.now.last

    def copy(self) -> UsageTotals:
        """The same counts, to be counted on apart."""
        return UsageTotals(self.now)

    def apply(self, event: Event | Unknown) -> bool:
        """Take an event in; whether whoever shows it should hear of it."""
        before = self.now
        window = fold_window(before.window, event)
        if window is not before.window:
            self.now = replace(before, window=window)
        match event:
            case TurnStarted():
                self.now = replace(self.now, turn_id=event.turn_id)
            case ModelCallEnded():
                tokens = read_usage(event.usage)
                if tokens is not None:
                    total = before.total.plus(tokens)
                    self.now = replace(self.now, total=total, last=tokens)
                return tokens is not None
            case HistoryCompacted():
                return self._estimated()
            case HistoryReverted() | HistoryRevertUndone() | HistoryCompactionUndone():
                return self._estimated()
            case _ if window.full and not before.window.full:
                return self._estimated()
            case _:
                pass
        return False

    def _estimated(self) -> bool:
        """No response says any more what the history comes to."""
        last = Tokens(total_tokens=self.now.window.context_tokens)
        self.now = replace(self.now, last=last)
        return True
