"""The parts of an ordinary thread, by short names: what is asked, what happens, what the model answers.

Turn n has the id `tn`, its input `un`; its k-th model call is `tn/k`, as `decide` names it.
"""

from __future__ import annotations

import msgspec

from codexd.core import commands as c
from codexd.core.decide.transition import ABORTED_CALL, ABORTED_NOTE
from codexd.core.events.events import (
    ContextAdded,
    Event,
    InputQueued,
    ItemCompleted,
    ModelCallEnded,
    ModelCallStarted,
    ThreadStarted,
    ToolCallRef,
    TurnStarted,
)
from codexd.core.events.tools import ApprovalRequested, ToolEnded, ToolStarted
from codexd.core.policy.approval import action_hash, proposed_rule
from codexd.core.policy.command_rules import NOT_KNOWN_HARMLESS
from codexd.core.shell.read_only_commands import is_read_only
from codexd.core.values.environment import environment_known, environment_of, environment_text
from codexd.core.values.ids import ApprovalId, CallId, ItemId, ModelCallId, TurnId
from codexd.core.values.items import TextInput, TurnError, UserInput
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from codexd.core.values.provider_items import text_message
from codexd.core.values.settings import Settings, SettingsChange
from codexd.core.values.tool_actions import Decision, RunCommand, ToolAction, ToolResult

SETTINGS = Settings(
    cwd="/work",
    model="m-1",
    provider="p",
    approval_policy="untrusted",
    sandbox="workspace-write",
)
STARTED = ThreadStarted(SETTINGS, "tests", "1.0")


def told_where(
    settings: Settings, today: str | None = None, before: ContextAdded | None = None
) -> ContextAdded:
    """The model is told where it works, or what of that is another than it was told before."""
    now, told = environment_of(settings, today), before.environment if before is not None else None
    words = environment_text(now, told)
    assert words is not None
    known = environment_known(now, told)
    return ContextAdded("environment", "user", words, environment=known)


ENVIRONMENT = told_where(SETTINGS)
ABORTED = ContextAdded("turn_aborted", "user", ABORTED_NOTE)
ENDED = ModelCallEnded(5)
FINISHED = ModelResponseDone(duration_ms=5)

_json = msgspec.json.Encoder().encode


def text(words: str) -> tuple[UserInput, ...]:
    return (TextInput(words),)


def ask(n: int, words: str = "go", change: SettingsChange | None = None) -> c.StartTurn:
    """Turn n is asked for."""
    return c.StartTurn(
        turn_id=TurnId(f"t{n}"),
        item_id=ItemId(f"u{n}"),
        content=text(words),
        change=change or SettingsChange(),
    )


def queued(n: int, words: str = "go", change: SettingsChange | None = None) -> InputQueued:
    return InputQueued(ItemId(f"u{n}"), TurnId(f"t{n}"), text(words), change=change)


def begun(n: int, settings: Settings = SETTINGS) -> TurnStarted:
    return TurnStarted(TurnId(f"t{n}"), settings, (ItemId(f"u{n}"),))


def calling(name: str, attempt: int = 1) -> ModelCallStarted:
    """The model is called; `name` as in `t1/2`."""
    return ModelCallStarted(ModelCallId(name), attempt, SETTINGS.model, SETTINGS.provider)


# A thread whose first turn has just called the model.
FIRST_TURN: tuple[Event, ...] = (STARTED, queued(1), ENVIRONMENT, begun(1), calling("t1/1"))


def report(name: str, *seen: c.ModelDone, attempt: int = 1, left: str = "") -> c.ReportModel:
    """What a read of the stream of model call `name` brought; `left` is an item that stays open."""
    open_items = (streaming(left),) if left else ()
    return c.ReportModel(
        call_id=ModelCallId(name), attempt=attempt, seen=seen, open_items=open_items
    )


def failure(
    name: str,
    *,
    attempt: int = 1,
    at: str = "stream",
    retry: bool = True,
    attempts_max: int = 5,
    after_ms: int = 200,
    open_items: tuple[c.OpenItem, ...] = (),
    rate_limits: dict[str, str] | None = None,
    error: TurnError | None = None,
) -> c.ReportModelFailure:
    return c.ReportModelFailure(
        call_id=ModelCallId(name),
        attempt=attempt,
        error=error or BROKEN,
        at="request" if at == "request" else "stream",
        retry=retry,
        after_ms=after_ms,
        attempts_max=attempts_max,
        rate_limits=rate_limits,
        open_items=open_items,
    )


