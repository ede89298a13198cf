"""Which model made which reasoning in a history, so that no model is sent the reasoning of another.

Reasoning is encrypted by the provider for the model that made it; other models cannot use it, and some refuse
the request. Law: what is sent depends on the events alone: on the model that made an item, and on the model
of the request. A thread that has never changed its model costs a comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from codexd.core.values.provider_items import read_head


class Span(NamedTuple):
    """From an item on, all reasoning is from this model."""

    start: int
    model: str
    provider: str
    thoughts: int  # the number of items


class ReasoningOwners(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The spans of a history, in order: as many as it has changed its model."""

    spans: tuple[Span, ...] = ()

    def thought(self, at: int, model: str, provider: str) -> ReasoningOwners:
        """The same with one more thought, which is item `at`."""
        if self.spans and self.spans[-1][1:3] == (model, provider):
            last = self.spans[-1]
            return ReasoningOwners((*self.spans[:-1], last._replace(thoughts=last.thoughts + 1)))
        return ReasoningOwners((*self.spans, Span(at, model, provider, 1)))

    def withheld(self, model: str, provider: str) -> int:
        """How many items a request for this model leaves out."""
        return sum(
            [
                span.thoughts
                for span in self.spans
                if (span.model, span.provider) != (model, provider)
            ]
        )

    def for_whom(self, items: Sequence[bytes], model: str, provider: str) -> tuple[bytes, ...]:
        """The items of the history in a request to this model."""
        if not self.withheld(model, provider):
            return tuple(items)
        kept = list(items[: self.spans[0].start])
        ends = [*(later.start for later in self.spans[1:]), len(items)]
        for span, end in zip(self.spans, ends, strict=True):
            of_span = items[span.start : end]
            foreign = (span.model, span.provider) != (model, provider)
            kept += [
                item for item in of_span if not (foreign and read_head(item).type == "reasoning")
            ]
        return tuple(kept)
