"""The words of threads for the models of others: labelled as foreign text, and bounded. Reads logs. I/O."""

from __future__ import annotations

from typing import Final

from codexd.core.events.events import (
    Event,
    InputQueued,
    ItemCompleted,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnSteered,
)
from codexd.core.events.record import decode_record
from codexd.core.values.items import AgentState, TextInput, UserInput
from codexd.core.values.provider_items import answer_text
from codexd.core.values.thread_calls import ThreadCall
from codexd.runtime.actor.actor import ThreadActor

# A model that is told more of a list reads none of it.
LIST_MAX: Final = 30
# A turn has some hundred records: the last message is among these, or its turn is a long one.
RECORDS_MAX: Final = 1000
MESSAGES_MAX: Final = 20
# Of one message: two pages.
MESSAGE_CHARACTERS_MAX: Final = 8000
_TELLING: Final = frozenset(
    kind.type
    for kind in (
        InputQueued,
        ItemCompleted,
        TurnCompleted,
        TurnFailed,
        TurnInterrupted,
        TurnSteered,
    )
)


def labelled(action: ThreadCall) -> str:
    """A prompt as the other thread gets it: its model and its people see who sent it."""
    return f"[This message is from the agent of thread {action.sender}, not from a person.]\n\n{action.prompt}"


async def last_words(thread: ThreadActor) -> AgentState:
    """How a thread stands, and the last message of its agent."""
    is_running = thread.state.turn is not None or bool(thread.state.queue)
    ended: Event | None = None
    for event in await _newest(thread):
        match event:
            case TurnCompleted() | TurnFailed() | TurnInterrupted() if ended is None:
                ended = event
            case ItemCompleted() if event.kind == "message":
                return _state(ended, answer_text(event.item), is_running=is_running)
            case _:
                pass
    return _state(ended, "", is_running=is_running)


def _state(ended: Event | None, message: str, *, is_running: bool) -> AgentState:
    said = _bounded(message) or None
    if is_running:
        return AgentState("running", said)
    match ended:
        case TurnFailed():
            return AgentState("errored", _bounded(ended.error.message))
        case TurnInterrupted():
            return AgentState("interrupted", said)
        case _:
            return AgentState("completed", said) if ended is not None else AgentState("pendingInit")


async def words_of(thread: ThreadActor) -> list[dict[str, str]]:
    """Its newest messages, the oldest of them first."""
    found: list[dict[str, str]] = []
    for event in await _newest(thread):
        match event:
            case ItemCompleted() if event.kind == "message":
                found.append({"from": "agent", "text": _bounded(answer_text(event.item))})
            case InputQueued() | TurnSteered():
                found.append({"from": "user", "text": _bounded(_said(event.content))})
            case _:
                pass
        if len(found) == MESSAGES_MAX:
            break
    return found[::-1]


async def _newest(thread: ThreadActor) -> list[Event]:
    """Its newest events, the newest first."""
    events: list[Event] = []
    before: int | None = None
    for _ in range(RECORDS_MAX):
        page = await thread.world.store.read_back(thread.thread_id, before=before)
        for record in page:
            if record.type in _TELLING:
                event = decode_record(record.line).event
                if isinstance(event, Event):
                    events.append(event)
        before = page[-1].seq if page else 1
        if before <= 1 or thread.version - before >= RECORDS_MAX:
            break
    return events


def _said(content: tuple[UserInput, ...]) -> str:
    return "\n".join(part.text for part in content if isinstance(part, TextInput))


def _bounded(text: str) -> str:
    if len(text) <= MESSAGE_CHARACTERS_MAX:
        return text
    return f"{text[:MESSAGE_CHARACTERS_MAX]} … {len(text) - MESSAGE_CHARACTERS_MAX} characters left out"
