"""What a hook's command is given about an event: JSON on its standard input, or, for `notify`, Codex's one argument. I/O.

{"hook": "phone", "attempt": 1,
 "thread": {"id": "…", "cwd": "/work"},
 "turn": {"id": "…", "inputMessages": ["…"], "lastAssistantMessage": "…"},   # of the end of a turn
 "event": {"seq": 7, "at": "…", "type": "turn.completed", …}}                # the record, as the log has it
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from codexd.core.events.events import (
    InputQueued,
    ItemCompleted,
    ThreadStarted,
    TurnStarted,
    TurnSteered,
)
from codexd.core.events.record import decode_record
from codexd.core.events.tools import ApprovalDecided, ApprovalRequested
from codexd.core.values.items import plain_text
from codexd.core.values.provider_items import answer_text
from codexd.core.values.truncate import truncate_middle
from codexd.hooks.hook import Hook, Receiver
from codexd_eventstore.event_log import EventLog, Record
from codexd_eventstore.reading import record_at, records, records_back

# Linux takes 128 KiB in one argument; JSON writes some characters in six bytes.
ARGUMENT_BYTES_MAX: Final = 100 << 10
# Of one message in it, when it is too long: many fit then.
MESSAGE_BYTES_MAX: Final = 8 << 10
# Records that are looked through for the start of a turn, and for the inputs that were queued before it.
LOOKED_THROUGH_MAX: Final = 50_000
ENDS: Final = ("turn.completed", "turn.failed", "turn.interrupted")


class Turn(msgspec.Struct, frozen=True, rename="camel"):
    """What a turn was about: the person's plain messages, and the model's last."""

    id: str | None
    input_messages: tuple[str, ...]
    last_assistant_message: str | None


class ThreadOf(msgspec.Struct, frozen=True):
    """The thread of an event."""

    id: str
    cwd: str


class Address(msgspec.Struct, frozen=True):
    """Where a receiver sends an event to."""

    receiver: Receiver
    url: str | None


class Payload(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a command reads."""

    hook: str
    attempt: int
    thread: ThreadOf
    event: msgspec.Raw
    turn: Turn | None = None
    to: Address | None = None  # where a receiver sends it


class Notification(msgspec.Struct, frozen=True, rename="kebab"):
    """What Codex gives the command of `notify`, member by member."""

    type: str
    thread_id: str
    turn_id: str
    cwd: str
    client: str | msgspec.UnsetType
    input_messages: tuple[str, ...]
    last_assistant_message: str | None
    truncated: bool | msgspec.UnsetType = msgspec.UNSET  # codexd's own


class Given(msgspec.Struct, frozen=True):
    """The input of a command, and its last argument, if it has one."""

    input: bytes
    argument: tuple[str, ...] = ()


class Context(msgspec.Struct, frozen=True):
    """The surroundings of an event."""

    cwd: str
    turn: Turn | None
    kind: str  # of the turn
    client: str | None  # the name of the client that started the thread
    is_review: bool  # the thread is a reviewer's, which no list shows


class Delivered(msgspec.Struct, frozen=True):
    """An event on its way to a hook."""

    thread_id: str
    record: Record
    event: str
    context: Context
    is_notify: bool = False

    @property
    def seq(self) -> int:
        """Its number in its thread."""
        return self.record.seq


def payload_of(hook: Hook, delivered: Delivered, attempt: int) -> Given:
    """What a hook's command is given."""
    context = delivered.context
    if delivered.is_notify:
        return Given(b"", (notification(delivered.thread_id, context),))
    payload = Payload(
        hook.name,
        attempt,
        ThreadOf(delivered.thread_id, context.cwd),
        msgspec.Raw(delivered.record.line),
        context.turn,
        Address(hook.receiver, hook.url) if hook.receiver is not None else None,
    )
    return Given(msgspec.json.encode(payload) + b"\n")


