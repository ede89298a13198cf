"""Rules for questions about hosts that a running command connects to, and for their answers.

The connection waits while its question is open. An answer holds for the call that asked, within the turn; for the
session where a person says so; or for ever, by a rule in a file.
"""

from __future__ import annotations

from typing import Final

from codexd.core import commands as c
from codexd.core.commands import Rejected
from codexd.core.decide.transition import Transition
from codexd.core.events import events as e
from codexd.core.policy.action_kinds import kind_of
from codexd.core.policy.approval import action_hash, session_key
from codexd.core.rules.host_rules import NOT_LISTED
from codexd.core.state.state import ThreadState
from codexd.core.state.turn import HostQuestion
from codexd.core.values.enforced import enforced_policy
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.tool_actions import ReachHost, ToolAction

# Of one turn: more are a program that tries names, and no person answers so many.
HOST_QUESTIONS_MAX: Final = 64
GONE: Final = "the connection that waited for it is gone"
NOBODY_ASKS: Final = "under the approval policy `never` nobody is asked about it"
NO_TURN: Final = "no turn runs in which somebody could be asked about it"
TOO_MANY: Final = f"{HOST_QUESTIONS_MAX} hosts were asked about in this turn, and no more are"


def ask_about_host(transition: Transition, command: c.ReportHostAsked) -> None:
    """Ask about a host, unless the answer is known or the question is open. Raises: Rejected."""
    state, turn = transition.state, transition.state.turn
    if found_answer(state, command.call_id, command.action) is not None:
        return
    if turn is None or not _runs(state, command.call_id):
        raise Rejected("nobody_to_ask", NO_TURN)
    if enforced_policy(turn.settings) == "never":
        raise Rejected("nobody_to_ask", NOBODY_ASKS)
    if open_question(state, command.call_id, command.action) is not None:
        return
    if len(turn.hosts) >= HOST_QUESTIONS_MAX:
        raise Rejected("nobody_to_ask", TOO_MANY)
    transition.add(
        e.ApprovalRequested(
            ApprovalId(f"{turn.turn_id}/{turn.questions + 1}"),
            command.call_id,
            command.action,
            NOT_LISTED,
            turn.settings.approval_policy,
            action_hash(command.action),
        )
    )


def found_answer(state: ThreadState, call_id: CallId, action: ReachHost) -> bool | None:
    """Whether a call may reach a host, as far as a person has answered; None: there is no answer."""
    if session_key(action) in state.allowed_for_session:
        return True
    asked = _asked(state, call_id, action)
    if asked is None or asked.decision is None:
        return None
    return asked.decision in ("accept", "acceptForSession")


def open_question(state: ThreadState, call_id: CallId, action: ReachHost) -> HostQuestion | None:
    """The question that a connection of a call waits for."""
    asked = _asked(state, call_id, action)
    return asked if asked is not None and asked.decision is None else None


def answer_about_host(
    transition: Transition, command: c.DecideApproval, question: HostQuestion
) -> None:
    """A person's answer about a host. Raises: Rejected."""
    check_answer(question.action, command)
    means = {"allow": "accept", "deny": "decline"}.get(command.host_rule or "", command.decision)
    is_other = command.host not in (None, question.action.host)
    is_odd = is_other or command.rule is not None or command.instead is not None
    if is_odd or means != command.decision:
        raise Rejected(
            "odd_answer",
            "expected an answer about a host, with at most a rule for the same host that says the same: "
            "nothing was changed, and the question stays open",
        )
    transition.add(
        e.ApprovalDecided(
            command.approval_id, command.decision, command.note, host_rule=command.host_rule
        )
    )
    if command.decision == "cancel":
        transition.interrupt(command.open_items, "interrupted")


def check_answer(action: ToolAction, command: c.DecideApproval) -> None:
    """Raises: Rejected, for an answer to another action, and for one that was not offered."""
    if command.action_hash != action_hash(action):
        raise Rejected(
            "approval_mismatch",
            f"expected an answer to the action with the sha256 {action_hash(action)}, found one to "
            f"{command.action_hash}: nothing was changed, and the question stays open",
        )
    if command.decision not in kind_of(action).approval.answers:
        raise Rejected(
            "decision_not_offered",
            f"expected an answer that was offered, found {command.decision}: nothing was changed, and the "
            "question stays open",
        )


def withdraw_host_questions(transition: Transition, call_id: CallId | None = None) -> None:
    """Close the open questions of a call, or of all, whose connections are gone."""
    turn = transition.state.turn
    for question in turn.hosts if turn is not None else ():
        if question.decision is None and call_id in (None, question.call_id):
            transition.add(e.ApprovalDecided(question.approval_id, "decline", GONE))


def _asked(state: ThreadState, call_id: CallId, action: ReachHost) -> HostQuestion | None:
    """The last question about the same host and port, by any protocol."""
    key = session_key(action)
    hosts = state.turn.hosts if state.turn is not None else ()
    for question in reversed(hosts):
        if question.call_id == call_id and session_key(question.action) == key:
            return question
    return None


def _runs(state: ThreadState, call_id: CallId) -> bool:
    """Whether a call runs, or has left a process running."""
    calls = state.turn.open_calls if state.turn is not None else ()
    return any(call.call_id == call_id and call.running for call in calls) or any(
        process.call.call_id == call_id for process in state.processes
    )
