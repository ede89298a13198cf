"""Rules for reports of effects, answers to approvals, and recovery after a daemon died."""

from __future__ import annotations

from typing import Literal, assert_never

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import ModelDone, OpenItem, ToolCallDone
from codexd.core.decide.approvals import NOBODY_TO_ASK, admit, ask_outside
from codexd.core.decide.compaction import (
    TOO_LONG,
    ask_for_less,
    call_again,
    finish_compaction,
    give_compaction_up,
    may_compact_again,
    with_what_fills,
)
from codexd.core.decide.hosts import ask_about_host, withdraw_host_questions
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import (
    Transition,
    end_processes,
    process_ended,
    ran_again,
)
from codexd.core.events import events as e
from codexd.core.events.events import or_nothing
from codexd.core.events.history import KeptItems
from codexd.core.policy.action_kinds import after_crash, request_for
from codexd.core.state.turn import ModelCall, OpenCall, waits_for_another
from codexd.core.values.items import TurnError
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone

RESTARTED = (
    "interrupted by a restart of the daemon: the call had been started, its result is not known, "
    "and it was not started again. Look at the present state before you repeat it."
)


def decide_model(
    transition: Transition,
    command: c.ReportModel | c.ReportModelFailure | c.RetryModelCall,
    lookups: Lookups,
) -> None:
    """Output of the model's stream, its failure, or the end of the wait before a retry."""
    call = transition.state.turn.call if transition.state.turn is not None else None
    if call is None or (call.call_id, call.attempt) != (command.call_id, command.attempt):
        return
    if call.status != ("backing_off" if isinstance(command, c.RetryModelCall) else "running"):
        return
    match command:
        case c.ReportModel():
            for seen in command.seen:
                if call.compacts:
                    _seen_apart(transition, seen, command.kept_items, lookups)
                else:
                    _seen(transition, seen, command.open_items, lookups)
        case c.ReportModelFailure():
            _failed(transition, call, command)
        case c.RetryModelCall():
            _retry(transition, call)
        case _:
            assert_never(command)


def _seen_apart(
    transition: Transition, seen: ModelDone, kept_items: KeptItems | None, lookups: Lookups
) -> None:
    """Output of a request for a summary: stored, and not shown; a tool call in it is not made."""
    match seen:
        case ModelItemDone():
            transition.add(e.ItemCompleted(seen.item_id, "other", seen.item, seen.started_ms))
        case ToolCallDone():
            _seen_apart(transition, seen.item, kept_items, lookups)
        case ModelResponseDone():
            transition.add(_call_ended(transition, seen))
            if seen.incomplete is not None:
                give_compaction_up(transition, _cut_off(seen.incomplete, "summary"))
            else:
                finish_compaction(transition, kept_items, lookups)
        case _:
            assert_never(seen)


def _seen(
    transition: Transition, seen: ModelDone, open_items: tuple[OpenItem, ...], lookups: Lookups
) -> None:
    match seen:
        case ModelItemDone():
            transition.add(_item_completed(seen))
        case ToolCallDone():
            transition.add(_item_completed(seen.item, seen.ref))
            admit(transition, seen, lookups)
        case ModelResponseDone():
            transition.cut(open_items, "failed")
            transition.add(_call_ended(transition, seen))
            turn = transition.turn
            # With the result of a call that came whole, the model can go on by itself.
            if seen.incomplete is not None and not turn.needs_model and not turn.open_calls:
                transition.add(e.TurnFailed(_cut_off(seen.incomplete, "answer")))
        case _:
            assert_never(seen)


def _cut_off(reason: str, what: Literal["answer", "summary"]) -> TurnError:
    kept = (
        "what had come by then is kept" if what == "answer" else "it is not used: the history stays"
    )
    return TurnError(
        f"The model's {what} was cut off by its provider ({reason}); {kept}.",
        "other",
        f"incomplete: {reason}",
    )


def _item_completed(done: ModelItemDone, call: e.ToolCallRef | None = None) -> e.ItemCompleted:
    kind = "other" if done.kind == "search" else done.kind
    return e.ItemCompleted(done.item_id, kind, done.item, done.started_ms, call)


def _call_ended(transition: Transition, seen: ModelResponseDone) -> e.ModelCallEnded:
    return e.ModelCallEnded(
        seen.duration_ms,
        seen.response_id,
        seen.request_id,
        or_nothing(seen.usage),
        _changed_limits(transition, seen.rate_limits),
        seen.incomplete,
        # True is what an end means anyway.
        False if seen.end_turn is False else None,
        seen.exchange,
    )


def _changed_limits(transition: Transition, limits: dict[str, str] | None) -> dict[str, str] | None:
    return limits if limits and limits != transition.state.rate_limits else None


