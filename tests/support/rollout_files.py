"""The rollouts among the fixtures, and what reading one gives: for tests that import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from codexd.core.events.record import Recorded
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    EnteredReviewMode,
    ExitedReviewMode,
    ImageInput,
    Reasoning,
    ThreadItem,
    ToolCall,
    UserMessage,
    plain_text,
)
from codexd.importing.rollout.timeline import TimedEvent
from codexd.importing.rollouts import Rollout
from codexd.importing.sources import peek
from codexd.projections.clients.turns import TurnProjection

HOME = Path(__file__).parent.parent / "importing" / "rollouts"
FILES = sorted(HOME.rglob("rollout-*.jsonl"))
MODEL = "a-default"


def thread_id(number: int) -> str:
    """The id of the fixture of that number."""
    return f"0194d2a0-0000-7000-8000-{number:012d}"


def files_of(number: int) -> list[Path]:
    """Its files, the oldest first."""
    return [path for path in FILES if thread_id(number) in path.name]


def read(*paths: Path) -> tuple[list[TimedEvent], Rollout]:
    """All that a rollout tells."""
    rollout = Rollout([peek(path) for path in paths], "0.0", MODEL)
    told = [event for page in rollout.pages() for group in page.groups for event in group]
    return told, rollout


def recorded(told: Sequence[TimedEvent]) -> list[Recorded]:
    """What was told, as records."""
    return [
        Recorded(seq, record.at_us // 1000, record.event, record.by, record.turn)
        for seq, record in enumerate(told, 1)
    ]


def shown(told: Sequence[TimedEvent]) -> list[tuple[str, list[str]]]:
    """What a screen shows: the status of each turn, and a line for each item."""
    transcript = TurnProjection()
    for record in recorded(told):
        transcript.apply(record)
    return [(turn.status, [_line(item) for item in turn.items]) for turn in transcript.turns]


def _line(item: ThreadItem) -> str:
    match item:
        case UserMessage():
            images = sum(isinstance(part, ImageInput) for part in item.content)
            return f"> {plain_text(item.content)}" + " [image]" * images
        case AgentMessage():
            return item.text
        case Reasoning():
            return f"({' '.join(item.summary)})"
        case CommandExecution():
            return f"$ {item.command} → {item.exit_code} {item.aggregated_output!r} in {item.cwd}"
        case ToolCall():
            return f"{item.tool}: {item.status}"
        case EnteredReviewMode() | ExitedReviewMode():
            return f"review: {item.review}"
        case _:
            return "compacted"
