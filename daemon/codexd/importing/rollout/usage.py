"""The tokens of each response in a rollout, in the provider's own form. Pure.

The newest rollouts have a record for each response. Older rollouts have running counts, which are repeated when
another member of their line has changed. If there are records, the counts are ignored.
"""

from __future__ import annotations

import msgspec

from codexd.core.events.events import ModelCallEnded
from codexd.importing.rollout.lines import Members, members_of, text_of


class UsageReader:
    """Remembers the last count, so that no usage is counted twice."""

    def __init__(self) -> None:
        self._records = False
        self._total: object = None

    def of_record(self, record: Members) -> ModelCallEnded | None:
        """A `token_usage_record`."""
        self._records = True
        usage = _encoded(members_of(record.get("usage")))
        if usage is None:
            return None
        return ModelCallEnded(0, text_of(record.get("response_id")) or None, None, usage)

    def of_count(self, event: Members) -> ModelCallEnded | None:
        """A `token_count`; None if it repeats the last count."""
        info = members_of(event.get("info"))
        total = members_of(info.get("total_token_usage"))
        usage = _encoded(members_of(info.get("last_token_usage")))
        if self._records or usage is None or total == self._total:
            return None
        self._total = total
        return ModelCallEnded(0, None, None, usage)


def _encoded(usage: Members) -> msgspec.Raw | None:
    def count(name: str) -> int:
        value = usage.get(name)
        return value if isinstance(value, int) and value >= 0 else 0

    if not usage:
        return None
    return msgspec.Raw(
        msgspec.json.encode(
            {
                "input_tokens": count("input_tokens"),
                "input_tokens_details": {"cached_tokens": count("cached_input_tokens")},
                "output_tokens": count("output_tokens"),
                "output_tokens_details": {"reasoning_tokens": count("reasoning_output_tokens")},
                "total_tokens": count("total_tokens"),
            }
        )
    )
