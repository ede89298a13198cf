"""What a compaction keeps: a person's newest words, and pinned records.

It is collected while events are folded, and becomes part of the items that replace the past.

Law: chosen by a record's type, never by its text. An earlier summary is no person's words, so it is never kept; a
person's text that looks like a summary is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.history import KeptItems, KeptMessage, PinAdded
from codexd.core.values.items import MentionInput, SkillInput, TextInput, UserInput
from codexd.core.values.provider_items import text_message
from codexd.core.values.truncate import BYTES_PER_TOKEN, truncate_middle, utf8_bytes

# So much of a person's words is kept by a compaction: enough for their latest requests, and little beside any
# window. Codex's figure.
WORDS_TOKENS_MAX: Final = 20_000
# Of a small window they may take no more than this part, or the summary would have no room beside them.
WORDS_PART_OF_WINDOW: Final = 5
# A shorter part of a message is useless; the newest message is kept all the same.
TRUNCATED_BYTES_MIN: Final = 200
# Replaces a message that has no text, so that the message itself is not lost.
NO_TEXT: Final = "[an image]"

_WORDS_BYTES_MAX: Final = WORDS_TOKENS_MAX * BYTES_PER_TOKEN


class Words(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A person's message, and its record."""

    seq: int
    text: str


class Pinned(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The model's items of a record."""

    seq: int
    items: tuple[bytes, ...]


class CompactionKeep(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fold. A value: the value before an event is unchanged."""

    # That the history has; the newest last, as many as any bridge may need.
    words: tuple[Words, ...] = ()
    words_bytes: int = 0  # of all of those
    pins: tuple[Pinned, ...] = ()  # by their records

    def with_words(self, more: Sequence[Words]) -> CompactionKeep:
        """The history has more words; the oldest that no bridge can need are dropped."""
        if not more:
            return self
        words, at = (*self.words, *more), 0
        size = self.words_bytes + sum(utf8_bytes(message.text) for message in more)
        while size - (first := utf8_bytes(words[at].text)) >= _WORDS_BYTES_MAX:
            size, at = size - first, at + 1
        return replace(self, words=words[at:], words_bytes=size)

    def pin(self, event: PinAdded) -> CompactionKeep:
        pinned = Pinned(event.seq, tuple(bytes(item) for item in event.items))
        return replace(self, pins=tuple(sorted((*self.pins, pinned), key=lambda pin: pin.seq)))

    def unpin(self, seq: int) -> CompactionKeep:
        return replace(self, pins=tuple(pin for pin in self.pins if pin.seq != seq))


def plain_words(content: tuple[UserInput, ...]) -> str:
    """The text of an input, without images."""
    parts = [
        part.text if isinstance(part, TextInput) else f"[{part.name}]({part.path})"
        for part in content
        if isinstance(part, TextInput | SkillInput | MentionInput)
    ]
    return "\n".join(part for part in parts if part) or NO_TEXT


def kept_items_of(
    compaction_keep: CompactionKeep, window: int | None, left_out: int = 0
) -> KeptItems:
    """What a compaction keeps of a history, oldest first.

    Args:
        window: context window of the next model, in tokens; None where it is not known.
        left_out: items that the question for the summary had no room for.
    """
    budget = WORDS_TOKENS_MAX
    if window is not None:
        budget = min(budget, window // WORDS_PART_OF_WINDOW)
    pinned = {pin.seq for pin in compaction_keep.pins}
    kept = _newest([word for word in compaction_keep.words if word.seq not in pinned], budget)
    spoken = {word.seq for word in compaction_keep.words}
    rows = [(pin.seq, pin.items) for pin in compaction_keep.pins]
    rows += [(words.seq, (text_message("user", words.text),)) for words, _ in kept]
    rows.sort(key=lambda row: row[0])
    items: list[msgspec.Raw] = []
    context_at = None
    for seq, own in rows:
        if seq in spoken:
            context_at = len(items)  # Before the last message of a person.
        items += [msgspec.Raw(item) for item in own]
    return KeptItems(
        tuple(items),
        len(items) if context_at is None else context_at,
        tuple(KeptMessage(words.seq, truncated) for words, truncated in kept),
        tuple(pin.seq for pin in compaction_keep.pins),
        left_out,
    )


def _newest(said: list[Words], budget_tokens: int) -> list[tuple[Words, bool]]:
    """The newest words that fit, and the first that do not with their middle left out; oldest first."""
    room = budget_tokens * BYTES_PER_TOKEN
    kept: list[tuple[Words, bool]] = []
    for message in reversed(said):
        if room <= 0:
            break
        size = utf8_bytes(message.text)
        if size > room:
            if kept and room < TRUNCATED_BYTES_MIN:
                break
            text, _ = truncate_middle(message.text, room)
            kept.append((Words(message.seq, text), True))
            break
        kept.append((message, False))
        room -= size
    kept.reverse()
    return kept
