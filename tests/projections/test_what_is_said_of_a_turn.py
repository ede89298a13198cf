"""The notifications of a turn, in the order in which Codex's clients know them.

Where Codex leaves an item open (an answer that is interrupted, broken or cut short), codexd ends
it with what was shown: decisions 0001 and 0007.
"""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from builders import BROKEN, FINISHED, ask, finished_call, finished_message, line, result, text
from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.policy.approval import action_hash
from codexd.core.values.ids import CallId, ItemId
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    Reasoning,
    ThreadItem,
    ToolCall,
    ToolText,
    TurnError,
    UnknownAction,
    UserMessage,
)
from codexd.core.values.model_output import ModelResponseDone
from codexd.core.values.settings import SettingsChange
from codexd.core.values.tool_actions import BadCall, Decision, ToolResult
from codexd.protocol import notifications as n
from codexd.protocol.threads import Active
from codexd.protocol.turns import Turn
from random_thread import Play

U = ["item/started userMessage", "item/completed userMessage"]
BEGIN = ["thread/status/changed active", "turn/started", *U]
MESSAGE = ["item/started agentMessage", "item/agentMessage/delta", "item/completed agentMessage"]
USAGE = "thread/tokenUsage/updated"
LIMITS = {"x-codex-primary-used-percent": "7.4", "x-codex-primary-window-minutes": "300"}
END = ["thread/status/changed idle", "turn/completed completed"]
STOPPED = ["thread/status/changed idle", "turn/completed interrupted"]


def running() -> Play:
    """A thread whose first turn has just called the model; what was said so far is checked."""
    play = Play()
    play.do(ask(1))
    assert heard(play) == BEGIN
    return play


def heard(play: Play) -> list[str]:
    """What was said since the last look: methods, with the word that matters. Runs of deltas are one."""
    reader = play.live
    said: list[str] = []
    params = iter(reader.params)
    for method in reader.heard:
        if method.lower().endswith("delta"):
            if said[-1:] != [method]:
                said.append(method)
        elif method in ("ask", "settled"):
            said.append(method)
        else:
            said.append(" ".join([method, *_words(next(params))]))
    reader.heard.clear()
    reader.params.clear()
    return said


def _words(params: msgspec.Struct) -> list[str]:
    match params:
        case n.ItemStartedNotification(item=item) | n.ItemCompletedNotification(item=item):
            assert not isinstance(item, msgspec.Raw)
            return [str(type(item).__struct_config__.tag)]
        case n.ThreadStatusChangedNotification(status=status):
            flags = status.active_flags if isinstance(status, Active) else ()
            return [str(type(status).__struct_config__.tag), *flags]
        case n.TurnCompletedNotification(turn=turn):
            return [turn.status]
        case n.ErrorNotification(will_retry=True):
            return ["again"]
        case _:
            return []


def answer(play: Play, words: str = "Done.") -> None:
    play.open(f"m{len(play.records)}")
    item = next(iter(play.streaming))
    play.say(item, *words)
    play.finish(item)
    play.end_response()


def call(play: Play, name: str, command: str) -> None:
    play.report(finished_call(name, line(command)))


def end(play: Play, name: str, outcome: ToolResult | None = None) -> None:
    play.do(c.ReportToolEnded(call_id=CallId(name), result=outcome or result()))


def decide(play: Play, decision: Decision) -> None:
    (call, *_) = play.turn.open_calls
    assert call.approval_id is not None
    assert call.action is not None
    play.do(
        c.DecideApproval(
            approval_id=call.approval_id,
            action_hash=action_hash(call.action),
            decision=decision,
            open_items=play.open_items(),
        )
    )


def item_of(play: Play, item: str) -> ThreadItem:
    """An item as the screen has it, without its times."""
    return play.live.screen()[ItemId(item)]


def test_a_text_turn() -> None:
    play = running()
    answer(play)
    assert heard(play) == [*MESSAGE, USAGE, *END]


def test_a_change_of_settings_comes_before_its_turn() -> None:
    play = Play()
    play.do(ask(1, change=SettingsChange(model="m-2")))
    assert heard(play) == ["thread/settings/updated", "warning", *BEGIN]


def test_reasoning() -> None:
    play = running()
    play.open("r1", "reasoning")
    play.say("r1", "Hm", "m.", part="summary", index=0)
    play.say("r1", "So:", part="summary", index=1)
    play.say("r1", "raw", part="content", index=0)
    play.finish("r1")
    assert heard(play) == [
        "item/started reasoning",
        "item/reasoning/summaryPartAdded",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/summaryPartAdded",
        "item/reasoning/summaryTextDelta",
        "item/reasoning/textDelta",
        "item/completed reasoning",
    ]
    assert item_of(play, "r1") == Reasoning(
        id=ItemId("r1"), summary=("Hmm.", "So:"), content=("raw",)
    )


