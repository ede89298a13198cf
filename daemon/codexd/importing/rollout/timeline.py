"""Collects the events of a rollout, each with its time, its line and its turn; and tracks the open turn.

The newest rollouts say where each turn begins and ends. Older rollouts say only where some turns were
stopped, so a person's next message begins a turn, and an answer without open calls ends it.

A turn's end is emitted when something else begins: lines after the end may still belong to the turn.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from codexd.core.decide.transition import ABORTED_NOTE
from codexd.core.events import events as e
from codexd.core.values.ids import CallId, ItemId, ModelCallId, TurnId, uuid7
from codexd.core.values.items import UserInput
from codexd.core.values.limits import Limits
from codexd.core.values.model_output import ItemKind
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import RunCommand, ToolResult
from codexd.importing.rollout.calls import Ran
from codexd.importing.rollout.lines import Line

# Bounds for inputs of a turn that has not begun, and for calls without an answer: each is held in memory, and no
# real rollout has more.
INPUTS_MAX = 64
OPEN_CALLS_MAX = 256
# The same for messages and compactions of Codex that wait until all calls have their answers.
HELD_MAX = 64
UNANSWERED = "aborted: the log that this was imported from has no answer to this call; its result is not known"

# The members of an event that are replaced; the other members of a converted event stay.
TurnEnd = e.TurnCompleted | e.TurnInterrupted | e.TurnFailed


class TimedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event and its source."""

    event: e.Event
    at_us: int
    line: int
    ordinal: int | None = None
    turn: str | None = None

    @property
    def by(self) -> str:
        """The `by` of the record: the line of the rollout, and its ordinal if it has one."""
        place = "" if self.ordinal is None else f"#{self.ordinal}"
        return f"import:{self.line}{place}"


class Input(msgspec.Struct):
    """A person's input whose turn has not begun yet."""

    item_id: ItemId
    content: tuple[UserInput, ...]
    line: Line


_NO_LINE = Line(0, "", {}, 0)


class OpenTurn(msgspec.Struct):
    """The turn that the current lines belong to."""

    turn_id: TurnId
    spoken_of: bool  # whether the rollout says where it begins and ends
    line: Line  # its first line
    kind: e.TurnKind = "user"
    window: int | None = None  # tokens of its model's context window, if the rollout has it
    begun: bool = False  # whether its start was emitted
    inputs: list[Input] = []
    calls_made: int = 0
    model_call: bool = False
    answered_since: bool = False  # a tool's answer came since the model call began
    answered: bool = False  # the last item is an answer of the model
    counted: bool = False  # the running model call was counted before its items
    ending: TurnEnd | None = None  # its end was recorded, and is not emitted yet
    last: tuple[Line, int] = (_NO_LINE, 0)  # the last line that belongs to it, and its time


class OpenCall(msgspec.Struct):
    """A tool call without an answer."""

    command: RunCommand | None
    ran: Ran | None = None
    begun: bool = False


