"""A thread on a screen: notifications and items in, pieces of text out. Pure.

The law: the output depends on the items, never on how they were split into deltas or on when the frontend
attached. So an item that comes twice, by replay or because a snapshot had it, is shown once.

Two items are the same if they have the same turn, kind, id and start. Models and servers reuse ids, for another
answer or for a call that has the id of a message; such items are all shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from codexd.protocol.display.visible import visible_prose
from codexd_frontends.client import messages as m
from codexd_frontends.screen import items
from codexd_frontends.screen.drawn import one_line, prose_lines, without_breaks
from codexd_frontends.screen.reasoning import Thoughts
from codexd_frontends.screen.stream_text import GrowingOutput, GrowingText
from codexd_frontends.screen.style import PLAIN, Style

# Only what was shown lately can come again; a hundred turns are more than any replay repeats.
REMEMBERED_MAX = 10_000
PARTIAL = "partial_answer"  # the phase of a message that was cut off

T = TypeVar("T")


class Piece(NamedTuple):
    """Some text for one of the two streams; it need not be a whole line."""

    text: str
    is_answer: bool


# An item that is open: its turn, and its id among those of its kind.
ItemKey = tuple[str, str]
# What is shown to its end: a turn, or an item by its turn, kind, id and start.
ShownKey = tuple[str | int | None, ...]


class TerminalScreen:
    """The part of a thread that is shown, and so the part that is still to be shown."""

    def __init__(
        self,
        *,
        answer: Style = PLAIN,
        talk: Style = PLAIN,
        whole: bool = True,
        one_screen: bool = True,
        holds: bool = False,
        thoughts: Thoughts = "summary",
    ) -> None:
        """`whole`: everything is the answer, the past, the commands and the ends of turns included;
        else only the model's words are, and the rest is talk. `one_screen`: both streams end up on
        the same terminal. `holds`: a message is written once it is whole, since a file or a pipe keeps
        the beginning of one that was cut off and asked for again.
        """
        self._holds = holds
        # A message that was cut off, until it is clear whether it is asked for again.
        self._cut_off = ""
        self._answer_style = answer
        self._talk_style = answer if whole else talk
        self._whole = whole
        self._thoughts: Thoughts = thoughts
        self._one_screen = one_screen or whole
        self._texts: dict[ItemKey, GrowingText] = {}
        self._commands: dict[ItemKey, GrowingOutput] = {}
        self._shown: OrderedDict[ShownKey, None] = OrderedDict()
        self._own: set[str] = set()
        self._held: list[str] = []  # lines that wait for the end of the answer that streams
        self._mid_line = False
        self._plan: m.Plan | None = None  # that was shown last in this turn
        self._final: m.TurnTrouble | None = None  # an error that nothing has shown yet

    def hide_own(self, client_id: str) -> None:
        """Do not show the user message with this id: it was typed here, and is on the screen."""
        self._own.add(client_id)

    def line_ended(self) -> None:
        """Something else has ended the line that the answer had begun."""
        self._mid_line = False

    def turn(self, turn: m.Turn) -> list[Piece]:
        """A turn of a snapshot, which may still run."""
        pieces = [piece for item in turn.read_items() for piece in self.item_of(turn, item)]
        return pieces + self.rest_of(turn)

    def item_of(self, turn: m.Turn, item: m.Item) -> list[Piece]:
        """An item of a snapshot of a turn."""
        grows = item.is_open(turn)
        return self._started(turn.id, item) + (
            self._grown(turn.id, item) if grows else self._completed(turn.id, item)
        )

    def rest_of(self, turn: m.Turn) -> list[Piece]:
        """What a snapshot of a turn has after its items."""
        planned = self._planned(turn.plan)
        return planned if turn.status == "inProgress" else planned + self._turn_ended(turn)

    def note(self, message: m.Message) -> list[Piece]:
        """A notification; some have no lines for a person."""
        show = _NOTES.get(message.method or "")
        return [] if show is None else show(self, message)

    def lines(self, lines: Iterable[str]) -> list[Piece]:
        """Lines of talk, each on a line of its own."""
        pieces = [Piece(f"{without_breaks(line)}\n", self._whole) for line in lines]
        return self._line_broken() + pieces if pieces else []

    def _line_broken(self) -> list[Piece]:
        """The end of a line that the answer has begun, if the next output needs a new line."""
        if not self._mid_line or not self._one_screen:
            return []
        self._mid_line = False
        return [Piece("\n", True)]

    def _text(self, text: GrowingText, new: str) -> list[Piece]:
        return self._drawn(text.drawn.grow(new))

    def _at_once(self, text: str) -> list[Piece]:
        return self._drawn(visible_prose(text))

    def _drawn(self, drawn: str) -> list[Piece]:
        if not drawn:
            return []
        self._mid_line = not drawn.endswith("\n")
        return [Piece(drawn, True)]

    def _is_shown(self, turn_id: str, item: m.Item) -> bool:
        """Whether an item is shown to its end, or was cut off and is not to be shown."""
        hidden = (turn_id, item.id) if item.type == "agentMessage" else None
        return _shown(turn_id, item) in self._shown or hidden in self._shown

    def _started(self, turn_id: str, item: m.Item) -> list[Piece]:
        place = (turn_id, item.id)
        if self._is_shown(turn_id, item):
            return []
        match item.type:
            case "agentMessage" if place in self._texts:
                return []
            case "commandExecution" if place in self._commands:
                return []
            case "userMessage":
                self._remember(_shown(turn_id, item))
                if item.client_id in self._own:
                    return []
                return self.lines(items.user_lines(item, self._talk_style))
            case "agentMessage":
                self._texts[place] = GrowingText()
                return self._line_broken()
            case "commandExecution":
                self._commands[place] = GrowingOutput()
                return self.lines(items.command_lines(item, self._talk_style))
            case _:
                return []

    def _grown(self, turn_id: str, item: m.Item) -> list[Piece]:
        """An open item of a snapshot, as far as it has come."""
        place = (turn_id, item.id)
        text = self._texts.get(place)
        if text is not None and item.type == "agentMessage":
            return [] if self._holds else self._text(text, text.rest(item.text) or "")
        command = self._commands.get(place)
        if command is not None and item.aggregated_output is not None:
            return self._output(
                command.grow(item.aggregated_output, len(item.aggregated_output.encode()))
            )
        return []

    def _completed(self, turn_id: str, item: m.Item) -> list[Piece]:
        pieces = self._started(turn_id, item)
        if self._is_shown(turn_id, item):
            return pieces
        self._remember(_shown(turn_id, item))
        match item.type:
            case "agentMessage":
                self._remember((turn_id, item.id, "ended"))
                whole = self._text_completed(self._texts.pop((turn_id, item.id)), item)
                return pieces + whole + self._flush_held()
            case "exitedReviewMode":
                # The findings are the answer; the message that repeats them for the model goes by this id.
                self._remember((turn_id, f"{item.id}/answer"))
                return (
                    pieces + self._line_broken() + self._at_once(item.review) + self._line_ended()
                )
            case "commandExecution":
                output = self._commands.pop((turn_id, item.id))
                rest = output.rest(item.aggregated_output or "")
                end = items.command_end_line(item, self._talk_style)
                return pieces + self._output(rest) + self.lines([end])
            case _:
                return pieces + self.lines(
                    items.whole_item_lines(item, self._talk_style, self._thoughts)
                )

    def _text_completed(self, text: GrowingText, item: m.Item) -> list[Piece]:
        if self._holds and item.phase == PARTIAL:
            self._cut_off = item.text
            return []
        rest = text.rest(item.text)
        if rest is None:  # The whole text counts; a different text that was shown stays above it.
            pieces = [Piece("\n", True)] if self._mid_line else []
            return pieces + self._at_once(item.text) + self._line_ended()
        return self._text(text, rest) + self._drawn(text.drawn.end()) + self._line_ended()

    def _line_ended(self) -> list[Piece]:
        ended = [Piece("\n", True)] if self._mid_line else []
        self._mid_line = False
        return ended

    def _output(self, lines: list[str]) -> list[Piece]:
        return self.lines(items.output_lines(lines, self._talk_style))

    def _remember(self, shown: ShownKey) -> None:
        self._shown[shown] = None
        if len(self._shown) > REMEMBERED_MAX:
            self._shown.popitem(last=False)

    def _turn_ended(self, turn: m.Turn) -> list[Piece]:
        if (turn.id,) in self._shown:
            return []
        self._remember((turn.id,))
        pieces = self._at_once(self._cut_off)
        self._cut_off = ""
        for cut, text in self._texts.items():
            # What an interrupt left open; a command may still report its end.
            self._remember(cut)
            pieces += self._drawn(text.drawn.end())
        self._texts.clear()
        self._plan = None
        end = items.turn_end_lines(turn, self._talk_style, always=self._whole)
        return pieces + self._line_ended() + self._flush_held() + self.lines(end)

    def _flush_held(self) -> list[Piece]:
        """The lines that were held back, as soon as no answer streams."""
        if self._texts:
            return []
        held, self._held = self._held, []
        return self.lines(held)

    def _has_ended(self, place: ItemKey) -> bool:
        """Whether a message at this place was shown to its end, and no other has begun there since."""
        return place in self._shown or (*place, "ended") in self._shown

    def _note_text_delta(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.DeltaNote)
        place = (note.turn_id, note.item_id)
        if self._holds or (place not in self._texts and self._has_ended(place)):
            return []
        broken = [] if place in self._texts else self._line_broken()
        text = self._texts.setdefault(place, GrowingText())
        return broken + self._text(text, text.grow(note.delta, _offset(message, note)))

    def _note_output_delta(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.DeltaNote)
        command = self._commands.get((note.turn_id, note.item_id))
        if command is None:
            return []
        return self._output(command.grow(note.delta, _offset(message, note)))

    def _note_typed(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.TypedNote)
        return self.lines(items.typed_lines(note, self._talk_style))

    def _note_error(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.ErrorNote)
        # A final error comes again with the end of the turn, where the history has it too.
        if not note.will_retry:
            self._final = note.error
            return []
        self._cut_off = ""
        return self.lines(self._talk_style.yellow(line) for line in items.trouble_lines(note.error))

    def _note_closed(self, _message: m.Message) -> list[Piece]:
        """A thread that is closed with an error has no end of a turn to say it."""
        final, self._final = self._final, None
        if final is None:
            return []
        return self.lines(self._talk_style.red(line) for line in items.trouble_lines(final))

    def _note_warning(self, message: m.Message) -> list[Piece]:
        return self.lines(
            self._talk_style.yellow(line)
            for line in items.marked("", prose_lines(_read(message, m.WarningNote).message))
        )

    def _note_reverted(self, message: m.Message) -> list[Piece]:
        said = self._talk_style.yellow(items.reverted_line(_read(message, m.RevertedNote)))
        return self._line_ended() + self.lines([said])

    def _note_name(self, message: m.Message) -> list[Piece]:
        name = _read(message, m.NameNote).thread_name
        said = f"— renamed to {one_line(name)} —" if name else "— the name was taken away —"
        # A model may name a thread while another answers, and no answer is to be broken by that.
        self._held.append(self._talk_style.dim(said))
        return self._flush_held()

    def _note_plan(self, message: m.Message) -> list[Piece]:
        return self._planned(_read(message, m.Plan))

    def _planned(self, plan: m.Plan | None) -> list[Piece]:
        """A plan, if it is another than the last: a follower of a running turn is sent that again."""
        if plan is None or plan == self._plan:
            return []
        self._plan = plan
        return self.lines(items.plan_lines(plan, self._talk_style))

    def _note_started(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.ItemNote)
        return self._started(note.turn_id, note.read_item())

    def _note_completed(self, message: m.Message) -> list[Piece]:
        note = _read(message, m.ItemNote)
        return self._completed(note.turn_id, note.read_item())

    def _note_turn_ended(self, message: m.Message) -> list[Piece]:
        self._final = None
        return self._turn_ended(_read(message, m.TurnNote).turn)


def _shown(turn_id: str, item: m.Item) -> ShownKey:
    return (turn_id, item.type, item.id, item.started_at_ms)


def _read(message: m.Message, kind: type[T]) -> T:
    return msgspec.json.decode(message.params, type=kind)


def _offset(message: m.Message, note: m.DeltaNote) -> int | None:
    return message.offset if message.offset is not None else note.offset


_NOTES: Mapping[str, Callable[[TerminalScreen, m.Message], list[Piece]]] = {
    "item/started": TerminalScreen._note_started,
    "item/agentMessage/delta": TerminalScreen._note_text_delta,
    "item/commandExecution/outputDelta": TerminalScreen._note_output_delta,
    "item/commandExecution/terminalInteraction": TerminalScreen._note_typed,
    "item/completed": TerminalScreen._note_completed,
    "turn/completed": TerminalScreen._note_turn_ended,
    "turn/plan/updated": TerminalScreen._note_plan,
    "thread/name/updated": TerminalScreen._note_name,
    "thread/reverted": TerminalScreen._note_reverted,
    "error": TerminalScreen._note_error,
    "thread/closed": TerminalScreen._note_closed,
    "warning": TerminalScreen._note_warning,
}