BROKEN = TurnError("the stream broke", {"responseStreamDisconnected": {"httpStatusCode": None}})


def streaming(item: str, words: str = "so far", started_ms: int | None = None) -> c.OpenItem:
    """A message that still streams."""
    return c.OpenItem(ItemId(item), "message", words, started_ms=started_ms)


def text_item(role: str, words: str) -> msgspec.Raw:
    """A text of the daemon's as an event holds it."""
    return msgspec.Raw(text_message(role, words))


def message_json(item: str, words: str) -> msgspec.Raw:
    content = [{"type": "output_text", "text": words}]
    return msgspec.Raw(
        _json({"id": item, "type": "message", "role": "assistant", "content": content})
    )


def finished_message(item: str, words: str, started_ms: int | None = None) -> ModelItemDone:
    return ModelItemDone(ItemId(item), "message", message_json(item, words), started_ms=started_ms)


def said(item: str, words: str, started_ms: int | None = None) -> ItemCompleted:
    """The event of `finished_message`."""
    return ItemCompleted(ItemId(item), "message", message_json(item, words), started_ms)


def finished_thought(item: str, *summary: str) -> ModelItemDone:
    parts = [{"type": "summary_text", "text": part} for part in summary]
    members = {"id": item, "type": "reasoning", "summary": parts, "encrypted_content": "gAAA"}
    return ModelItemDone(ItemId(item), "reasoning", msgspec.Raw(_json(members)))


def line(command: str, escalated: bool = False) -> RunCommand:
    return RunCommand(command, ("/bin/sh", "-c", command), "/work", 1000, escalated)


def call_json(call: str, words: str) -> msgspec.Raw:
    members = {"id": f"fc_{call}", "type": "function_call", "call_id": call, "name": "shell"}
    return msgspec.Raw(_json(members | {"arguments": msgspec.json.encode(words).decode()}))


def finished_call(call: str, action: ToolAction) -> c.ToolCallDone:
    """The model made a tool call: `call` is its id."""
    item = ModelItemDone(ItemId(f"fc_{call}"), "call", call_json(call, call))
    return c.ToolCallDone(item, ToolCallRef(CallId(call), "shell"), action)


def made(call: str) -> ItemCompleted:
    """The event of `finished_call`."""
    name = ToolCallRef(CallId(call), "shell")
    return ItemCompleted(ItemId(f"fc_{call}"), "call", call_json(call, call), None, name)


def runs(call: str, command: str) -> ToolStarted:
    """It begins: unasked where it only reads, else because a person allowed it."""
    return ToolStarted(CallId(call), line(command), guarded=is_read_only(command))


def result(words: str = "done") -> ToolResult:
    return ToolResult("completed", words, words, 0, 7)


def report_ended(call: str, words: str = "done") -> c.ReportToolEnded:
    return c.ReportToolEnded(call_id=CallId(call), result=result(words))


def ended(call: str, words: str = "done") -> ToolEnded:
    return ToolEnded(CallId(call), result(words))


def aborted(call: str) -> ToolEnded:
    return ToolEnded(CallId(call), ToolResult("aborted", ABORTED_CALL))


def approval(turn: str, number: int = 1) -> ApprovalId:
    """The id of a turn's question, which are numbered."""
    return ApprovalId(f"{turn}/{number}")


def asked_about(
    call: str, action: ToolAction, number: int = 1, reason: str = NOT_KNOWN_HARMLESS
) -> ApprovalRequested:
    """A call of the first turn waits for a person."""
    hashed = action_hash(action)
    approval_id, proposed = approval("t1", number), proposed_rule(SETTINGS, action)
    return ApprovalRequested(
        approval_id, CallId(call), action, reason, "untrusted", hashed, proposed
    )


def answer(
    asked: ApprovalRequested, decision: Decision, open_items: tuple[c.OpenItem, ...] = ()
) -> c.DecideApproval:
    """A person's answer to a question."""
    return c.DecideApproval(
        approval_id=asked.approval_id,
        action_hash=action_hash(asked.action),
        decision=decision,
        open_items=open_items,
    )


def changed(settings: Settings, change: SettingsChange) -> Settings:
    return change.applied(settings)