def _failed(transition: Transition, call: ModelCall, command: c.ReportModelFailure) -> None:
    failures = call.request_failures if command.at == "request" else call.stream_failures
    retry = command.retry and failures < command.attempts_max
    transition.cut(command.open_items, "failed")
    failed = e.ModelCallFailed(
        _numbered(command.error, failures + 1, command.attempts_max) if retry else command.error,
        command.at,
        retry,
        command.after_ms if retry else 0,
        _changed_limits(transition, command.rate_limits),
        exchange=command.exchange,
    )
    if command.images:
        transition.add(
            replace(
                failed,
                error=command.error,
                will_retry=True,
                images=command.images,
                asked=command.asked,
            )
        )
        return
    if call.compacts and command.shorter is not None:
        ask_for_less(transition, call, failed, command.shorter)
        return
    transition.add(failed)
    error, too_long = command.error, command.error.codex_error_info == TOO_LONG
    if too_long:
        error = with_what_fills(transition.state, error, command.size)
    turn = transition.turn
    if call.compacts and not retry:
        give_compaction_up(transition, error)
        return
    if retry or (too_long and may_compact_again(transition.state)):
        return  # A request that is too long is compacted before the turn continues.
    for open_call in turn.open_calls:
        # The result of a call that was made before the stream broke is no longer needed.
        transition.abort(open_call.call_id, command.open_items, "aborted: the turn failed")
    transition.add(e.TurnFailed(error))


def _numbered(error: TurnError, failure: int, failures_max: int) -> TurnError:
    """The error in Codex's words for screens, with its own message as a detail."""
    details = error.additional_details
    return TurnError(
        f"Reconnecting... {failure}/{failures_max}",
        error.codex_error_info,
        f"{error.message} ({details})" if details else error.message,
    )


def _retry(transition: Transition, call: ModelCall) -> None:
    if not transition.turn.open_calls:
        call_again(transition, call)


def decide_tools(
    transition: Transition,
    command: c.ReportSpawned
    | c.ReportTask
    | c.ReportToolEnded
    | c.ReportProcessEnded
    | c.ReportHostAsked,
) -> None:
    """A tool's process has started, a call has ended, or a process that outlived its call has ended."""
    if isinstance(command, c.ReportHostAsked):
        ask_about_host(transition, command)
        return
    if isinstance(command, c.ReportProcessEnded):
        for process in transition.state.processes:
            if process.process == command.process:
                withdraw_host_questions(transition, process.call.call_id)
                transition.add(process_ended(process, command.result))
        return
    call = _running(transition, command.call_id)
    if isinstance(command, c.ReportSpawned) and call is None:
        call = _person_command_without_pid(transition, command.call_id)
    if call is None:
        result = command.result if isinstance(command, c.ReportToolEnded) else None
        if result is not None and result.blob is not None:
            # An interrupt has ended the call; what it had printed is still of use to people.
            transition.add(e.OutputKept(command.call_id, result.blob, result.output_bytes))
        return
    match command:
        case c.ReportSpawned():
            spawned = e.ToolSpawned(call.call_id, command.pid, command.start_time, command.at_ms)
            transition.add(spawned)
        case c.ReportTask():
            transition.add(e.ToolTaskCreated(call.call_id, command.task))
        case c.ReportToolEnded():
            if command.process is None:
                withdraw_host_questions(transition, call.call_id)
            if command.process is not None or not ask_outside(transition, call, command.result):
                result = ran_again(call, command.result)
                transition.add(e.ToolEnded(call.call_id, result, command.process))
        case _:
            assert_never(command)


def _running(transition: Transition, call_id: str) -> OpenCall | None:
    turn = transition.state.turn
    calls = turn.open_calls if turn is not None else ()
    return next((call for call in calls if call.call_id == call_id and call.running), None)


def _person_command_without_pid(transition: Transition, call_id: str) -> OpenCall | None:
    calls = (process.call for process in transition.state.processes if process.is_of_person)
    return next((call for call in calls if call.call_id == call_id and call.pid is None), None)


def decide_recovery(transition: Transition, command: c.Recover) -> None:
    """Resume a thread whose daemon died.

    A model call in flight is made again; for a running tool its row in the table of kinds decides.
    An open question stays open, queued input stays queued.
    """
    end_processes(transition, RESTARTED, command.open_items, but_adopted=True)
    for process in transition.state.processes:
        if process.is_of_person and process.call.action is not None:
            started = e.ToolStarted(process.call.call_id, process.call.action, again="adopt")
            transition.add(started)
    turn = transition.state.turn
    if turn is None:
        return
    if command.forked or transition.state.fork_open:
        transition.interrupt(command.open_items, "forked")
        return
    if not command.resume:
        transition.interrupt(command.open_items, "restarted")
        return
    transition.cut(command.open_items, "restarted")
    withdraw_host_questions(transition)
    for call in turn.open_calls:
        # A call that waits for another was never begun, and waits on.
        if not (call.running and waits_for_another(turn, call)):
            _resume_call(transition, call, command.open_items)
    if turn.call is not None and turn.call.status == "running":
        error = TurnError("the daemon was restarted; the model is asked again")
        transition.add(e.ModelCallFailed(error, "restart", True))
        if transition.turn.call is not None:
            _retry(transition, transition.turn.call)


def _resume_call(transition: Transition, call: OpenCall, open_items: tuple[OpenItem, ...]) -> None:
    action = call.action
    if action is None:
        transition.abort(call.call_id, open_items, RESTARTED)
        return
    if call.approval_id is not None:
        if request_for(action) is None:  # The question is from another version.
            transition.abort(call.call_id, open_items, NOBODY_TO_ASK)
        return
    # Its server goes on with a task, whatever the action is.
    rule = after_crash(action) if call.task is None else "adopt"
    # A call that was already repeated may be the reason why the daemon died.
    if rule == "declare unknown" or not call.running or (rule, call.again) == ("repeat", "repeat"):
        transition.abort(call.call_id, open_items, RESTARTED)
    else:
        transition.add(e.ToolStarted(call.call_id, action, call.guarded, rule))
