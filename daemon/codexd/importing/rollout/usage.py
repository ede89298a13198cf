"""The tokens of each response in a rollout, in the provider's own form. Pure.

The newest rollouts have a record for each response, and a running count beside it. Older rollouts have the running
count alone: the sum over the thread, and the last response's part of it. A count is repeated when another member of
its line has changed, and the sum may begin again when the thread is resumed.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import ModelCallEnded
from codexd.core.values.usage import Tokens
from codexd.importing.rollout.lines import Members, members_of, text_of

# How many responses are remembered, so that a record that is repeated counts once.
RESPONSES_MAX: Final = 256
_NAMES: Final = Tokens.__struct_fields__


class UsageReader:
    """Remembers the last count, so that no usage is counted twice."""

    def __init__(self, *, inherits: bool = False) -> None:
        """`inherits`: the sum begins with what another thread used."""
        self._sum: Tokens | None = None if inherits else Tokens()
        self._last: Tokens | None = None  # the last part that came without a sum
        self._counted: Tokens | None = None  # by a count whose record may follow
        self._recorded = False  # since the last count
        self._responses = deque[str](maxlen=RESPONSES_MAX)

    def said_more(self) -> None:
        """The model has said something since the last count."""
        self._last = self._counted = None

    def of_record(self, record: Members) -> ModelCallEnded | None:
        """A `token_usage_record`; None if it repeats another record or a count."""
        tokens, response_id = _tokens(record.get("usage")), text_of(record.get("response_id"))
        if tokens is None or (response_id and response_id in self._responses):
            return None
        self._responses.append(response_id)
        counted, self._counted = self._counted, None
        if counted == tokens:
            return None
        self._recorded = True
        return ModelCallEnded(0, response_id or None, None, _encoded(tokens))

    def of_count(self, event: Members) -> ModelCallEnded | None:
        """A `token_count`; None if it repeats the last count or a record."""
        info = members_of(event.get("info"))
        # The first counts were the last response's alone.
        last = info.get("last_token_usage", event)
        tokens = self._part(_tokens(info.get("total_token_usage")), _tokens(last))
        recorded, self._recorded = self._recorded, False
        if recorded or tokens is None or _spent(tokens) == (0, 0):
            return None
        self._counted = tokens
        return ModelCallEnded(0, None, None, _encoded(tokens))

    def _part(self, total: Tokens | None, last: Tokens | None) -> Tokens | None:
        """What was used since the last count."""
        if total is None:
            repeated, self._last = last == self._last, last
            return None if last is None or repeated else self._added(last)
        before, self._sum = self._sum, total
        if before is not None and _spent(total) == _spent(before):
            return None
        if before is None:
            return last if last is not None else total
        grown = _difference(total, before)
        if last is None:
            return grown or total
        return grown if grown is not None and _difference(grown, last) is not None else last

    def _added(self, last: Tokens) -> Tokens:
        if self._sum is not None:
            self._sum = self._sum.plus(last)
        return last


def _difference(total: Tokens, part: Tokens) -> Tokens | None:
    """The total without a part of it; None if it does not contain the part."""
    if total.input_tokens < part.input_tokens or total.output_tokens < part.output_tokens:
        return None
    return Tokens(**{name: max(getattr(total, name) - getattr(part, name), 0) for name in _NAMES})


def _spent(tokens: Tokens) -> tuple[int, int]:
    """The tokens for which a provider was asked: an estimate of the window has a total alone."""
    return tokens.input_tokens, tokens.output_tokens


def _tokens(usage: object) -> Tokens | None:
    if not isinstance(usage, dict):
        return None
    counts = {name: value for name in _NAMES if type(value := usage.get(name)) is int and value > 0}
    if not counts:
        return None
    tokens = Tokens(**counts)
    return tokens if tokens.total_tokens else replace(tokens, total_tokens=sum(_spent(tokens)))


def _encoded(tokens: Tokens) -> msgspec.Raw:
    return msgspec.Raw(
        msgspec.json.encode(
            {
                "input_tokens": tokens.input_tokens,
                "input_tokens_details": {
                    "cached_tokens": tokens.cached_input_tokens,
                    "cache_write_tokens": tokens.cache_write_input_tokens,
                },
                "output_tokens": tokens.output_tokens,
                "output_tokens_details": {"reasoning_tokens": tokens.reasoning_output_tokens},
                "total_tokens": tokens.total_tokens,
            }
        )
    )
