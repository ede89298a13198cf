"""Events -> each request to a provider that is over: for which turn, to which model, and what it used.

The usage of a failed request is not known: no provider reports it.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.values.ids import TurnId
from codexd.core.values.usage import Tokens, read_usage

Kind = Literal["turn", "compact", "review", "title"]


class Request(msgspec.Struct, frozen=True, gc=False):
    """A request that is over."""

    seq: int  # of the record that says so
    at_ms: int
    turn_id: TurnId | None
    kind: Kind
    provider: str
    model: str
    tokens: Tokens = Tokens()
    failed: bool = False  # it was not answered
    said: bool = False  # the provider said what it used
    started_seq: int | None = None  # None: its start is not known
    started_ms: int | None = None
    several: bool = False  # the sum of all requests of a reviewer


class _Asked(msgspec.Struct, frozen=True, gc=False):
    provider: str = ""
    model: str = ""
    kind: Kind = "turn"
    seq: int | None = None
    at_ms: int | None = None


class Requests(msgspec.Struct, frozen=True, gc=False):
    """The fold: the running request, or the last."""

    asked: _Asked = _Asked()
    reviews: bool = False  # the turn is a review
    title: _Asked = _Asked()  # the request for a title: no turn waits for that

    def after(self, recorded: Recorded) -> tuple[Requests, Request | None]:
        """After a record; and the request that the record ends, if any."""
        event = recorded.event
        match event:
            case e.ThreadStarted():
                return Requests(_Asked(event.settings.provider, event.settings.model)), None
            case e.TurnStarted():
                # An import has answers without the starts of their requests.
                reviews = event.kind == "review"
                kind: Kind = "review" if reviews else "turn"
                asked = _Asked(event.settings.provider, event.settings.model, kind)
                return replace(self, asked=asked, reviews=reviews), None
            case e.ModelCallStarted():
                kind = "review" if self.reviews and event.purpose == "turn" else event.purpose
                asked = _Asked(event.provider, event.model, kind, recorded.seq, recorded.at_ms)
                return replace(self, asked=asked), None
            case e.ModelCallEnded():
                return self._asking_nobody(), _answered(_over(recorded, self.asked), event.usage)
            case e.ReviewEntered() if event.model is not None:
                asked = replace(
                    self.asked, model=event.model, seq=recorded.seq, at_ms=recorded.at_ms
                )
                return replace(self, asked=asked), None
            case e.ReviewExited() if event.used is not None:
                over = replace(_over(recorded, self.asked), tokens=event.used, said=True)
                return self._asking_nobody(), replace(over, several=True)
            case e.ModelCallFailed():
                return self._asking_nobody(), replace(_over(recorded, self.asked), failed=True)
            case _:
                return self._after_title(recorded, event)

    def _after_title(
        self, recorded: Recorded, event: e.Event | e.Unknown
    ) -> tuple[Requests, Request | None]:
        match event:
            case e.TitleRequested():
                provider, model, at_ms = event.provider, event.model, recorded.at_ms
                asked = _Asked(provider, model, "title", recorded.seq, at_ms)
                return replace(self, title=asked), None
            case e.TitleEnded() if event.error is not None:
                return self, replace(_over(recorded, self.title), failed=True)
            case e.TitleEnded():
                return self, _answered(_over(recorded, self.title), event.usage)
            case _:
                return self, None

    def _asking_nobody(self) -> Requests:
        return replace(self, asked=replace(self.asked, seq=None, at_ms=None))


def _over(recorded: Recorded, asked: _Asked) -> Request:
    turn_id = TurnId(recorded.turn) if recorded.turn is not None else None
    return Request(
        recorded.seq,
        recorded.at_ms,
        turn_id if asked.kind != "title" else None,
        asked.kind,
        asked.provider,
        asked.model,
        started_seq=asked.seq,
        started_ms=asked.at_ms,
    )


def _answered(over: Request, usage: msgspec.Raw) -> Request:
    tokens = read_usage(usage)
    return replace(over, tokens=tokens or Tokens(), said=tokens is not None)


# Types of record that the fold depends on: the others need no decoding.
REQUEST_TYPES = frozenset(
    kind.type
    for kind in (
        e.ThreadStarted,
        e.TurnStarted,
        e.ModelCallStarted,
        e.ModelCallEnded,
        e.ModelCallFailed,
        e.ReviewEntered,
        e.ReviewExited,
        e.TitleRequested,
        e.TitleEnded,
    )
)
