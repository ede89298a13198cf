"""Questions to a person: the daemon's approvals as the editor's permissions, and questions of MCP servers.

The first valid answer of any frontend counts. A question that is answered elsewhere is withdrawn here; an editor that
answers with an error has not answered, and the question stays open for others.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from codexd_frontends.acp.editor import COMPLAINT_CHARACTERS_MAX, Editor
from codexd_frontends.acp.translation.forms import models_answers, models_form, servers_form
from codexd_frontends.acp.translation.tool_calls import TITLE_CHARACTERS_MAX, fenced, text_content
from codexd_frontends.acp.translation.wire import (
    ElicitationAnswer,
    ElicitationCapability,
    PermissionAnswer,
    Update,
)
from codexd_frontends.cli.questions import (
    Question,
    Verdict,
    can_have_rule,
    how_to_answer,
    read_question,
)
from codexd_frontends.cli.streams import talk_on_stderr
from codexd_frontends.client.approval_messages import (
    ALWAYS,
    NEVER,
    ApprovalRequest,
    ResolvedNote,
)
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.messages import (
    ItemNote,
    Message,
    RequestId,
)
from codexd_frontends.screen.drawn import one_line

NAME_CHARACTERS_MAX: Final = 80  # of a rule, a host or a choice

A = TypeVar("A", PermissionAnswer, ElicitationAnswer)


class Option(NamedTuple):
    """One answer that the person may pick."""

    id: str
    name: str
    kind: str  # of the editor: allow_once, allow_always, reject_once, reject_always
    decision: str  # of the daemon
    answer: str | None = None  # to a question of the model

    @property
    def wire(self) -> dict[str, str]:
        return {"optionId": self.id, "name": self.name, "kind": self.kind}


ONCE: Final = Option("allow_once", "Yes, this once", "allow_once", "accept")
SESSION: Final = Option(
    "allow_for_session",
    "Yes, and do not ask again about this in this session",
    "allow_always",
    "acceptForSession",
)
DECLINE: Final = Option("decline", "No, and go on without it", "reject_once", "decline")
STOP: Final = Option("cancel", "No, and stop the turn", "reject_once", "cancel")


class _Open(NamedTuple):
    question: Question
    asked: RequestId | None  # by this number of the editor; None: it cannot ask this


class Permissions:
    """The open questions of a session."""

    def __init__(
        self, editor: Editor, session_id: str, elicits: ElicitationCapability | None
    ) -> None:
        self._editor, self._session_id = editor, session_id
        self._elicits = elicits or ElicitationCapability()
        self._open: dict[
            str, _Open
        ] = {}  # by approval: asked again after a restart, it is the same

    def ask(self, daemon: Daemon, asked: Message) -> str | None:
        """Put a question of the daemon's; where the editor cannot ask it, words that say how to answer it."""
        question = read_question(asked)
        if question is None:
            return None
        approval_id = question.request.approval_id
        known = self._open.get(approval_id)
        if known is not None and known.question.request == question.request:
            self._open[approval_id] = _Open(question, known.asked)
            return None
        self._close(approval_id)
        request_id = self._put(daemon, question, asked)
        self._open[approval_id] = _Open(question, request_id)
        return _elsewhere(question.request) if request_id is None else None

    def _put(self, daemon: Daemon, question: Question, asked: Message) -> RequestId | None:
        """Put it in the best way that the editor has; None: it has none."""
        request = question.request
        can_ask = self._elicits.url if request.url else self._elicits.form
        if request.questions:
            if can_ask is not None:
                return self._ask_form(daemon, request, models_form(request.questions))
            is_choice = len(request.questions) == 1 and request.questions[0].options
            return self._ask_permission(daemon, request) if is_choice else None
        if not request.elicits:
            return self._ask_permission(daemon, request)
        if can_ask is not None:
            return self._ask_form(daemon, request, servers_form(asked))
        # Yes or no is a permission, too.
        return None if request.fields else self._ask_permission(daemon, request)

    def resolved(self, message: Message) -> None:
        """Withdraw the question that was answered, here or elsewhere."""
        request_id = msgspec.json.decode(message.params, type=ResolvedNote).request_id
        self._close_those(lambda question: question.id == request_id)

    def item_ended(self, message: Message) -> None:
        """Withdraw the questions about an item that has ended, as while no daemon was connected."""
        item_id = msgspec.json.decode(message.params, type=ItemNote).read_item().id
        self._close_those(lambda question: question.request.item_id == item_id)

    def forget_servers(self) -> None:
        """After a restart: what MCP servers asked is asked again, or is over."""
        self._close_those(lambda question: question.request.elicits)

    def close(self) -> None:
        """Withdraw all: others may still answer them."""
        self._close_those(lambda _: True)

    def _close_those(self, are_meant: Callable[[Question], bool]) -> None:
        for approval_id, held in list(self._open.items()):
            if are_meant(held.question):
                self._close(approval_id)

    def _close(self, approval_id: str) -> None:
        held = self._open.pop(approval_id, None)
        if held is not None and held.asked is not None:
            self._editor.withdraw(held.asked)

    def _ask_permission(self, daemon: Daemon, request: ApprovalRequest) -> RequestId:
        options = options_of(request)
        params = {
            "sessionId": self._session_id,
            "toolCall": _call(request),
            "options": [option.wire for option in options],
        }

        def answered(message: Message) -> None:
            answer = _read_answer(message, PermissionAnswer)
            if answer is None:
                return
            picked = next((o for o in options if o.id == answer.outcome.option_id), None)
            if answer.outcome.outcome == "cancelled":
                picked = STOP
            if picked is None:
                _complain(f"expected one of the options, found {answer.outcome.option_id!r}")
            else:
                given = {} if picked.answer is None else {request.questions[0].id: (picked.answer,)}
                self._decide(daemon, request.approval_id, Verdict(picked.decision), given)

        return self._editor.ask("session/request_permission", params, answered)

    def _ask_form(self, daemon: Daemon, request: ApprovalRequest, form: Update) -> RequestId:
        def answered(message: Message) -> None:
            answer = _read_answer(message, ElicitationAnswer)
            if answer is None or answer.action not in ("accept", "decline", "cancel"):
                return
            content = answer.content or {}
            given = models_answers(request.questions, content)
            verdict = Verdict(answer.action, content=None if request.questions else answer.content)
            self._decide(daemon, request.approval_id, verdict, given)

        params = {"sessionId": self._session_id, **form}
        return self._editor.ask("elicitation/create", params, answered)

    def _decide(
        self,
        daemon: Daemon,
        approval_id: str,
        verdict: Verdict,
        answers: Mapping[str, tuple[str, ...]],
    ) -> None:
        """Answer the daemon, which may have been restarted since it asked."""
        held = self._open.pop(approval_id, None)
        if held is not None:
            question = replace(held.question, answers=answers)
            daemon.answer(question.id, question.answer(verdict))


