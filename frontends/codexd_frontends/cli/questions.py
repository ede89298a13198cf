"""Questions that the daemon asks of a person: which are open, and what a typed key answers. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec

from codexd_frontends.client.approval_messages import ApprovalRequest
from codexd_frontends.client.messages import Message, RequestId, ResolvedNote
from codexd_frontends.screen.drawn import one_line

# Other requests (a question with options, a sign-in) are left to frontends that can show them: to
# an error as the answer would decline it for all frontends.
APPROVAL_METHODS = frozenset(
    {"item/commandExecution/requestApproval", "item/fileChange/requestApproval"}
)

DECISIONS: Mapping[str, str] = {
    "y": "accept",
    "a": "acceptForSession",
    "n": "decline",
    "c": "cancel",
}

_SAID = {
    "accept": "accepted",
    "acceptForSession": "accepted, in this thread from now on",
    "decline": "declined",
    "cancel": "declined, and the turn is stopped",
}


class Question(msgspec.Struct, frozen=True):
    """An approval that is asked for."""

    id: RequestId
    request: ApprovalRequest

    def answer(self, decision: str) -> dict[str, str]:
        """An answer, which names the approval and what would run."""
        asked = self.request.codexd
        named = (
            {}
            if asked is None
            else {"approvalId": asked.approval_id, "actionHash": asked.action_hash}
        )
        return {"decision": decision, **named}


def read_question(message: Message) -> Question | None:
    """The question that a request of the daemon's is; None if it is none that can be answered here."""
    if message.id is None or message.method not in APPROVAL_METHODS:
        return None
    request = msgspec.json.decode(message.params, type=ApprovalRequest)
    return Question(message.id, request)


def decision_for(typed: str) -> str | None:
    """The decision that a typed answer means, if it means one."""
    word = typed.strip().lower()
    return DECISIONS.get({"yes": "y", "no": "n", "accept": "y", "decline": "n"}.get(word, word))


def said(decision: str) -> str:
    """A decision as text."""
    return _SAID.get(decision, decision)


def how_to_answer(thread_id: str, approval_id: str) -> list[str]:
    """The commands that answer one approval, and no other."""
    # Logs of earlier versions name approvals by what a model wrote.
    answer = f"  codexctl approve {thread_id} {shlex.quote(one_line(approval_id))}"
    return [answer, f"{answer} --decline"]


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
        self._open[question.request.approval_id] = question
        return known is None or known.request != question.request

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
