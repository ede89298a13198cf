"""Records -> documents for the search: one text for each item that a screen shows, with its position.

Pure. The law: a document is a text that screens show as an item, so every hit can be seen; a prompt counts from when
it was queued.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events import events as e
from codexd.core.events.record import Recorded
from codexd.core.policy.action_kinds import kind_of
from codexd.core.prompts.review_results import answer_item
from codexd.core.values.items import (
    LocalImageInput,
    MentionInput,
    SkillInput,
    UserInput,
    plain_text,
)
from codexd.core.values.provider_items import MessageItem, ReasoningItem, read_item

# Ordered by the value of a hit: a thread's snippet is of the first kind that has one.
KINDS: Final = ("name", "prompt", "answer", "path", "command", "reasoning", "output")
NAME, PROMPT, ANSWER, PATH, COMMAND, REASONING, OUTPUT = range(len(KINDS))
# The beginning of a turn: a document without a text, so that no search finds it.
TURN: Final = len(KINDS)

# Longer texts are found by their beginning only, so that the index stays smaller than the logs: people rarely
# search for the end of a build log.
DOCUMENT_CHARS_MAX: Final = 64 * 1024
# The same for an output, since many are long; this many bytes of its blob are read for it.
OUTPUT_CHARS_MAX: Final = 16 * 1024

TELLING: Final = frozenset(
    kind.type
    for kind in (
        e.ThreadRenamed,
        e.InputQueued,
        e.InputWithdrawn,
        e.TurnStarted,
        e.TurnSteered,
        e.ItemCompleted,
        e.ItemCut,
        e.ApprovalRequested,
        e.ToolStarted,
        e.ToolEnded,
        e.ProcessEnded,
        e.ReviewExited,
    )
)


class Document(msgspec.Struct, frozen=True, gc=False):
    """A text that can be found."""

    seq: int
    part: int  # which of the record's
    kind: int
    turn: str | None
    item: str | None
    text: str
    blob: str | None = None  # has more of the text


class Withdrawn(msgspec.Struct, frozen=True, gc=False):
    """The earlier text of an item is not shown any more."""

    item: str


def documents_in(recorded: Recorded) -> list[Document | Withdrawn]:
    """The documents that a record adds or removes."""
    event, turn = recorded.event, recorded.turn
    match event:
        case e.InputQueued():
            return _said(recorded, event.item_id, event.turn_id, event.content)
        case e.TurnStarted():
            return [Document(recorded.seq, 0, TURN, event.turn_id, None, "")]
        case e.TurnSteered():
            return _said(recorded, event.item_id, turn, event.content)
        case e.InputWithdrawn():
            return [Withdrawn(event.item_id)]
        case e.ItemCompleted():
            return _item(recorded, event)
        case e.ItemCut():
            kind = {"message": ANSWER, "reasoning": REASONING}.get(event.kind)
            text = "\n".join((*event.summary, *event.content)) or event.text
            return [] if kind is None else _one(recorded, kind, event.item_id, text)
        case e.ApprovalRequested() | e.ToolStarted():
            # An action that needed approval has two documents; a search shows it once.
            row = kind_of(event.action)
            if row.found_as is None:
                return []
            found_as = KINDS.index(row.found_as)
            return _one(recorded, found_as, event.call_id, row.line(event.action))
        case e.ToolEnded():
            result = event.result
            text = "" if result.status == "declined" else result.output or ""
            return _one(recorded, OUTPUT, event.call_id, text, result.blob)
        case e.ProcessEnded() if event.of is not None:
            of, result = event.of, event.result
            found = _one(recorded, OUTPUT, of.call_id, result.output, result.blob)
            return [replace(d, turn=of.turn_id) for d in found if isinstance(d, Document)]
        case e.ReviewExited() if event.told is not None:
            return _one(recorded, ANSWER, answer_item(event.item_id), event.review)
        case e.ThreadRenamed():
            return _one(recorded, NAME, None, event.name or "")
        case _:
            return []


def _one(
    recorded: Recorded, kind: int, item: str | None, text: str, blob: str | None = None
) -> list[Document | Withdrawn]:
    if not text.strip():
        return []
    cut = text[: OUTPUT_CHARS_MAX if kind == OUTPUT else DOCUMENT_CHARS_MAX]
    return [Document(recorded.seq, 0, kind, recorded.turn, item, cut, blob)]


def _said(
    recorded: Recorded, item: str, turn: str | None, content: tuple[UserInput, ...]
) -> list[Document | Withdrawn]:
    texts = (
        (PROMPT, plain_text(content)),
        (
            PATH,
            "\n".join(
                part.path
                for part in content
                if isinstance(part, LocalImageInput | MentionInput | SkillInput)
            ),
        ),
    )
    return [
        Document(recorded.seq, part, kind, turn, item, text[:DOCUMENT_CHARS_MAX])
        for part, (kind, text) in enumerate(texts)
        if text.strip()
    ]


def _item(recorded: Recorded, event: e.ItemCompleted) -> list[Document | Withdrawn]:
    if event.kind not in ("message", "reasoning"):
        return []
    match read_item(event.item):
        case MessageItem() as message:
            return _one(recorded, ANSWER, event.item_id, message.text)
        case ReasoningItem() as thought:
            text = "\n".join((*thought.summary_texts, *thought.content_texts))
            return _one(recorded, REASONING, event.item_id, text)
        case _:
            return []
