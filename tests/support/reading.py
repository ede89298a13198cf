"""A frontend as small as can be: it folds notifications into a screen, and objects to what makes no sense."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from codexd.core.values.ids import ItemId
from codexd.core.values.items import (
    AgentMessage,
    CommandExecution,
    ContextCompaction,
    Reasoning,
    ThreadItem,
)
from codexd.projections.clients.deltas import EncodedMessage, Outgoing, TextPart
from codexd.projections.clients.notifications import ApprovalAsked, ApprovalResolved, ServerMessage
from codexd.protocol import notifications as n


class _Delta(msgspec.Struct, rename="camel"):
    item_id: ItemId
    delta: str
    summary_index: int | None = None
    content_index: int | None = None


class _Message(msgspec.Struct):
    params: _Delta


_PARTS: dict[str, TextPart] = {
    "item/agentMessage/delta": "text",
    "item/commandExecution/outputDelta": "text",
    "item/reasoning/summaryTextDelta": "summary",
    "item/reasoning/textDelta": "content",
}
Key = tuple[ItemId, TextPart, int]


class Reading:
    """What one reader has on its screen."""

    def __init__(self) -> None:
        self.heard: list[str] = []  # methods, with `ask` and `settled` for questions
        self.params: list[msgspec.Struct] = []
        self.items: dict[ItemId, ThreadItem] = {}  # those that are whole, by when they became so
        self.turns: list[str] = []  # id and status of each turn that ended
        self.questions: set[str] = set()
        self._begun: dict[ItemId, ThreadItem] = {}
        self._texts: dict[Key, str] = {}
        self._of_turns: dict[str, list[ItemId]] = {}  # the items of each turn that it has seen
        self._gone: list[set[str]] = []  # turns, by each revert that stands

    def take(self, sayings: Iterable[ServerMessage]) -> None:
        """It is told this."""
        for saying in sayings:
            match saying:
                case Outgoing():
                    self.heard.append(saying.method)
                    self.params.append(saying.params)
                    self._said(saying.params)
                case EncodedMessage():
                    self.heard.append(saying.method)
                    self._delta(saying)
                case ApprovalAsked():
                    self.heard.append("ask")
                    self.questions.add(saying.approval_id)
                case ApprovalResolved():
                    self.heard.append("settled")
                    self.questions.discard(saying.approval_id)

    def offsets(self) -> dict[Key, int]:
        """How much it has of each text that is open."""
        open_texts: dict[Key, int] = {
            (item_id, "text", 0): 0
            for item_id, item in self._begun.items()
            if not isinstance(item, CommandExecution | ContextCompaction)
        }
        return open_texts | {key: len(words.encode()) for key, words in self._texts.items()}

    def screen(self) -> dict[ItemId, ThreadItem]:
        """The items that are whole, without times: whoever comes late knows those only roughly."""
        turns = set[str]().union(*self._gone)
        gone = {item_id for turn in turns for item_id in self._of_turns[turn]}
        return {
            item_id: replace(item, started_at_ms=None, completed_at_ms=None)
            for item_id, item in self.items.items()
            if item_id not in gone
        }

    @property
    def ended(self) -> list[str]:
        """Those of `turns` that count."""
        gone = set[str]().union(*self._gone)
        return [turn for turn in self.turns if turn.partition(" ")[0] not in gone]

    def _reverted(self, said: n.ThreadRevertedNotification) -> None:
        if said.before_turn_id is None:
            del self._gone[-1:]
            return
        gone = set[str]().union(*self._gone)
        living = [turn for turn in self._of_turns if turn not in gone]
        # A turn that it has not seen is older than all that it has.
        known = said.before_turn_id in living
        self._gone.append(set(living[living.index(said.before_turn_id) :] if known else living))

    def _said(self, params: msgspec.Struct) -> None:
        match params:
            case n.ItemStartedNotification(item=item):
                assert not isinstance(item, msgspec.Raw)
                assert item.id not in self._begun, f"{item.id} begins twice"
                assert item.id not in self.items, f"{item.id} begins after it was whole"
                self._begun[item.id] = item
            case n.ItemCompletedNotification(item=item):
                assert not isinstance(item, msgspec.Raw)
                assert item.id in self._begun, f"{item.id} is whole before it begins"
                del self._begun[item.id]
                if (
                    params.turn_id not in self._of_turns
                ):  # A session of a turn before all that it saw.
                    self._of_turns = {params.turn_id: [], **self._of_turns}
                self._of_turns[params.turn_id].append(item.id)
                self._complete(item)
            case n.TurnStartedNotification(turn=turn):
                assert not self._open_in_turn()
                self._of_turns.setdefault(turn.id, [])
            case n.ThreadRevertedNotification():
                self._reverted(params)
            case n.TurnCompletedNotification(turn=turn):
                left = self._open_in_turn()
                assert not left, f"still open at the turn's end: {left}"
                assert not self.questions, f"still asked at the turn's end: {self.questions}"
                self.turns.append(f"{turn.id} {turn.status}")
            case _:
                pass

    def _open_in_turn(self) -> list[ThreadItem]:
        """The open items, without those of sessions, which may outlive their turns."""
        return [item for item in self._begun.values() if not _is_session(item)]

    def _delta(self, saying: EncodedMessage) -> None:
        delta = msgspec.json.decode(saying.body, type=_Message).params
        assert delta.item_id in self._begun, f"{delta.item_id} grows before it begins"
        key = (
            delta.item_id,
            _PARTS[saying.method],
            delta.summary_index or delta.content_index or 0,
        )
        words = self._texts[key] = self._texts.get(key, "") + delta.delta
        assert len(words.encode()) == saying.offset

    def _complete(self, item: ThreadItem) -> None:
        shown = {key: words for key, words in self._texts.items() if key[0] == item.id}
        for key in shown:
            del self._texts[key]
        whole: dict[Key, str] = {}
        if isinstance(item, AgentMessage):
            whole = {(item.id, "text", 0): item.text}
        elif isinstance(item, Reasoning):
            whole = {(item.id, "summary", i): words for i, words in enumerate(item.summary)}
            whole |= {(item.id, "content", i): words for i, words in enumerate(item.content)}
        else:
            shown = {}
        expected = {key: words for key, words in whole.items() if words}
        assert shown == expected, f"{item}: {shown}"
        self.items[item.id] = item


def _is_session(item: ThreadItem) -> bool:
    return isinstance(item, CommandExecution) and item.source != "agent"
