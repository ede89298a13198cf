"""A thread played without a disk, a clock or a model: commands go in, and everything that follows is kept.

`Play` does what an actor does (decide, append, fold, tell), and streams items as a model would. Given a
list of numbers it makes up a legal run: each number picks one of the moves that make sense just then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec.structs import replace

from builders import (
    BROKEN,
    SETTINGS,
    ask,
    call_json,
    finished_call,
    finished_message,
    line,
    message_json,
    result,
    text,
)
from codexd.core import commands as c
from codexd.core.commands import Command
from codexd.core.decide.compaction import TOO_LONG
from codexd.core.decide.lookups import Titles
from codexd.core.decide.transition import cuts_answer, session_of
from codexd.core.events.events import (
    Event,
    ItemCompleted,
    ItemCut,
    ModelCallStarted,
    ThreadForked,
    TurnCompleted,
    TurnFailed,
    TurnInterrupted,
    TurnStarted,
)
from codexd.core.events.history import HistoryCompacted, HistoryRevertUndone
from codexd.core.events.record import Recorded
from codexd.core.events.tools import ProcessEnded, ToolEnded
from codexd.core.events.waiting import ReviewAsked
from codexd.core.policy.approval import action_hash
from codexd.core.state.processes import OpenProcess
from codexd.core.state.state import ThreadState, evolve
from codexd.core.state.turn import ModelCall, OpenCall, Review, Turn
from codexd.core.state.visibility import Reverts, Visibility
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.ids import CallId, ItemId, ProcessId, ThreadId, TurnId
from codexd.core.values.images import ImageName
from codexd.core.values.items import ImageInput, LocalImageInput, TurnError, UserInput
from codexd.core.values.limits import Limits
from codexd.core.values.model_output import ModelItemDone, ModelResponseDone
from codexd.core.values.review_target import Custom, UncommittedChanges
from codexd.core.values.settings import Notice, SettingsChange, Tuned, Tuning
from codexd.core.values.tool_actions import (
    NO_PARTS,
    BadCall,
    Decision,
    ExecCommand,
    ToolAction,
    ToolResult,
    ViewImage,
)
from codexd.projections.clients.deltas import TextPart, Texts, part_key
from codexd.projections.clients.notifications import ClientProjection, ServerMessage
from codexd.projections.model.history import ModelHistory
from codexd.projections.model.images import newest_images, print_of
from codexd.projections.model.items import image_part
from codexd.projections.model.pins import pinned_items
from codexd.projections.usage.totals import Usage
from codexd.runtime.actor.lookups import LookupSource
from codexd.runtime.actor.summary_request import kept_items_now, question, shorter
from lookups import decide_with
from reading import Reading
from spec import reread

THREAD = ThreadId("0194d2a0-0000-7000-8000-000000000001")
INSTRUCTIONS, TOOLS = b"You are a test.", (b'{"name":"shell"}',)
# Windows so small that a made-up run fills them now and then.
TOKENS_IN_ALL, TOKENS_VARY, PINS = 200, 300, 3
WINDOWS = {"m-2": Limits(600, 570, 300)}
LACKS = Notice("verbosity:m-2:low", "m-2 has no verbosity.")
SMALL = LookupSource(
    limits=lambda settings: WINDOWS.get(settings.model, Limits(1000, 950, 450)),
    tuning=lambda settings: Tuned(Tuning("low"), (LACKS,) if settings.model == "m-2" else ()),
    instructions=lambda settings: f"You are {settings.model}.",
    user_instructions=lambda cwd: UserInstructions(cwd, "" if cwd == "/else" else "Be kind."),
    titles=Titles,
)
PIECES = ("Grüße ", "a", "b\n", "🙂", "日本", "the end")
Move = Callable[[], None]
_json = msgspec.json.Encoder().encode


def said_with_images(n: int) -> tuple[UserInput, ...]:
    """Words, and now and then an image in front of them."""
    name = str(ImageName(f"{n % 5:064x}", "image/png"))
    images: tuple[tuple[UserInput, ...], ...] = (
        (),
        (),
        (ImageInput(name),),
        (LocalImageInput("a.png", image=name), LocalImageInput("b.png", problem="no such file")),
    )
    return (*images[n % len(images)], *text("go"))


# What a model is given that looks at a file.
AN_IMAGE = ToolResult(
    "completed",
    "The image is attached.",
    model_parts=msgspec.Raw(
        _json([image_part(str(ImageName(f"{7:064x}", "image/webp")))]),
    ),
)


# So many processes at most, while people begin commands.
PROCESSES = 3


class OpenText:
    """An item that streams, as a draft holds it."""

    def __init__(self, item_id: ItemId, kind: Literal["message", "reasoning"], at_ms: int) -> None:
        self.item_id, self.kind, self.started_ms = item_id, kind, at_ms
        self.parts: dict[tuple[TextPart, int], str] = {}

    def open_item(self) -> c.OpenItem:
        ordered = sorted(self.parts.items())
        return c.OpenItem(
            self.item_id,
            self.kind,
            "".join(words for (part, _), words in ordered if part == "text"),
            tuple(words for (part, _), words in ordered if part == "summary"),
            tuple(words for (part, _), words in ordered if part == "content"),
            self.started_ms,
        )

    def finished(self) -> ModelItemDone:
        """It as the provider sends it when it is whole."""
        whole = self.open_item()
        if self.kind == "message":
            item = message_json(self.item_id, whole.text)
        else:
            members = {
                "id": self.item_id,
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": words} for words in whole.summary],
                "content": [{"type": "reasoning_text", "text": words} for words in whole.content],
                "encrypted_content": f"secret of {self.item_id}",
            }
            item = msgspec.Raw(_json(members))
        return ModelItemDone(self.item_id, self.kind, item, started_ms=self.started_ms)


class Play:
    """The thread, and all who look at it."""

    def __init__(self, around: LookupSource = SMALL) -> None:
        self.around = around
        self.state = ThreadState()
        self.records: list[Recorded] = []
        self.history = ModelHistory()
        self.reverts = Reverts()
        self.only_grows = False  # whether a made-up run takes nothing back and shortens nothing
        self.requests: list[list[bytes]] = []  # the input of each request that was sent
        # Each of them with the last one before it that had nothing which does not count by then.
        self.followed: list[tuple[list[bytes], ModelCallStarted, list[bytes]]] = []
        self._sent: list[tuple[int, list[bytes]]] = []
        # What went out for each model call, without what other models thought; and at which record.
        self.sent: list[tuple[int, ModelCallStarted, tuple[bytes, ...]]] = []
        self.wire = ClientProjection(THREAD, Usage())
        self.readers = [Reading()]  # the first has been there from the start
        self.streaming: dict[ItemId, OpenText] = {}
        self.printed: dict[CallId, str] = {}  # what the open commands have printed
        self.stale: list[c.OpenItem] = []  # drafts of items that got their fact just now
        self._now_ms = 1_000_000
        self._names = 0
        self.do(c.StartThread(settings=SETTINGS, originator="tests", daemon_version="1.0"))

    @property
    def events(self) -> list[Event]:
        return [r.event for r in self.records]  # type: ignore[misc]  # nothing unknown is played

    @property
    def live(self) -> Reading:
        """Who has been there from the start."""
        return self.readers[0]

    def do(self, command: Command) -> None:
        """Ask it of the thread."""
        self._append(decide_with(self.state, command, self.around))

    def fork(self) -> None:
        """From here on it is a fork of itself."""
        self._append([ThreadForked(THREAD, len(self.records))])
        self.do(c.Recover(forked=True))

    def open(self, item: str, kind: Literal["message", "reasoning"] = "message") -> None:
        """The model begins an item."""
        opened = OpenText(ItemId(item), kind, self._tick())
        self.streaming[opened.item_id] = opened
        self._tell(self.wire.texts.opened(opened.item_id, opened.kind, opened.started_ms))

    def say(self, item: str, *pieces: str, part: TextPart = "text", index: int = 0) -> None:
        """The model goes on with an item."""
        parts = self.streaming[ItemId(item)].parts
        parts[part, index] = parts.get((part, index), "") + "".join(pieces)
        self._tell(self.wire.texts.text(ItemId(item), part, index, pieces, self._tick()))

    def print(self, call: str, words: str) -> None:
        """A command prints something."""
        self.printed[CallId(call)] = self.printed.get(CallId(call), "") + words
        self._tell(self.wire.texts.output(CallId(call), words, self._tick()))

    def finish(self, item: str) -> None:
        """The item is whole."""
        self.report(self.streaming[ItemId(item)].finished())

    def report(self, *seen: c.ModelDone) -> None:
        """The model's stream brought this."""
        call = self.call
        ends = any(isinstance(event, ModelResponseDone) for event in seen)
        self.do(
            c.ReportModel(
                call_id=call.call_id,
                attempt=call.attempt,
                seen=seen,
                open_items=self.open_items() if ends else (),
                kept_items=kept_items_now(self.state, self.history) if ends else None,
            )
        )

    def end_response(self, incomplete: str | None = None) -> None:
        """The model's response is over."""
        total = TOKENS_IN_ALL + self._names % TOKENS_VARY
        usage = {"input_tokens": total - 2, "output_tokens": 2, "total_tokens": total}
        self.report(
            ModelResponseDone(duration_ms=5, usage=msgspec.Raw(_json(usage)), incomplete=incomplete)
        )

    def summarise(self, words: str) -> None:
        """The model answers the question for a summary."""
        item = finished_message(self._name("sum"), words)
        self.report(item, ModelResponseDone(duration_ms=5))

    def refuse_for_length(self) -> None:
        """The provider has no room for so long a request."""
        call, items = self.call, self.history.items
        self.do(
            c.ReportModelFailure(
                call_id=call.call_id,
                attempt=call.attempt,
                error=TurnError("too long", TOO_LONG),
                at="request",
                retry=False,
                after_ms=0,
                attempts_max=3,
                open_items=self.open_items(),
                shorter=shorter(self.turn, items) if call.compacts else None,
            )
        )

    def refuse_images(self) -> None:
        """The provider does not accept an image, whether or not there is one that is new."""
        call, settings = self.call, self.turn.settings
        self.do(
            c.ReportModelFailure(
                call_id=call.call_id,
                attempt=call.attempt,
                error=TurnError("Invalid image.", "badRequest"),
                at="request",
                retry=False,
                after_ms=0,
                attempts_max=3,
                open_items=self.open_items(),
                images=tuple(print_of(image) for image in newest_images(self.history.items)),
                asked=(settings.model, settings.provider),
            )
        )

    def fail(self, *, at: Literal["request", "stream"] = "stream", retry: bool = True) -> None:
        """The model's stream breaks."""
        self.do(
            c.ReportModelFailure(
                call_id=self.call.call_id,
                attempt=self.call.attempt,
                error=BROKEN,
                at=at,
                retry=retry,
                after_ms=200,
                attempts_max=3,
                open_items=self.open_items(),
            )
        )

    def crash(self, *, resume: bool = True) -> None:
        """The daemon dies, and another takes the thread up with the drafts that it finds."""
        left = (*self.stale, *self.open_items())
        self.do(c.Recover(resume=resume, open_items=left))
        self.streaming.clear()

    def join(self) -> Reading:
        """Somebody begins to look, and is told what is open (decision 0007)."""
        reader = Reading()
        self.readers.append(reader)
        texts = self.wire.texts.unsent()
        reader.take([*self.wire.open_items(), *self._open_texts(texts)])
        return reader

    def leave_and_return(self, reader: Reading) -> Callable[[], None]:
        """A reader goes away; call what is returned, and it comes back with its cursor."""
        wire = ClientProjection(THREAD, None)
        for recorded in self.records:
            wire.apply(recorded)
        for key, offset in reader.offsets().items():
            wire.texts.set_sent(part_key(*key), offset)
        return self._away(reader, wire)

    def fall_behind(self, reader: Reading) -> Callable[[], None]:
        """A reader's socket is full; call what is returned, and it takes more."""
        return self._away(reader, self.wire.copy())

    def _away(self, reader: Reading, wire: ClientProjection) -> Callable[[], None]:
        self.readers.remove(reader)
        seq = len(self.records)

        def come_back() -> None:
            for recorded in self.records[seq:]:
                reader.take(wire.apply(recorded))
            reader.take(self._open_texts(wire.texts))
            self.readers.append(reader)

        return come_back

    def open_items(self) -> tuple[c.OpenItem, ...]:
        """What streams, and what commands have printed, as a command carries it."""
        printed = [c.OpenItem(ItemId(call), "call", words) for call, words in self.printed.items()]
        return (*(opened.open_item() for opened in self.streaming.values()), *printed)

    @property
    def turn(self) -> Turn:
        assert self.state.turn is not None
        return self.state.turn

    @property
    def call(self) -> ModelCall:
        assert self.turn.call is not None
        return self.turn.call

    def _open_texts(self, texts: Texts) -> list[ServerMessage]:
        said: list[ServerMessage] = []
        for opened in self.streaming.values():
            if opened.item_id not in texts:
                said += texts.opened(opened.item_id, opened.kind, opened.started_ms)
            for (part, index), words in opened.parts.items():
                said += texts.rest(opened.item_id, part, index, words, self._now_ms)
        for call_id, words in self.printed.items():
            said += texts.output_rest(call_id, words, self._now_ms)
        return said

    def _append(self, events: Sequence[Event]) -> None:
        at_ms = self._tick()
        self.stale = []
        for event in events:
            apart = isinstance(event, ModelCallStarted) and event.purpose == "compact"
            if isinstance(event, ModelCallStarted) and not apart:
                request = self.history.print_request(INSTRUCTIONS, TOOLS)
                withheld = self.history.reasoning_owners.withheld(event.model, event.provider)
                event = replace(event, request=replace(request, withheld=withheld))
            event = reread(event)
            turn = self.state.turn
            if isinstance(event, ThreadForked):
                for process in self.state.processes:
                    self.printed.pop(process.call.call_id, None)
            self.state = evolve(self.state, event)
            turn = self.state.turn or turn
            self._fold(event, len(self.records) + 1)
            if apart:
                self.requests.append(
                    list(question(self.turn, self.history.items, self.history.compaction_keep))
                )
            elif isinstance(event, ModelCallStarted):
                self._send(event, len(self.records) + 1)
            recorded = Recorded(
                len(self.records) + 1, at_ms, event, None, turn.turn_id if turn else None
            )
            self.records.append(recorded)
            self._tell(self.wire.apply(recorded))
            if isinstance(event, ItemCompleted | ItemCut):
                gone = self.streaming.pop(event.item_id, None)
                self.stale += [gone.open_item()] if gone is not None else []
            elif isinstance(event, ToolEnded) and event.process is None:
                self.printed.pop(event.call_id, None)
            elif isinstance(event, ProcessEnded) and event.of is not None:
                self.printed.pop(event.of.call_id, None)

    def _send(self, event: ModelCallStarted, seq: int) -> None:
        self.sent.append((seq, event, self.history.for_whom(event.model, event.provider)))
        items, standing = self.history.items, Visibility(self.reverts)
        begun = max(self.compactions(), default=0)
        counting = (
            items
            for sent, items in reversed(self._sent)
            if sent > begun and standing.counts(sent) and not standing.is_muted(sent)
        )
        self.followed.append((next(counting, []), event, items))
        self._sent.append((seq, items))
        self.requests.append(items)

    def _fold(self, event: Event, seq: int) -> None:
        """Take it into the history; where something is taken back, make the history anew."""
        before, self.reverts = self.reverts, self.reverts.after(seq, event)
        if self.reverts is before:
            self.history = self.history.after(event, seq)
            return
        self.history, standing = ModelHistory(), Visibility(self.reverts)
        for record in self.records:
            said = standing.of(record.seq, record.event)
            self.history = self.history.after_all(said, record.seq)

    def living(self) -> list[Recorded]:
        """The beginnings of the turns that count, oldest first."""
        standing = Visibility(self.reverts)
        begun = (record for record in self.records if isinstance(record.event, TurnStarted))
        return [turn for turn in begun if standing.counts(turn.seq)]

    def revert(self, number: int) -> None:
        """Take back the turn of that number among those that count, from 0 on, and all behind it."""
        living = self.living()
        left, taken = living[:number], living[number:]
        event = taken[0].event
        assert isinstance(event, TurnStarted)
        to_seq = self._end_of(left[-1]) if left else 0
        self.do(
            c.RevertHistory(
                before_turn=event.turn_id,
                to_seq=to_seq,
                turns=len(taken),
                turns_left=len(left),
                markers=self.state.markers,
            )
        )

    def undo_revert(self) -> None:
        """Bring back what was taken back last."""
        last = self.reverts.last
        assert last is not None
        before = len(self.living())
        standing = Visibility(self.reverts.after(0, HistoryRevertUndone(last.seq, 0)))
        begun = [record for record in self.records if isinstance(record.event, TurnStarted)]
        after = sum(1 for turn in begun if standing.counts(turn.seq))
        self.do(
            c.UndoRevert(reverted_seq=last.seq, turns=after - before, markers=self.state.markers)
        )

    def undo_compaction(self) -> None:
        """Have the history as if the last compaction that counts had not happened."""
        seq = self.compactions()[-1]
        self.do(c.UndoCompaction(compacted_seq=seq, markers=self.state.markers))

    def compactions(self) -> list[int]:
        """The compactions that count."""
        standing = Visibility(self.reverts)
        done = (record.seq for record in self.records if isinstance(record.event, HistoryCompacted))
        return [
            turn for turn in done if standing.counts(turn) and turn not in self.reverts.cancelled
        ]

    def _end_of(self, begun: Recorded) -> int:
        ends = (TurnCompleted, TurnInterrupted, TurnFailed)
        behind = self.records[begun.seq :]
        return next(record.seq for record in behind if isinstance(record.event, ends))

    def _tell(self, sayings: Sequence[ServerMessage]) -> None:
        for reader in self.readers:
            reader.take(sayings)

    def _tick(self) -> int:
        self._now_ms += 1
        return self._now_ms

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    # Moves of a made-up run.

    def step(self, number: int) -> None:
        """Make one of the moves that make sense now."""
        moves = self.moves()
        moves[number % len(moves)]()

    def moves(self) -> list[Move]:
        """The moves that make sense now; likely ones stand there more than once."""
        if self.state.archived:
            return [lambda: self.do(c.UnarchiveThread())]
        moves = self._moves_of_people() + self._moves_of_a_title()
        for process in self.state.processes:
            moves += self._moves_of_a_session(process)
        turn = self.state.turn
        if turn is None:
            if not self.only_grows:
                moves += [*self._moves_back(), *self._moves_of_keeping()]
            return moves
        if turn.call is not None and turn.call.status == "running":
            moves += self._moves_of_the_model()
        elif turn.call is not None and not turn.open_calls:
            call = turn.call
            moves.append(
                lambda: self.do(c.RetryModelCall(call_id=call.call_id, attempt=call.attempt))
            )
        for open_call in turn.open_calls:
            moves += self._moves_of_a_tool(open_call)
        if turn.review is not None:
            moves += self._moves_of_a_reviewer(turn.review)
        return moves

    def _moves_of_keeping(self) -> list[Move]:
        moves: list[Move] = []
        if self.state.turns_started and self.state.window.context_tokens:
            turn = TurnId(self._name("k"))
            moves.append(lambda: self.do(c.CompactThread(turn_id=turn)))
        pins = self.state.pins
        if self.history.items and len(pins) < PINS:
            moves.append(self._pin)
        if pins:
            moves.append(lambda: self.do(c.UnpinRecord(seq=pins[0].seq)))
        return moves

    def _pin(self) -> None:
        """Pin the last record that the model was given something of."""
        for recorded in reversed(self.records):
            items = pinned_items(recorded, self.records)
            if items and Visibility(self.reverts).counts(recorded.seq):
                with suppress(c.Rejected):  # It may be too much for so small a window.
                    self.do(c.PinRecord(seq=recorded.seq, items=items))
                return

    def _moves_back(self) -> list[Move]:
        moves: list[Move] = []
        turns = len(self.living())
        if turns:
            moves.append(lambda: self.revert(turns - 1))
            moves.append(lambda: self.revert(self._names % turns))
        if self.reverts.reverts:
            moves.append(self.undo_revert)
        if self.compactions():
            moves.append(self.undo_compaction)
        return moves

    def _ask(self) -> None:
        n = self._names = self._names + 1
        models = (None, SettingsChange(model="m-1"), SettingsChange(model="m-2", cwd="/else"))
        self.do(replace(ask(n, change=models[n % 3]), content=said_with_images(n)))

    def _steer(self) -> None:
        item = ItemId(self._name("s"))
        self.do(
            c.SteerTurn(
                expected_turn=self.turn.turn_id,
                item_id=item,
                content=(*text(f"no, {item}"), *said_with_images(self._names)[:-1]),
                open_items=self.open_items() if cuts_answer(self.turn) else (),
            )
        )

    def _moves_of_a_title(self) -> list[Move]:
        if self.state.title is None:
            return []
        given, refused = c.ReportTitle(title="A title"), c.ReportTitle(error="no answer")
        return [lambda: self.do(given), lambda: self.do(refused)]

    def _moves_of_people(self) -> list[Move]:
        archive = c.ArchiveThread(open_items=self.open_items())
        interrupt = c.InterruptTurn(open_items=self.open_items())
        change = c.ChangeSettings(change=SettingsChange(model=self._name("m")))
        moves: list[Move] = [
            self._ask,
            lambda: self.do(c.RenameThread(name=self._name("name "))),
            lambda: self.do(change),
            self._review,
        ]
        if len(self.state.processes) < PROCESSES:
            moves.append(self._run_of_person)
        if self.state.turn is not None:
            if self.turn.kind not in ("compact", "review"):
                moves.append(self._steer)
            moves += [
                lambda: self.do(interrupt),
                self.crash,
                lambda: self.crash(resume=False),
                lambda: self.do(archive),
            ]
            if not self.streaming:  # An item that is open stays open with the parent.
                moves.append(self.fork)
        if self.state.queue:
            first = self.state.queue[0].item_id
            moves.append(lambda: self.do(c.WithdrawInput(item_id=first)))
        return moves

    def _run_of_person(self) -> None:
        """A person runs a command."""
        name = self._name("w")
        self.do(
            c.RunPersonCommand(
                turn_id=TurnId(name),
                call_id=CallId(f"{name}'s"),
                line=f"echo {name}",
                argv=("sh", "-c", f"echo {name}"),
                timeout_ms=1000,
            )
        )

    def _review(self) -> None:
        name = self._name("v")
        self.do(
            c.StartReview(
                turn_id=TurnId(name),
                asked=ReviewAsked(
                    UncommittedChanges() if self._names % 2 else Custom("the parser"),
                    ThreadId(f"reviewer {name}"),
                    TurnId(f"{name}'s"),
                    problem=None if self._names % 3 else "sha: it is not there",
                ),
            )
        )

    def _moves_of_a_reviewer(self, review: Review) -> list[Move]:
        ended = c.ReportReview(child_id=review.child_id, answer=f"{self._name('Fine ')}.")
        return [
            *[lambda: self.do(ended)] * 3,
            lambda: self.do(replace(ended, ended="interrupted")),
            lambda: self.do(replace(ended, ended="failed", error=BROKEN)),
        ]

    def _moves_of_a_summary(self) -> list[Move]:
        return [
            *[lambda: self.summarise(self._name("We were about to go on. "))] * 4,
            lambda: self.summarise(self._name("Little is left to do. ")),
            lambda: self.summarise(""),
            lambda: self.make_call(line("ls")),
            self.refuse_for_length,
            self.fail,
            lambda: self.fail(retry=False),
        ]

    def _moves_of_the_model(self) -> list[Move]:
        if self.call.compacts:
            return self._moves_of_a_summary()
        moves: list[Move] = [
            self.fail if self.only_grows else self.refuse_for_length,
            lambda: self.make_call(line("ls")),
            lambda: self.make_call(line("make")),
            self.make_session,
            self.make_session,
            lambda: self.make_call(ViewImage("/work/a.png")),
            lambda: self.make_call(BadCall("no such tool")),
            self.fail if self.only_grows else self.refuse_images,
            self.fail,
            lambda: self.fail(at="request"),
            lambda: self.fail(retry=False),
        ]
        if not self.streaming:
            moves += [
                lambda: self.open(self._name("msg")),
                lambda: self.open(self._name("rs"), "reasoning"),
                self.end_response,
                self.end_response,
            ]
        for opened in self.streaming.values():
            moves += [lambda opened=opened: self._go_on(opened)] * 3  # type: ignore[misc]
            moves += [
                lambda opened=opened: self.finish(opened.item_id),  # type: ignore[misc]
                lambda: self.end_response("max_output_tokens"),
            ]
        return moves

    def _go_on(self, opened: OpenText) -> None:
        n = self._names = self._names + 1
        pieces = (PIECES[n % len(PIECES)], PIECES[n // 2 % len(PIECES)])
        if opened.kind == "message":
            self.say(opened.item_id, *pieces)
        elif n % 3 == 0:
            self.say(opened.item_id, *pieces, part="content")
        else:
            latest = max((i for part, i in opened.parts if part == "summary"), default=-1)
            index = latest + 1 if latest < 0 or n % 4 == 0 else latest
            self.say(opened.item_id, *pieces, part="summary", index=index)

    def make_call(self, action: ToolAction) -> None:
        call = self._name("c")
        finished = finished_call(call, action)
        item = replace(finished.item, item=call_json(call, f"echo {call}"))
        self.report(replace(finished, item=item))

    def _moves_of_a_tool(self, call: OpenCall) -> list[Move]:
        asked = call.approval_id
        if asked is not None:
            assert call.action is not None
            decisions: tuple[Decision, ...] = ("accept", "acceptForSession", "decline", "cancel")
            left = self.open_items()
            commands = [
                c.DecideApproval(
                    approval_id=asked,
                    action_hash=action_hash(call.action),
                    decision=decision,
                    open_items=left,
                )
                for decision in decisions
            ]
            return [lambda command=command: self.do(command) for command in commands]  # type: ignore[misc]
        if not call.running:
            return []
        if isinstance(call.action, ViewImage):
            seen = (AN_IMAGE, replace(AN_IMAGE, status="failed", model_parts=NO_PARTS))
            ended = [c.ReportToolEnded(call_id=call.call_id, result=ended) for ended in seen]
            return [lambda command=command: self.do(command) for command in ended]  # type: ignore[misc]
        moves: list[Move] = [
            lambda: self.print(call.call_id, PIECES[self._names % len(PIECES)]),
            lambda: self.do(self._spawned(call)),
            lambda: self.do(c.ReportToolEnded(call_id=call.call_id, result=result("oui"))),
            lambda: self.do(c.ReportToolEnded(call_id=call.call_id, result=result("non"))),
        ]
        session = session_of(call)
        if session is not None:
            moves += [lambda: self._leave_running(call, session)] * 2
        return moves

    def _spawned(self, call: OpenCall) -> c.ReportSpawned:
        return c.ReportSpawned(call_id=call.call_id, pid=42, start_time="7", at_ms=self._tick())

    def _leave_running(self, call: OpenCall, session: ProcessId) -> None:
        """The call is answered, and its session goes on."""
        left = replace(result("it runs"), collected_bytes=3)
        self.do(c.ReportToolEnded(call_id=call.call_id, result=left, process=session))

    def make_session(self) -> None:
        """The model begins a session."""
        session = self._name("s")
        action = ExecCommand(
            command="cat", argv=("sh", "-c", "cat"), cwd="/work", timeout_ms=0, session=session
        )
        self.make_call(action)

    def _moves_of_a_session(self, process: OpenProcess) -> list[Move]:
        session, over = process.process, result("over")
        moves: list[Move] = [
            lambda: self.print(process.call.call_id, PIECES[self._names % len(PIECES)]),
            lambda: self.do(c.WriteToSession(session=session, chars="y\n")),
            lambda: self.do(c.ReportProcessEnded(process=session, result=over)),
        ]
        if process.is_of_person and process.call.pid is None:
            moves.append(lambda: self.do(self._spawned(process.call)))
        return moves


def played(run: Sequence[int]) -> Play:
    """The run of these numbers."""
    play = Play()
    for number in run:
        play.step(number)
    return play


def a_long_play(*, records: int = 400) -> Play:
    """Some turns of so many records or more, with nothing open at the end and nothing taken back or shortened."""
    number, play = 7, Play(LookupSource())
    play.only_grows = True
    while (
        len(play.records) < records
        or play.state.turn is not None
        or play.state.queue
        or play.state.processes
    ):
        number = number * 1_103_515_245 + 12_345 & 0x7FFFFFFF
        play.step(number >> 8)
    return play