def test_a_command() -> None:
    play = running()
    call(play, "c1", "ls -a")
    play.do(c.ReportSpawned(call_id=CallId("c1"), pid=42, start_time="7"))
    play.print("c1", "a.py\n")
    play.end_response()
    end(play, "c1", ToolResult("completed", "for the model", "a.py\n", 0, 12))
    answer(play)
    assert heard(play) == [
        "item/started commandExecution",
        "item/commandExecution/outputDelta",
        USAGE,
        "item/completed commandExecution",
        *MESSAGE,
        USAGE,
        *END,
    ]
    assert item_of(play, "c1") == CommandExecution(
        id=ItemId("c1"),
        command="/bin/sh -c 'ls -a'",
        cwd="/work",
        process_id="42",
        status="completed",
        command_actions=(UnknownAction("ls -a"),),
        aggregated_output="a.py\n",
        exit_code=0,
        duration_ms=12,
    )


def asked() -> Play:
    """A command waits to be allowed; what was said so far is checked."""
    play = running()
    call(play, "c1", "make")
    assert heard(play) == [
        "thread/status/changed active waitingOnApproval",
        "item/started commandExecution",
        "ask",
    ]
    play.end_response()
    assert heard(play) == [USAGE]
    return play


def test_a_command_that_is_allowed() -> None:
    play = asked()
    decide(play, "accept")
    assert heard(play) == ["settled", "thread/status/changed active"]
    end(play, "c1")
    answer(play)
    assert heard(play) == [
        "item/commandExecution/outputDelta",  # what was not streamed of its output
        "item/completed commandExecution",
        *MESSAGE,
        USAGE,
        *END,
    ]


def test_a_command_that_is_declined() -> None:
    play = asked()
    decide(play, "decline")
    assert heard(play) == [
        "settled",
        "thread/status/changed active",
        "item/completed commandExecution",
    ]
    declined = item_of(play, "c1")
    assert isinstance(declined, CommandExecution)
    assert (declined.status, declined.exit_code, declined.aggregated_output) == (
        "declined",
        None,
        None,
    )
    answer(play)
    assert heard(play) == [*MESSAGE, USAGE, *END]


def test_a_command_that_is_cancelled() -> None:
    play = asked()
    decide(play, "cancel")
    assert heard(play) == [
        "settled",
        "thread/status/changed active",
        "item/completed commandExecution",
        *STOPPED,
    ]


def test_after_one_of_two_answers_one_question_is_left() -> None:
    play = running()
    call(play, "c1", "make")
    call(play, "c2", "make install")
    heard(play)
    decide(play, "accept")
    assert heard(play) == ["settled", "thread/status/changed active waitingOnApproval"]


def test_an_interrupt_in_mid_answer() -> None:
    play = running()
    play.open("m1")
    play.say("m1", "Hal")
    play.do(c.InterruptTurn(open_items=play.open_items()))
    assert heard(play) == [*MESSAGE, *STOPPED]
    cut = item_of(play, "m1")
    assert cut == AgentMessage(id=ItemId("m1"), text="Hal", phase="partial_answer")


def test_an_interrupt_in_a_command() -> None:
    play = running()
    call(play, "c1", "ls")
    play.end_response()
    heard(play)
    play.do(c.InterruptTurn())
    assert heard(play) == ["item/completed commandExecution", *STOPPED]
    stopped = item_of(play, "c1")
    assert isinstance(stopped, CommandExecution)
    assert stopped.status == "failed"


def test_an_interrupt_while_a_question_waits_takes_the_question_away() -> None:
    play = asked()
    play.do(c.InterruptTurn())
    assert heard(play) == ["item/completed commandExecution", "settled", *STOPPED]


def test_a_steered_input_is_shown_where_the_model_sees_it() -> None:
    play = running()
    play.open("m1")
    play.say("m1", "I am")
    steer = c.SteerTurn(
        expected_turn=play.turn.turn_id, item_id=ItemId("s1"), content=text("stop"), client_id="x"
    )
    play.do(replace(steer, open_items=play.open_items()))
    answer(play, "I see.")
    assert heard(play) == [*MESSAGE, *U, *MESSAGE, USAGE, *END]
    assert item_of(play, "s1") == UserMessage(id=ItemId("s1"), client_id="x", content=text("stop"))
    assert play.live.turns == ["t1 completed"]


def test_a_steered_input_that_the_model_never_saw_is_shown_at_the_turns_end() -> None:
    play = running()
    play.do(
        c.SteerTurn(expected_turn=play.turn.turn_id, item_id=ItemId("s1"), content=text("stop"))
    )
    play.do(c.InterruptTurn())
    assert heard(play) == [*U, *STOPPED]


