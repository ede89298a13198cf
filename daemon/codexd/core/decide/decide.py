"""decide(state, command, lookups) -> events: the only place that applies rules.

It returns the events that happen, or raises `Rejected` with a message for the client. A late report, of an
effect that is no longer due, gives no events.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Command, Rejected
from codexd.core.decide.approvals import decide_approval, revoke_grants
from codexd.core.decide.beside_turns import (
    OnHold,
    decide_on_hold,
    end_title,
    give_title_up,
    refuse_empty,
    refuse_if_full,
    request_title,
    withdraw_all,
    withdraw_turn,
)
from codexd.core.decide.compaction import (
    begin_compaction,
    call_model,
    reason_before_turn,
    reason_within_turn,
    warn_of_no_room,
)
from codexd.core.decide.context import context_due, new_instructions, warnings_due
from codexd.core.decide.effect_reports import (
    decide_model,
    decide_recovery,
    decide_tools,
)
from codexd.core.decide.goals import clear_goal, goes_on, set_goal, stop_goal, tell_spent
from codexd.core.decide.history import begin_compact_turn, decide_keeping, decide_taking_back
from codexd.core.decide.lookups import NO_LOOKUPS, Lookups
from codexd.core.decide.review import begin_review, end_review, start_review
from codexd.core.decide.take_in import take_in
from codexd.core.decide.transition import ABORTED_CALL, Transition, decide_writing, end_processes
from codexd.core.events import events as e
from codexd.core.events.events import or_nothing
from codexd.core.policy.permission_rules import granted_by, widened
from codexd.core.prompts.goals import continue_text
from codexd.core.rules.prefix_rules import complaints_about
from codexd.core.state.known_context import KnownContext
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import Turn
from codexd.core.state.waiting import next_waiting
from codexd.core.values.enforced import unenforced
from codexd.core.values.ids import ItemId, TurnId
from codexd.core.values.items import TextInput
from codexd.core.values.settings import SettingsChange, at_tier
from codexd.core.values.tool_actions import PersonCommand

# Commands that people run in a thread at a time, beside those of the model: as many as sessions of the model.
PERSON_COMMANDS_MAX = 64


def decide(state: ThreadState, command: Command, lookups: Lookups = NO_LOOKUPS) -> list[e.Event]:
    """The events of a command to a thread in this state. Raises: Rejected."""
    transition = Transition(state)
    match command:
        case c.StartThread():
            _start_thread(transition, command)
        case c.ReportModel() | c.ReportModelFailure() | c.RetryModelCall():
            decide_model(transition, command, lookups)
        case c.ReportSpawned() | c.ReportTask() | c.ReportHostAsked():
            decide_tools(transition, command)
        case c.ReportToolEnded() | c.ReportProcessEnded():
            decide_tools(transition, command)
        case c.WriteToSession() | c.RunPersonCommand():
            refuse_unless_open(transition.state)
            _by_hand(transition, command, lookups)
        case c.Recover():
            if command.repaired is not None:
                transition.add(e.LogRepaired(command.repaired))
            give_title_up(transition)
            if command.taken_from is not None or transition.state.foreign is not None:
                take_in(transition, command.open_items, command.taken_from, lookups)
            else:
                decide_recovery(transition, command)
        case c.ReportTitle():
            end_title(transition, command)
        case c.StartReview():
            refuse_unless_open(transition.state)
            start_review(transition, command, lookups)
        case c.ReportReview():
            end_review(transition, command)
        case c.GoOn():
            pass  # What is due follows from the state.
        case c.CompactThread() | c.PinRecord() | c.UnpinRecord():
            refuse_unless_open(transition.state)
            decide_keeping(transition, command, lookups)
        case _:
            _of_people(transition, command)
    if not (isinstance(command, c.InterruptTurn) and command.reason == "shutdown"):
        settle(transition, lookups)  # At a shutdown the queue waits for the next daemon.
    return transition.events


_OfPeople = (
    c.RenameThread
    | c.ArchiveThread
    | c.UnarchiveThread
    | c.ChangeSettings
    | c.StartTurn
    | c.SteerTurn
    | c.InterruptTurn
    | c.DecideApproval
    | c.RevokeGrants
    | c.RevertHistory
    | c.UndoRevert
    | c.UndoCompaction
    | OnHold
    | c.SetGoal
    | c.ClearGoal
)


def _of_people(transition: Transition, command: _OfPeople) -> None:
    if transition.state.settings is None or not isinstance(
        command, c.UnarchiveThread | c.ArchiveThread
    ):
        refuse_unless_open(transition.state)
    match command:
        case c.RenameThread():
            if command.name != transition.state.name:
                transition.add(e.ThreadRenamed(command.name))
        case c.ArchiveThread():
            _archive(transition, command)
        case c.UnarchiveThread():
            if transition.state.archived:
                transition.add(e.ThreadUnarchived())
        case c.ChangeSettings():
            change = command.change.differing(transition.settings)
            if change is not None:
                transition.add(e.SettingsChanged(change))
        case c.StartTurn():
            _start_turn(transition, command)
        case c.SteerTurn():
            _steer(transition, command)
        case c.InterruptTurn():
            _interrupt(transition, command)
        case c.DecideApproval():
            decide_approval(transition, command)
        case c.RevokeGrants():
            revoke_grants(transition, command)
        case c.RevertHistory() | c.UndoRevert() | c.UndoCompaction():
            decide_taking_back(transition, command)
        case c.SetGoal():
            set_goal(transition, command)
        case c.ClearGoal():
            clear_goal(transition)
        case _:
            decide_on_hold(transition, command)


def _start_thread(transition: Transition, command: c.StartThread) -> None:
    if transition.state.settings is not None:
        raise Rejected("thread_exists", "the thread is there already: nothing was done")
    members = {name: getattr(command, name) for name in command.__struct_fields__}
    transition.add(e.ThreadStarted(**members))


def _archive(transition: Transition, command: c.ArchiveThread) -> None:
    if transition.state.archived:
        return
    if transition.state.turn is not None:
        transition.interrupt(command.open_items, "archived")
    end_processes(transition, ABORTED_CALL, command.open_items)
    withdraw_all(transition)
    transition.add(e.ThreadArchived())


def _start_turn(transition: Transition, command: c.StartTurn) -> None:
    refuse_empty(command.content)
    refuse_if_full(transition)
    transition.add(
        e.InputQueued(
            command.item_id,
            command.turn_id,
            command.content,
            command.client_id,
            _asked_change(transition, command.change),
            command.today,
            or_nothing(command.output_schema),
            command.traceparent,
            command.service_tier,
            command.client_metadata,
        )
    )


def _by_hand(
    transition: Transition, command: c.WriteToSession | c.RunPersonCommand, lookups: Lookups
) -> None:
    """A person types into a session, or runs a command."""
    if isinstance(command, c.WriteToSession):
        decide_writing(transition, command)
    else:
        _run_person_command(transition, command, lookups)


def _run_person_command(
    transition: Transition, command: c.RunPersonCommand, lookups: Lookups
) -> None:
    """Begin it in the running turn, or in a turn of its own."""
    if not command.line.strip():
        raise Rejected("empty_command", "expected a command, found none: nothing was run")
    running = sum(process.is_of_person for process in transition.state.processes)
    if running >= PERSON_COMMANDS_MAX:
        raise Rejected(
            "too_many_commands",
            f"{running} commands of people run in this thread already: `codexctl ps` lists them, and "
            "`codexctl kill` ends one; nothing was run",
        )
    if transition.state.turn is None:
        turn = e.TurnStarted(command.turn_id, transition.settings, kind="shell")
        _open_turn(transition, turn, lookups, today=command.today)
    action = PersonCommand(
        command=command.line,
        argv=command.argv,
        cwd=transition.turn.settings.cwd,
        timeout_ms=command.timeout_ms,
    )
    transition.add(e.ToolStarted(command.call_id, action))


def _asked_change(transition: Transition, change: SettingsChange) -> SettingsChange | None:
    """The settings that the queued turn must carry: all, if other commands may change them before it starts."""
    if transition.state.turn is not None or transition.state.queue:
        return change if change != SettingsChange() else None
    return change.differing(transition.settings)


def _steer(transition: Transition, command: c.SteerTurn) -> None:
    refuse_empty(command.content)
    turn = running(transition.state, command.expected_turn, "steer")
    if turn.kind in ("compact", "review"):
        doing = "the history is being compacted" if turn.kind == "compact" else "a review runs"
        raise Rejected(
            "turn_not_steerable",
            f"{doing}, and nothing can be added to that: "
            "send it as a turn of its own, which waits for its end; nothing was sent",
        )
    steered = e.TurnSteered(command.item_id, command.content, command.client_id)
    transition.steer(steered, command.open_items)


def _interrupt(transition: Transition, command: c.InterruptTurn) -> None:
    """Interrupt the running turn; a queued turn is withdrawn."""
    if withdraw_turn(transition, command.turn_id):
        return
    running(transition.state, command.turn_id, "interrupt")
    transition.interrupt(command.open_items, command.reason)


def refuse_unless_open(state: ThreadState) -> None:
    """Raises: Rejected, if the thread accepts no commands."""
    if state.settings is None:
        raise Rejected("thread_not_started", "the thread was never started: nothing was done")
    if state.archived:
        raise Rejected(
            "thread_archived", "the thread is archived: unarchive it first; nothing was done"
        )


def running(state: ThreadState, expected: str | None, verb: str) -> Turn:
    """The running turn, if it is the expected turn. Raises: Rejected."""
    if state.turn is None:
        raise Rejected("no_active_turn", f"no active turn to {verb}")
    if expected is not None and state.turn.turn_id != expected:
        raise Rejected(
            "turn_mismatch",
            f"expected active turn id `{expected}` but found `{state.turn.turn_id}`",
        )
    return state.turn


def settle(transition: Transition, lookups: Lookups) -> None:
    """Continue a thread that waits for nothing: the model's next call, the turn's end, the next turn."""
    while not transition.state.archived and not transition.state.fork_open:
        turn = transition.state.turn
        if turn is None:
            stop_goal(transition)
            if not _begin_next(transition, lookups):
                return
        elif (
            turn.call is not None
            or turn.open_calls
            or turn.review is not None
            or (turn.kind == "shell" and _runs_person_command(transition.state, turn))
        ):
            return
        elif turn.needs_model:
            _go_on(transition, lookups)
        else:
            transition.add(e.TurnCompleted())


def _begin_next(transition: Transition, lookups: Lookups) -> bool:
    """Begin the turn that waits first, or that of a goal; False if none is to begin."""
    state = transition.state
    waiting = next_waiting(state.waiting, state.queue)
    if waiting is not None and waiting.kind == "review":
        begin_review(transition, waiting, lookups)
    elif waiting is not None:
        begin_compact_turn(transition, waiting, lookups)
    elif state.queue:
        _begin_turn(transition, state.queue[0], lookups)
    elif goes_on(state) and lookups.new_turn is not None:
        _begin_goal_turn(transition, lookups.new_turn, lookups)
    else:
        return False
    return True


def _runs_person_command(state: ThreadState, turn: Turn) -> bool:
    """Whether a command runs that a person has started in this turn."""
    return any(
        process.is_of_person and process.turn_id == turn.turn_id for process in state.processes
    )


def _begin_goal_turn(transition: Transition, turn_id: TurnId, lookups: Lookups) -> None:
    """A turn that nobody has asked for: the model is told to go on with the goal."""
    goal = transition.state.goal
    assert goal is not None
    nobody = e.InputQueued(ItemId(turn_id), turn_id, (TextInput(goal.objective),))
    _begin_turn(transition, nobody, lookups, told=continue_text(goal))


def _begin_turn(
    transition: Transition, queued: e.InputQueued, lookups: Lookups, told: str | None = None
) -> None:
    """The turn of an input; or, where the model is `told` what to do, a turn without input."""
    state = transition.state
    # What the machine enforces now is recorded with the turn, and its calls are judged by that.
    asked = replace(queued.change or SettingsChange(), enforcement=lookups.enforcement)
    change = asked.differing(transition.settings)
    if change is not None:
        transition.add(e.SettingsChanged(change))
    settings = at_tier(transition.settings, queued.service_tier)
    limits = lookups.of(settings).limits
    reason = reason_before_turn(transition.state, queued, limits)
    # Context that the compaction drops is sent again as a whole: it will follow the summary.
    knows = state if reason is None else replace(state, known_context=KnownContext())
    turn = e.TurnStarted(queued.turn_id, settings, (queued.item_id,) if told is None else ())
    _open_turn(transition, turn, lookups, today=queued.today, knows=knows)
    if told is not None:
        transition.add(e.GoalTold(told))
    if reason is not None:
        other = state.last_settings if reason == "model_downshift" else None
        begin_compaction(transition, lookups, reason, "pre_turn", other)
    if state.reviews is None:
        request_title(transition, queued, lookups.titles)


def _open_turn(
    transition: Transition,
    turn: e.TurnStarted,
    lookups: Lookups,
    *,
    today: str | None,
    knows: ThreadState | None = None,
) -> None:
    """The turn with what it works with, after the context that its model lacks; `knows` has what the model knows."""
    state, known = transition.state, lookups.of(turn.settings)
    settings = widened(turn.settings, granted_by(state.allowed_for_session))
    for event in (
        *warnings_due(state, (*known.tuned.complaints, *unenforced(settings))),
        *warnings_due(state, complaints_about(lookups.rules)),
        *context_due(knows or state, settings, today, lookups),
    ):
        transition.add(event)
    transition.add(
        replace(
            turn,
            settings=settings,
            limits=known.limits,
            tuning=known.tuned.tuning,
            instructions=new_instructions(state, known.instructions),
        )
    )


def _go_on(transition: Transition, lookups: Lookups) -> None:
    tell_spent(transition)
    reason = reason_within_turn(transition.state)
    if reason is not None:
        begin_compaction(transition, lookups, reason, "mid_turn")
    else:
        warn_of_no_room(transition)
        call_model(transition)
