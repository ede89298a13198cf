"""The law of items, checked over the notifications of one connection.

Every item that begins ends, exactly once, before its turn is completed, except a command that runs in the background:
its item ends under its turn's id when the command does. The deltas of a text add up to the text of the whole item.
A client that resumes a thread, or asks for a fork, is told again of what is open: from there it counts anew. What was
open when a thread was closed may end once the thread is loaded again, and need not.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

_DELTAS: Final = {
    "item/agentMessage/delta": "text",
    "item/commandExecution/outputDelta": "output",
    "item/reasoning/summaryTextDelta": "summary",
    "item/reasoning/textDelta": "content",
}
# After these requests the daemon tells a client of open items once more, or of none.
_FOLLOWING: Final = {"thread/resume", "thread/fork", "thread/unsubscribe", "thread/start"}
# The sources of commands that may go on after their turn.
_IN_BACKGROUND: Final = {"unifiedExecStartup", "userShell"}
# What stands between the ends of an output that is too long for its item.
_LEFT_OUT: Final = re.compile(r"\n\[… \d+ bytes not shown here …\]\n")


class _Open(NamedTuple):
    turn: str
    item: Json
    texts: dict[tuple[str, int], str]
    was_closed: bool = False  # its thread was, since


class ItemLaw:
    """What one connection was told of items."""

    def __init__(self) -> None:
        self.broken: list[str] = []  # a sentence for each breach
        self.ended = 0  # how many items have ended
        # Set where a provider's deltas are not those of its whole items, which are what counts.
        self.is_told_wrong_deltas = False
        self._open: dict[str, dict[str, _Open]] = {}  # by thread and item
        self._done: dict[str, set[str]] = {}
        self._known: set[str] = set()  # threads of which the client had a part before it connected
        self._hears_all = True

    def asks(self, method: str, params: Json) -> None:
        """The client sends a request."""
        if method == "initialize":
            self._hears_all = not params.get("capabilities", {}).get("optOutNotificationMethods")
        if method == "thread/resume" and params.get("after") is not None:
            self._known.add(params["threadId"])

    def follows(self, method: str, result: Json) -> None:
        """A request was answered."""
        thread = result.get("thread")
        if method in _FOLLOWING and isinstance(thread, dict):
            self._open.pop(thread["id"], None)
            self._done.pop(thread["id"], None)

    def told(self, method: str, params: Json) -> None:
        """A notification has come."""
        if not self._hears_all:
            return
        match method:
            case "item/started":
                self._started(params)
            case "item/completed":
                self._completed(params)
            case "turn/completed":
                self._turn_completed(params)
            case "thread/closed":
                items = self._open.get(params["threadId"], {})
                items.update({key: found._replace(was_closed=True) for key, found in items.items()})
            case "thread/reverted":
                self._open.pop(params["threadId"], None)
                self._done.pop(params["threadId"], None)
            case _ if method in _DELTAS:
                self._grown(_DELTAS[method], params)

    def _started(self, params: Json) -> None:
        thread, item = params["threadId"], params["item"]
        items = self._open.setdefault(thread, {})
        if item["id"] in items and not items[item["id"]].was_closed:
            self.broken.append(f"{_name(item)} begins twice")
        if item["id"] in self._done.get(thread, ()):
            self.broken.append(f"{_name(item)} begins after it has ended")
        items[item["id"]] = _Open(params["turnId"], item, {})

    def _grown(self, part: str, params: Json) -> None:
        found = self._open.get(params["threadId"], {}).get(params["itemId"])
        if found is None:
            if params["threadId"] not in self._known:
                self.broken.append(f"{params['itemId']} grows while it is not open")
            return
        index = params.get("summaryIndex") or params.get("contentIndex") or 0
        key = (part, index)
        found.texts[key] = found.texts.get(key, "") + params["delta"]

    def _completed(self, params: Json) -> None:
        thread, item = params["threadId"], params["item"]
        found = self._open.get(thread, {}).pop(item["id"], None)
        self._done.setdefault(thread, set()).add(item["id"])
        self.ended += 1
        if found is None:
            if thread not in self._known:
                self.broken.append(f"{_name(item)} ends while it is not open")
            return
        if found.turn != params["turnId"]:
            self.broken.append(f"{_name(item)} begins in {found.turn}, ends in {params['turnId']}")
        if not self.is_told_wrong_deltas:
            self._adds_up(found, item)

    def _adds_up(self, found: _Open, item: Json) -> None:
        whole: dict[tuple[str, int], str] = {}
        match item["type"]:
            case "agentMessage":
                whole = {("text", 0): item["text"]}
            case "reasoning":
                whole = {("summary", n): text for n, text in enumerate(item["summary"])}
                whole |= {("content", n): text for n, text in enumerate(item["content"])}
            case "commandExecution":
                whole = {("output", 0): _whole_output(found, item["aggregatedOutput"] or "")}
            case _:
                return
        told = {key: text for key, text in found.texts.items() if text}
        expected = {key: text for key, text in whole.items() if text}
        if told != expected:
            parts = [
                f"{key}: {told.get(key, '')[-80:]!r}, and whole {expected.get(key, '')[-80:]!r}"
                for key in sorted({*told, *expected})
                if told.get(key) != expected.get(key)
            ]
            self.broken.append(f"{_name(item)}: the deltas do not add up; {'; '.join(parts)}")

    def _turn_completed(self, params: Json) -> None:
        turn = params["turn"]["id"]
        for found in self._open.get(params["threadId"], {}).values():
            in_background = found.item.get("source") in _IN_BACKGROUND
            if found.turn == turn and not in_background and not found.was_closed:
                self.broken.append(f"{_name(found.item)} is open at the end of its turn {turn}")


def _whole_output(found: _Open, output: str) -> str:
    """The output of a command. Of a long one the item has the beginning and the end; the deltas have the middle, too, or
    have stopped before the end.
    """
    told = found.texts.get(("output", 0), "")
    found_at = _LEFT_OUT.search(output)
    if found_at is None:
        return output
    return told if told.startswith(output[: found_at.start()]) else output


def _name(item: Json) -> str:
    return f"{item['type']} {item['id']}"
