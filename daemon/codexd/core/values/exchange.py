"""The facts about one HTTP exchange with a model's provider, for telemetry: numbers and names, no content."""

from __future__ import annotations

import msgspec


class Exchange(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A request and its response, as far as they came. Times are milliseconds."""

    path: str = ""  # of the API, as "/responses"
    status: int | None = None  # of the response; None: there was none
    head_ms: int | None = None  # from the request to the response's head
    first_ms: int | None = None  # from the request to the first event that is a part of an item
    ray: str | None = None  # the response's header `cf-ray`
    # The events of the response's stream with the wait before each; deltas only if they are wanted.
    stream: tuple[tuple[str, int], ...] = ()
    left_out: int = 0  # events that are not in `stream`, deltas among them