class Timeline:
    """Collects events in order; knows which turn, which model call and which tool calls are open."""

    def __init__(self, source_id: str, at_us: int, until_us: int) -> None:
        """`at_us`: the time of lines before the first one that has a time; a line has none after `until_us`."""
        self._source_id, self._until_us = source_id, until_us
        self.turn: OpenTurn | None = None
        self.calls: dict[str, OpenCall] = {}
        self.settings: Settings | None = None
        self.line, self.at_us = _NO_LINE, at_us
        self._pending: list[TimedEvent] = []
        self._held: list[tuple[e.Event, Line]] = []  # until all calls have their answers
        self._counts: list[e.ModelCallEnded] = []  # until a turn begins
        self._deferred: list[TimedEvent] = []  # until the end of the turn is emitted

    def at(self, line: Line) -> None:
        """The next events come from this line."""
        if line.at_us is not None and line.at_us > self._until_us:
            line = msgspec.structs.replace(line, at_us=None)
        self.line, self.at_us = line, max(line.at_us or 0, self.at_us)

    def emit(self, event: e.Event, line: Line | None = None) -> None:
        """Add an event."""
        source = line or self.line
        turn = self.turn.turn_id if self.turn is not None and self.turn.begun else None
        at_us = source.at_us if line is not None and source.at_us else self.at_us
        self._pending.append(TimedEvent(event, at_us, source.number, source.ordinal, turn))

    def emit_beside(self, event: e.Event) -> None:
        """Add an event that is no part of a turn, such as context for the next model call."""
        waits = isinstance(event, e.ItemCompleted | e.HistoryCompacted)
        if self.calls and waits and len(self._held) < HELD_MAX:
            self._held.append((event, self.line))
        elif self.turn is not None and self.turn.ending is not None:
            at = TimedEvent(event, self.at_us, self.line.number, self.line.ordinal)
            self._deferred.append(at)
        else:
            self.emit(event)

    def take(self) -> list[TimedEvent]:
        """The events since the last call."""
        events, self._pending = self._pending, []
        return events

    def open_turn(self, turn_id: str | None, kind: e.TurnKind = "user") -> OpenTurn:
        """Open a turn that the rollout names, or that must have begun."""
        named = turn_id or self.made_id()
        self.turn = OpenTurn(TurnId(named), turn_id is not None, self.line, kind)
        return self.turn

    def made_id(self) -> str:
        """An id that is the same at each reading of this line."""
        place = f"{self._source_id}/{self.line.number}".encode()
        return uuid7(self.at_us // 1000, int.from_bytes(hashlib.sha256(place).digest()[:9]))

    def began(self, kind: e.TurnKind = "user") -> OpenTurn:
        """The open turn, after its start was emitted."""
        turn = self.turn or self.open_turn(None, kind)
        if turn.begun:
            return turn
        assert self.settings is not None, "a turn before the thread began"
        if not turn.inputs and turn.kind == "user":
            turn.kind = kind
        for input_ in turn.inputs:
            self.emit(e.InputQueued(input_.item_id, turn.turn_id, input_.content), input_.line)
        turn.begun = True
        inputs = tuple(input_.item_id for input_ in turn.inputs)
        first = turn.inputs[0].line if turn.inputs else turn.line
        limits = Limits(effective=turn.window)
        self.emit(e.TurnStarted(turn.turn_id, self.settings, inputs, turn.kind, limits), first)
        self._take_counts()
        return turn

    def _take_counts(self) -> None:
        counts, self._counts = self._counts, []
        for ended in counts:
            self.emit(ended)

    def said_by_person(
        self, item_id: ItemId, content: tuple[UserInput, ...], *, within: bool = False
    ) -> None:
        """A person's message: it begins a turn, or is added to the running turn.

        `within`: it comes between a call and its answer, so the turn continues.
        """
        self.finish()
        turn = self.turn
        if turn is not None and turn.begun and (turn.spoken_of or within):
            self.end_model_call()  # What the model says next, it says to this.
            turn.counted = False
            self.emit(e.TurnSteered(item_id, content))
            return
        if turn is not None and not turn.spoken_of and (turn.begun or turn.inputs):
            self.end(self._supposed_end())
            turn = None
        turn = turn or self.open_turn(None)
        turn.inputs.append(Input(item_id, content, self.line))
        if len(turn.inputs) == INPUTS_MAX:
            self.began()

    def model_item(
        self, item_id: ItemId, kind: ItemKind, item: msgspec.Raw, call: e.ToolCallRef | None = None
    ) -> None:
        """An item of the model: a message, reasoning or a call."""
        turn = self.model_call()
        turn.answered = kind == "message"
        self.emit(e.ItemCompleted(item_id, kind, item, None, call))

    def model_call(self) -> OpenTurn:
        """The open turn, after the start of a model call was emitted."""
        turn = self.began()
        if turn.ending is not None:
            turn.last = self.line, self.at_us
        if turn.model_call and turn.answered_since:
            self.end_model_call()
        if not turn.model_call and (turn.answered_since or not turn.counted):
            turn.calls_made += 1
            turn.model_call, turn.answered_since, turn.counted = True, False, False
            assert self.settings is not None
            call_id = ModelCallId(f"{turn.turn_id}/{turn.calls_made}")
            self.emit(e.ModelCallStarted(call_id, 1, self.settings.model, self.settings.provider))
        return turn

    def end_model_call(self) -> None:
        """The response is complete, and its tokens are not known."""
        if self.turn is not None and self.turn.model_call:
            self.turn.model_call = False
            self.emit(e.ModelCallEnded(0))

    def count(self, ended: e.ModelCallEnded) -> None:
        """The tokens of a response: of the running one, or of one whose items follow."""
        turn = self.turn
        if turn is None or not (turn.begun or turn.inputs):
            if len(self._counts) < INPUTS_MAX:
                self._counts.append(ended)
            else:
                self.emit(ended)
            return
        if not turn.model_call and turn.ending is None:
            turn.counted = False
            self.model_call()
            turn.counted = True
        if turn.ending is not None:
            turn.last = self.line, self.at_us
        turn.model_call = False
        self.emit(ended)

    def begin_call(self, call_id: str, ran: Ran | None = None) -> None:
        """A command starts, with the values that ran, or else those that the model asked for."""
        call = self.calls[call_id]
        if ran is not None and call.command is not None:
            command = msgspec.structs.replace(
                call.command, argv=ran.argv, cwd=ran.cwd or call.command.cwd
            )
            call.command, call.ran = command, ran
        if call.command is not None and not call.begun:
            call.begun = True
            self.emit(e.ToolStarted(CallId(call_id), call.command))

    def end_call(self, call_id: str, result: ToolResult) -> None:
        """The result of a tool call."""
        self.begin_call(call_id)
        del self.calls[call_id]
        turn = self.turn
        if turn is not None:
            turn.answered_since, turn.answered = True, False
            if turn.ending is not None:
                turn.last = self.line, self.at_us
        self.emit(e.ToolEnded(CallId(call_id), result))
        if not self.calls:
            held, self._held = self._held, []
            for event, line in held:
                self.emit(event, line)

    def end_later(self, how: TurnEnd) -> None:
        """The turn ends here, unless lines follow that belong to it."""
        if self.turn is not None and self.turn.ending is None:
            self.turn.ending, self.turn.last = how, (self.line, self.at_us)

    def finish(self) -> None:
        """Something else begins: emit the end that was recorded."""
        turn = self.turn
        if turn is None or turn.ending is None:
            return
        here = self.line, self.at_us
        self.line, self.at_us = turn.last
        self.end(turn.ending)
        self.line, self.at_us = here
        self._pending += self._deferred
        self._deferred = []

    def end(self, how: TurnEnd, *, note: bool = False) -> None:
        """The turn ends, and all open calls with it. `note`: add a note to the model's history."""
        turn = self.began()
        for call_id in list(self.calls):
            self.end_call(call_id, ToolResult("aborted", UNANSWERED))
        if turn.model_call:
            self.end_model_call()
        if note:
            self.emit(e.ContextAdded("turn_aborted", "user", ABORTED_NOTE))
        self.emit(how)
        self.turn = None

    def end_unfinished(self, reason: Literal["interrupted", "restarted"] = "restarted") -> None:
        """The lines end, or another turn begins: close an open turn whose end was not recorded."""
        self.finish()
        turn = self.turn
        if turn is None:
            return
        if not turn.begun and not turn.inputs:
            self.turn = None
            return
        how = e.TurnInterrupted(reason) if turn.spoken_of else self._supposed_end(reason)
        self.end(how, note=isinstance(how, e.TurnInterrupted))

    def close(self) -> None:
        """The lines end: nothing stays open."""
        self.end_unfinished()
        self._take_counts()

    def _supposed_end(
        self, reason: Literal["interrupted", "restarted"] = "interrupted"
    ) -> e.TurnCompleted | e.TurnInterrupted:
        """How a turn ended for which the rollout has no end."""
        finished = self.turn is not None and self.turn.answered and not self.calls
        return e.TurnCompleted() if finished else e.TurnInterrupted(reason)