def test_a_retry() -> None:
    play = running()
    play.open("m1")
    play.say("m1", "Hal")
    play.fail()
    assert heard(play) == [*MESSAGE, "error again"]
    error = play.records[-1].event
    play.do(c.RetryModelCall(call_id=play.call.call_id, attempt=1))
    answer(play)
    assert heard(play) == [*MESSAGE, USAGE, *END]
    assert getattr(error, "error", None) == TurnError(
        "Reconnecting... 1/3", BROKEN.codex_error_info, BROKEN.message
    )


def test_a_failure() -> None:
    play = running()
    play.open("m1")
    play.say("m1", "Hal")
    play.fail(retry=False)
    errors = [p for p in play.live.params if isinstance(p, n.ErrorNotification)]
    turns = [p.turn for p in play.live.params if isinstance(p, n.TurnCompletedNotification)]
    assert heard(play) == [
        *MESSAGE,
        "thread/status/changed systemError",
        "error",
        "turn/completed failed",
    ]
    assert [e.error for e in errors] == [BROKEN]
    assert [turn.error for turn in turns] == [BROKEN]
    play.do(ask(2))
    assert heard(play) == BEGIN


def test_limits_are_sent_with_an_answer_and_with_a_refusal() -> None:
    play = running()
    call_id = play.call.call_id
    play.do(
        c.ReportModelFailure(
            call_id=call_id,
            attempt=1,
            error=BROKEN,
            at="request",
            retry=True,
            after_ms=1,
            attempts_max=4,
            rate_limits=LIMITS,
        )
    )
    assert heard(play) == ["account/rateLimits/updated", "error again"]
    play.do(c.RetryModelCall(call_id=call_id, attempt=1))
    more = LIMITS | {"x-codex-primary-used-percent": "8"}
    usage = msgspec.Raw(b'{"input_tokens":1}')
    play.report(ModelResponseDone(duration_ms=1, usage=usage, rate_limits=more))
    assert heard(play) == [USAGE, "account/rateLimits/updated", *END]


def test_a_queued_turn() -> None:
    play = running()
    play.do(ask(2))
    assert heard(play) == ["thread/queue/changed"]
    answer(play)
    assert heard(play) == [*MESSAGE, USAGE, *END, "thread/queue/changed", *BEGIN]
    play.do(ask(3))
    play.do(c.WithdrawInput(item_id=ItemId("u3")))
    assert heard(play) == ["thread/queue/changed", "thread/queue/changed"]


def test_a_call_that_cannot_be_made_begins_and_ends() -> None:
    play = running()
    play.report(finished_call("c1", BadCall("no such tool")))
    starts = [p.item for p in play.live.params if isinstance(p, n.ItemStartedNotification)]
    assert heard(play) == ["item/started dynamicToolCall", "item/completed dynamicToolCall"]
    assert isinstance(starts[-1], ToolCall)
    assert (starts[-1].status, starts[-1].content_items) == ("inProgress", None)
    shown = item_of(play, "c1")
    assert shown == ToolCall(
        id=ItemId("c1"),
        tool="shell",
        arguments=msgspec.Raw(b'"c1"'),
        status="failed",
        success=False,
        content_items=(ToolText("no such tool"),),
        duration_ms=None,
    )


def test_an_answer_of_one_piece_is_one_delta() -> None:
    play = running()
    play.report(finished_message("m1", "Done."), FINISHED)
    assert heard(play) == [*MESSAGE, *END]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (c.RenameThread(name="Parser"), ["thread/name/updated"]),
        (c.ChangeSettings(change=SettingsChange(model="m-2")), ["thread/settings/updated"]),
        (c.ChangeSettings(change=SettingsChange(model="m-1")), []),
        (c.ArchiveThread(), ["thread/status/changed notLoaded", "thread/archived"]),
    ],
    ids=["a name", "settings", "no change", "putting it aside"],
)
def test_notifications_of_the_thread(command: Command, said: list[str]) -> None:
    play = Play()
    play.do(command)
    assert heard(play) == said


def test_archiving_a_running_thread() -> None:
    play = running()
    play.do(ask(2))
    heard(play)
    play.do(c.ArchiveThread())
    withdrawn = ["thread/queue/changed", "warning"]
    assert heard(play) == [
        *STOPPED,
        *withdrawn,
        "thread/status/changed notLoaded",
        "thread/archived",
    ]
    play.do(c.UnarchiveThread())
    assert heard(play) == ["thread/unarchived"]


def test_notifications_of_a_turn() -> None:
    play = running()
    answer(play)
    [completed] = [p.turn for p in play.live.params if isinstance(p, n.TurnCompletedNotification)]
    last = play.live.items[ItemId(next(i for i in play.live.items if i.startswith("m")))]
    begun_ms, ended_ms = play.records[1].at_ms, play.records[-1].at_ms
    assert completed == Turn(
        id="t1",
        root_turn_id="t1",
        items=(last,),
        items_view="summary",
        status="completed",
        started_at=begun_ms // 1000,
        completed_at=ended_ms // 1000,
        duration_ms=ended_ms - begun_ms,
    )