async def delivered_of(
    log: EventLog, thread_id: str, record: Record, *, is_notify: bool = False
) -> Delivered:
    """An event with its surroundings, for which the log is read back to the start of its turn.

    Raises: StoreError, InvalidEvent.
    """
    event = record.type
    found = _Found()
    looked = 0
    async for earlier in records_back(log, thread_id, before=record.seq + 1):
        found.add(decode_record(earlier.line).event)
        looked += 1
        if found.is_whole or looked == LOOKED_THROUGH_MAX:
            break
    first = decode_record((await record_at(log, thread_id, 1)).line).event
    started = first if isinstance(first, ThreadStarted) else None
    turn = found.turn
    settings = turn.settings if turn is not None else started.settings if started else None
    is_fork = (await log.head(thread_id)).parent is not None
    context = Context(
        cwd=settings.cwd if settings is not None else "",
        turn=found.about() if event in ENDS else None,
        kind=turn.kind if turn is not None else "user",
        client=started.originator if started is not None else None,
        is_review=started is not None and started.reviews is not None and not is_fork,
    )
    return Delivered(thread_id, record, event, context, is_notify)


class _Found:
    """What is known of a turn, while its events are read from the last to the first."""

    def __init__(self) -> None:
        self.turn: TurnStarted | None = None
        self._answer: str | None = None
        self._steered: list[str] = []
        self._inputs: dict[str, str] = {}

    @property
    def is_whole(self) -> bool:
        """Whether nothing earlier belongs to the turn."""
        return self.turn is not None and all(item in self._inputs for item in self.turn.inputs)

    def add(self, event: object) -> None:
        """Take in the event before those that are known."""
        match event:
            case ItemCompleted(item=item) if self.turn is None and self._answer is None:
                self._answer = answer_text(item) or None
            case TurnSteered(content=content) if self.turn is None:
                self._steered.append(plain_text(content))
            case TurnStarted() if self.turn is None:
                self.turn = event
            case InputQueued(item_id=item_id, content=content) if self.turn is not None:
                if item_id in self.turn.inputs:
                    self._inputs[item_id] = plain_text(content)

    def about(self) -> Turn | None:
        """The turn, if it was found."""
        if self.turn is None:
            return None
        queued = [self._inputs[item] for item in self.turn.inputs if item in self._inputs]
        return Turn(self.turn.turn_id, (*queued, *reversed(self._steered)), self._answer)


def notification(thread_id: str, context: Context) -> str:
    """The argument of `notify`, with Codex's names and in its order; long messages are cut in their middle."""
    turn = context.turn or Turn(None, (), None)
    whole = Notification(
        "agent-turn-complete",
        thread_id,
        turn.id or "",
        context.cwd,
        context.client or msgspec.UNSET,
        turn.input_messages,
        turn.last_assistant_message,
    )
    encoded = msgspec.json.encode(whole)
    bytes_max = MESSAGE_BYTES_MAX
    while len(encoded) > ARGUMENT_BYTES_MAX and bytes_max:
        last = whole.last_assistant_message
        cut = replace(
            whole,
            input_messages=tuple(
                [truncate_middle(text, bytes_max)[0] for text in whole.input_messages]
            ),
            last_assistant_message=last and truncate_middle(last, bytes_max)[0],
            truncated=True,
        )
        encoded = msgspec.json.encode(cut)
        bytes_max //= 2
        if not bytes_max:  # very many messages
            encoded = msgspec.json.encode(replace(cut, input_messages=()))
    return encoded.decode()


async def is_answered(log: EventLog, delivered: Delivered) -> bool:
    """Whether the event is a question that was decided since. Raises: StoreError."""
    question = decode_record(delivered.record.line).event
    if not isinstance(question, ApprovalRequested):
        return False
    async for record in records(log, delivered.thread_id, after=delivered.seq):
        if record.type != ApprovalDecided.type:
            continue
        decided = decode_record(record.line).event
        if isinstance(decided, ApprovalDecided) and decided.approval_id == question.approval_id:
            return True
    return False
