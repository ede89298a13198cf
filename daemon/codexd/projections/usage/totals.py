"""Events -> tokens: what each response used, the sum over the thread, and how full the window is.

Law: `total` is a pure sum. Nothing that becomes of the history, a compaction, a revert, a refusal, takes
away from it: those tokens were spent.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.state.window import ContextWindow, fold_window
from codexd.core.values.ids import TurnId
from codexd.core.values.usage import Tokens, read_usage


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The usage of a thread."""

    total: Tokens = Tokens()
    # Of the newest response; an estimate, its total alone, where that says less.
    last: Tokens = Tokens()
    window: ContextWindow = ContextWindow()
    turn_id: TurnId = TurnId("")  # of the newest turn

    def after(self, event: e.Event | e.Unknown) -> Usage:
        """After an event. Where `last` is another object, clients should be notified."""
        window = fold_window(self.window, event)
        match event:
            case e.TurnStarted():
                return replace(self, window=window, turn_id=event.turn_id)
            case e.ModelCallEnded():
                tokens = read_usage(event.usage)
                if tokens is not None:
                    # Another object also where the numbers are those of the call before.
                    last, total = replace(tokens), self.total.plus(tokens)
                    return replace(self, window=window, total=total, last=last)
            case e.HistoryCompacted():
                return self._estimated(window)
            case e.HistoryReverted() | e.HistoryRevertUndone() | e.HistoryCompactionUndone():
                return self._estimated(window)
            case _ if window.full and not self.window.full:
                return self._estimated(window)
            case _:
                pass
        return self if window is self.window else replace(self, window=window)

    def _estimated(self, window: ContextWindow) -> Usage:
        """The size of the history is not known from a response any more."""
        return replace(self, window=window, last=Tokens(total_tokens=window.context_tokens))