def options_of(request: ApprovalRequest) -> list[Option]:
    """The answers to a question, those that allow first."""
    if request.questions:
        choices = request.questions[0].options or ()
        return [
            *(
                Option(
                    f"choice_{number}", _name(choice.label), "allow_once", "accept", choice.label
                )
                for number, choice in enumerate(choices, 1)
            ),
            DECLINE,
            STOP,
        ]
    if request.elicits:
        return [Option("allow_once", "Yes", "allow_once", "accept"), DECLINE, STOP]
    if request.host is not None:
        host = _name(request.host)
        always = Option("allow_host", f"Yes, and always allow {host}", "allow_always", ALWAYS)
        never = Option("reject_host", f"No, and never allow {host}", "reject_always", NEVER)
        return [ONCE, SESSION, always, DECLINE, never]
    rules = []
    if can_have_rule(request):
        words = _name(shlex.join(request.proposed_rule or ()))
        name = f"Yes, and always allow commands that begin with `{words}`"
        rules = [Option("accept_execpolicy_amendment", name, "allow_always", ALWAYS)]
    return [ONCE, SESSION, *rules, DECLINE, STOP]


def _name(text: str) -> str:
    return one_line(text, NAME_CHARACTERS_MAX)


def _call(request: ApprovalRequest) -> Update:
    """The tool call that the question is about: with all that would be done."""
    reasons = [reason for reason in (request.own_reason, request.model_says) if reason]
    shown = request.shown or ""
    call: Update = {
        "toolCallId": request.item_id or request.approval_id,
        "status": "pending",
        "title": one_line(_title(request), TITLE_CHARACTERS_MAX),
        "content": [
            *([text_content(fenced(shown))] if shown else []),
            *(
                [text_content("\n\n".join(one_line(reason) for reason in reasons))]
                if reasons
                else []
            ),
        ],
    }
    if request.shell_line is not None:
        call["kind"] = "execute"
        call["rawInput"] = {"command": request.shell_line, "cwd": request.cwd}
    return call


def _title(request: ApprovalRequest) -> str:
    if request.host is not None:
        return f"Connect to {request.host}"
    if request.permissions is not None:
        return "Do more than the sandbox allows"
    if request.elicits:
        return f"{request.server_name} asks"
    if request.server_name is not None:
        return f"{request.server_name}: call a tool"
    if request.questions:
        return request.questions[0].question
    return " ".join((request.shell_line or "Change files").split("\n"))


def _elsewhere(request: ApprovalRequest) -> str:
    """What the person is told where the editor has no form for the question."""
    line = how_to_answer(request)[0].strip()
    who = "The model" if request.questions else "An MCP server"
    return f"{who} asks a question that this editor has no form for. In a terminal: `{line}`\n"


def _read_answer(message: Message, kind: type[A]) -> A | None:
    if message.error is not None:
        _complain(f"the editor answered a question with an error: {message.error.message}")
        return None
    try:
        return msgspec.json.decode(message.result, type=kind)
    except msgspec.DecodeError as error:
        _complain(f"the editor's answer to a question cannot be read: {error}")
        return None


def _complain(problem: str) -> None:
    """On stderr, which editors keep in a log; the question stays open for other frontends."""
    talk_on_stderr(f"codexctl: {one_line(problem, COMPLAINT_CHARACTERS_MAX)}\n")
