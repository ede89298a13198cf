"""What a model says and thinks -> items on a screen."""

from __future__ import annotations

from codexd.core.events import events as e
from codexd.core.values.items import AgentMessage, Plan, Reasoning
from codexd.projections.clients.proposed_plan import parts_of_text, plan_id


def messages_of(
    event: e.ItemCompleted | e.ItemCut, at_ms: int, text: str, phase: str | None, *, plans: bool
) -> list[AgentMessage | Plan]:
    """The message; in plan mode the plans in it come first, and a message without other words is left out."""
    started_ms = at_ms if event.started_ms is None else event.started_ms
    parts = parts_of_text(text, ended=True) if plans else {0: text}
    done: list[AgentMessage | Plan] = [
        Plan(
            id=plan_id(event.item_id, part),
            text=plan,
            started_at_ms=started_ms,
            completed_at_ms=at_ms,
        )
        for part, plan in parts.items()
        if part
    ]
    if 0 not in parts and done:
        return done
    item = AgentMessage(
        id=event.item_id,
        text=parts.get(0, ""),
        phase=phase,
        started_at_ms=started_ms,
        completed_at_ms=at_ms,
    )
    return [*done, item]


def reasoning_of(
    event: e.ItemCompleted | e.ItemCut,
    at_ms: int,
    summary: tuple[str, ...],
    content: tuple[str, ...],
) -> Reasoning:
    """The reasoning, as far as it came."""
    return Reasoning(
        id=event.item_id,
        summary=summary,
        content=content,
        started_at_ms=at_ms if event.started_ms is None else event.started_ms,
        completed_at_ms=at_ms,
    )
