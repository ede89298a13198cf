"""Questions that the daemon asks of a person: which are open, and what a typed key answers. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from codexd_frontends.cli.elicited import elicited
from codexd_frontends.client.approval_messages import (
    ALWAYS,
    NEVER,
    ApprovalRequest,
    ResolvedNote,
)
from codexd_frontends.client.messages import Message, RequestId
from codexd_frontends.screen.drawn import one_line

# Other requests (a sign-in, a tool of a frontend) are left to frontends that can show them.
APPROVAL_METHODS = frozenset(
    {
        "item/commandExecution/requestApproval",
        "item/fileChange/requestApproval",
        "item/permissions/requestApproval",
        "item/tool/requestUserInput",
        "mcpServer/elicitation/request",
    }
)

DECISIONS: Mapping[str, str] = {
    "y": "accept",
    "a": "acceptForSession",
    "n": "decline",
    "c": "cancel",
}
# Longer words for the model are refused by the daemon; they are a prompt of their own.
INSTEAD_CHARACTERS_MAX = 4000
# A client's name, and the number of its connection.
BY_CHARACTERS_MAX = 120
_INSTEAD = re.compile(
    r"(?:n|no|d|decline)(?:[:,.;]\s*|\s+)(?P<words>.+)", re.IGNORECASE | re.DOTALL
)


class Verdict(msgspec.Struct, frozen=True):
    """What a person answers."""

    decision: str  # a word of the wire, `ALWAYS`, or `NEVER`
    instead: str | None = None  # with a refusal: what the model is to do instead
    content: Mapping[str, object] | None = None  # the values that an MCP server asked for


_SAID = {
    "accept": "accepted",
    "acceptForSession": "accepted, in this thread from now on",
    "decline": "declined",
    "cancel": "declined, and the turn is stopped",
    ALWAYS: "accepted, and from now on what begins like this",
    NEVER: "declined, and from now on no command gets there",
}


class Question(msgspec.Struct, frozen=True):
    """An approval that is asked for, or a question of an MCP server."""

    id: RequestId
    request: ApprovalRequest
    answers: Mapping[str, tuple[str, ...]] = {}  # to questions of the model that were answered here

    @property
    def asks_more(self) -> bool:
        """Whether the model has a question that has no answer yet."""
        return bool(self.request.questions)

    def with_answer(self, given: tuple[str, ...]) -> Question:
        """The same with the first of its questions answered."""
        first, *rest = self.request.questions
        left = replace(self.request, questions=tuple(rest))
        return Question(self.id, left, {**self.answers, first.id: given})

    def answer(self, verdict: Verdict) -> dict[str, object]:
        """An answer, which names the approval and what would run."""
        if self.request.elicits:
            return {"action": verdict.decision, "content": verdict.content}
        answer = self.request.answer(verdict.decision, verdict.instead)
        if self.answers or self.asks_more:
            answer["answers"] = {name: {"answers": given} for name, given in self.answers.items()}
        return answer


def read_question(message: Message) -> Question | None:
    """The question that a request of the daemon's is; None if it is none that can be answered here."""
    if message.id is None or message.method not in APPROVAL_METHODS:
        return None
    request = msgspec.json.decode(message.params, type=ApprovalRequest)
    if request.elicits:  # It has no id of its own.
        request = replace(request, item_id=f"question {message.id}")
    return Question(message.id, request)


def verdict_for(typed: str, request: ApprovalRequest) -> Verdict | None:
    """What a typed answer means, if it means anything: `n use pnpm` declines with words for the model."""
    if request.elicits:
        given = elicited(typed, request)
        return None if given is None else Verdict(given.action, content=given.content)
    text = typed.strip()
    if request.questions:
        word = {"no": "n"}.get(text.lower(), text.lower())
        return Verdict(DECISIONS[word]) if word in ("n", "c") else None
    words = _INSTEAD.fullmatch(text)
    if words is not None and request.host is None:
        return Verdict("decline", words["words"])
    word = text.lower()
    if word == "p":
        return Verdict(ALWAYS) if can_have_rule(request) else None
    if word == "v":
        return Verdict(NEVER) if request.host is not None else None
    word = {"yes": "y", "no": "n", "accept": "y", "decline": "n"}.get(word, word)
    return Verdict(DECISIONS[word]) if word in DECISIONS else None


def can_have_rule(request: ApprovalRequest) -> bool:
    """Whether an answer may add a rule."""
    return request.host is not None or request.proposed_rule is not None


def said(verdict: Verdict, request: ApprovalRequest) -> str:
    """A verdict as text."""
    text = _SAID.get(verdict.decision, verdict.decision)
    if request.asks_person:
        text = {"accept": "answered", "decline": "not answered"}.get(verdict.decision, text)
    if verdict.decision == ALWAYS and request.host is not None:
        text = "accepted, and from now on every command gets there"
    return text if verdict.instead is None else f"{text}, with your words for the model"


def said_elsewhere(resolved: Message) -> str:
    """An answer of another screen as text."""
    decided = msgspec.json.decode(resolved.params, type=ResolvedNote).codexd
    if not decided.by:
        return "answered on another screen"
    text = _SAID.get(decided.decision, decided.decision)
    return f"answered on another screen, by {one_line(decided.by, BY_CHARACTERS_MAX)}: {one_line(text)}"


def how_to_answer(request: ApprovalRequest) -> list[str]:
    """The commands that answer one approval, and no other."""
    # Logs of earlier versions name approvals by what a model wrote.
    answer = f"  codexctl approve {request.thread_id} {shlex.quote(one_line(request.approval_id))}"
    if request.asks_person:
        return [answer, f"{answer} --decline"]
    always = [f"{answer} --always"] if can_have_rule(request) else []
    instead = [] if request.host is not None else [f"{answer} --no 'do this instead'"]
    return [answer, *always, f"{answer} --decline", *instead]


class Questions:
    """The questions that are open in a thread, the oldest first."""

    def __init__(self) -> None:
        self._open: dict[
            str, Question
        ] = {}  # by approval: asked again after a restart, it is the same
        self._answered: set[RequestId] = set()

    @property
    def first(self) -> Question | None:
        """The one to be answered now."""
        return next(iter(self._open.values()), None)

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, question: Question) -> bool:
        """Open a question; False if it was open already, and is the same."""
        known = self._open.get(question.request.approval_id)
        if known is not None and known.answers and known.id == question.id:
            return False  # It is asked again, and a part of it is answered here already.
        self._open[question.request.approval_id] = question
        return known is None or known.request != question.request

    def put(self, question: Question) -> None:
        """The same question with one more answer."""
        self._open[question.request.approval_id] = question

    def answer(self, question: Question) -> None:
        """Close a question, for it is being answered here."""
        self._open.pop(question.request.approval_id, None)
        self._answered.add(question.id)

    def resolve(self, message: Message) -> Question | None:
        """Close the question that was resolved; returns it if it was still open here."""
        request_id = msgspec.json.decode(message.params, type=ResolvedNote).request_id
        for approval_id, question in self._open.items():
            if question.id == request_id:
                return self._open.pop(approval_id)
        self._answered.discard(request_id)
        return None
