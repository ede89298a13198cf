"""Rules for tool calls: which run, which wait for a person, which are refused, and what a person's answer does."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.commands import Rejected, ToolCallDone
from codexd.core.decide.goals import answer_goal_call
from codexd.core.decide.hosts import answer_about_host, check_answer
from codexd.core.decide.lookups import Lookups
from codexd.core.decide.transition import Transition, not_again
from codexd.core.events import events as e
from codexd.core.policy.action_kinds import kind_of, request_for
from codexd.core.policy.approval import (
    action_hash,
    needs_approval,
    not_as_asked,
    permitted,
    proposed_rule,
    refused,
    runs_guarded,
    session_key,
    stood_in_for,
)
from codexd.core.policy.grants import grant_id
from codexd.core.policy.looked_up import NOTHING_LOOKED_UP, LookedUp
from codexd.core.policy.permission_rules import granted_text, within
from codexd.core.policy.sandbox_denial import escalation_hint
from codexd.core.rules.question_rules import ASKS, NO_ANSWER, answers_text, odd_answers
from codexd.core.state.turn import OpenCall, Turn, host_question
from codexd.core.values.enforced import sandbox_of
from codexd.core.values.ids import ApprovalId, CallId
from codexd.core.values.tool_actions import (
    AskPermissions,
    AskPerson,
    GoalAction,
    Permissions,
    ToolAction,
    ToolResult,
    UpdatePlan,
)

DECLINED = "declined: a person refused this call. Do not try it again another way; ask, or go on without it."
# What follows are the words of that person, as they were typed.
DECLINED_FOR = "declined: a person refused this call, and says what to do instead:\n"
# A page: more is a prompt of its own, and can be sent as one.
INSTEAD_CHARACTERS_MAX = 4000
NOBODY_TO_ASK = (
    "not run: a person would have to allow this call, and there is no way to ask about its kind. "
    "Nothing was done."
)
PLAN_UPDATED = "Plan updated"
NO_CHECKLIST = "update_plan is a checklist for work, and is not available in plan mode. The plan was not shown."
FAILED_INSIDE = "It failed in its sandbox ({sign}), and may have done a part of its work. Run it again outside of it?"


def admit(transition: Transition, call: ToolCallDone, lookups: Lookups) -> None:
    """Start a call, ask a person first, or answer it at once if it cannot be made."""
    turn = transition.turn
    settings = turn.settings
    looked_up = LookedUp(lookups.git_may_run, lookups.rules, lookups.own_folders)
    call_id, action = call.ref.call_id, permitted(settings, call.action, looked_up)
    if isinstance(action, GoalAction | UpdatePlan):
        _answer_at_once(transition, call_id, action, call.item.started_ms or 0)
        return
    allowed = transition.state.allowed_for_session
    outside = kind_of(action).approval.outside(settings, action) if allowed else None
    if outside is not None and session_key(outside) in allowed:
        action = outside  # or it would have to fail before it is run as a person has allowed
    reason = needs_approval(settings, action, allowed, looked_up)
    refusal = kind_of(action).refusal(action) or stood_in_for(action)
    refusal = refusal or refused(settings, action, looked_up)
    if refusal is None and reason is not None and request_for(action) is None:
        refusal = NOBODY_TO_ASK
    if refusal is not None:
        transition.add(e.ToolEnded(call_id, ToolResult("failed", refusal, refusal)))
        return
    if reason is None and isinstance(action, AskPermissions):
        # Nothing is performed: commands may do that already.
        has = granted_text(action.permissions, "session")
        transition.add(e.ToolEnded(call_id, ToolResult("completed", has, has)))
        return
    if isinstance(action, AskPerson):
        transition.add(_question(turn, call_id, action, ASKS))
        return
    if reason is None:
        guarded = runs_guarded(settings, action, allowed, looked_up)
        transition.add(e.ToolStarted(call_id, action, guarded))
        return
    transition.add(_question(turn, call_id, action, reason, looked_up))


def _answer_at_once(
    transition: Transition, call_id: CallId, action: GoalAction | UpdatePlan, at_ms: int
) -> None:
    """It changes the thread and nothing else: nothing is performed."""
    if isinstance(action, GoalAction):
        transition.add(e.ToolStarted(call_id, action))  # So it is no call that never began.
        result = answer_goal_call(transition, action, at_ms)
    elif transition.turn.settings.plans:
        result = ToolResult("failed", NO_CHECKLIST, NO_CHECKLIST)
    else:
        transition.add(e.PlanChanged(call_id, action.plan, action.explanation))
        result = ToolResult("completed", PLAN_UPDATED)
    transition.add(e.ToolEnded(call_id, result))


def _question(
    turn: Turn,
    call_id: CallId,
    action: ToolAction,
    reason: str,
    looked_up: LookedUp = NOTHING_LOOKED_UP,
) -> e.ApprovalRequested:
    return e.ApprovalRequested(
        ApprovalId(f"{turn.turn_id}/{turn.questions + 1}"),
        call_id,
        action,
        reason,
        turn.settings.approval_policy,
        action_hash(action),
        proposed_rule(turn.settings, action, looked_up),
    )


def ask_outside(transition: Transition, call: OpenCall, result: ToolResult) -> bool:
    """Ask whether a call that its sandbox seems to have stopped may run once more, without; whether that is asked."""
    turn = transition.turn
    if result.denied is None or call.first is not None or call.action is None:
        return False
    outside = kind_of(call.action).approval.outside(turn.settings, call.action)
    if outside is None:
        return False
    hint = escalation_hint(sandbox_of(turn.settings))  # The question takes its place.
    first = replace(result, model_text=result.model_text.removesuffix(f"\n{hint}"))
    question = _question(turn, call.call_id, outside, FAILED_INSIDE.format(sign=result.denied))
    transition.add(replace(question, first=first))
    return True


def decide_approval(transition: Transition, command: c.DecideApproval) -> None:
    """A person's answer. The first counts."""
    turn = transition.state.turn
    about_host = host_question(turn, command.approval_id)
    if about_host is not None:
        answer_about_host(transition, command, about_host)
        return
    calls = turn.open_calls if turn is not None else ()
    call = next((call for call in calls if call.approval_id == command.approval_id), None)
    if call is None:
        raise Rejected(
            "nobody_waiting", "no question waits for this answer any more: nothing was changed"
        )
    assert call.action is not None
    check_answer(call.action, command)
    _refuse_odd_answer(call.action, command)
    granted = _granted(call.action, command)
    transition.add(
        e.ApprovalDecided(
            command.approval_id,
            command.decision,
            command.note,
            command.rule,
            command.instead,
            granted,
            answers=command.answers,
        )
    )
    match command.decision:
        case "accept" | "acceptForSession":
            _accepted(transition, call, command, granted)
        case "decline" | "cancel":
            refusal = declined(command.instead, call.action)
            transition.add(e.ToolEnded(call.call_id, not_again(call, refusal)))
            if command.decision == "cancel":
                transition.interrupt(command.open_items, "interrupted")
        case _:
            assert_never(command.decision)


def _accepted(
    transition: Transition,
    call: OpenCall,
    command: c.DecideApproval,
    granted: Permissions | None,
) -> None:
    """Start the call as it was asked about; permissions that were asked for are granted by the answer itself, and
    questions are answered by it.
    """
    assert call.action is not None
    if isinstance(call.action, AskPerson):
        text = answers_text(call.action, command.answers)
        transition.add(e.ToolEnded(call.call_id, ToolResult("completed", text, text)))
        return
    refusal = not_as_asked(call.action, call.asked_hash)
    if refusal is not None:
        result = not_again(call, ToolResult("failed", refusal, refusal))
        transition.add(e.ToolEnded(call.call_id, result))
    elif granted is None:
        transition.add(e.ToolStarted(call.call_id, call.action))
    else:
        text = granted_text(granted, "turn" if command.decision == "accept" else "session")
        transition.add(e.ToolEnded(call.call_id, ToolResult("completed", text, text)))


def _granted(action: ToolAction, command: c.DecideApproval) -> Permissions | None:
    """What an answer grants, of the permissions that were asked for; None if it is about something else."""
    if not isinstance(action, AskPermissions) or command.decision in ("decline", "cancel"):
        return None
    wanted = action.permissions
    return wanted if command.granted is None else within(command.granted, wanted)


def declined(instead: str | None, action: ToolAction | None = None) -> ToolResult:
    """The result of a call that a person declined, with what the person wants done instead."""
    if isinstance(action, AskPerson):
        return ToolResult("declined", NO_ANSWER)
    if instead is None:
        return ToolResult("declined", DECLINED)
    return ToolResult("declined", f"{DECLINED_FOR}{instead}", instead)


def _refuse_odd_answer(action: ToolAction, command: c.DecideApproval) -> None:
    """Raises: Rejected, for a rule that is not made, and for words where nothing is declined."""
    odd = None
    if command.host_rule is not None:
        odd = f"no rule for a host, found `{command.host_rule}`"
    if command.rule is not None:
        problem = kind_of(action).approval.rule_problem(action, command.rule)
        if command.decision != "accept" or problem is not None:
            odd = f"a rule that may be made with `accept`, found `{' '.join(command.rule)}`, which {problem}"
    if command.answers is not None:
        odd = "a decision, found answers to questions"
        if isinstance(action, AskPerson):
            odd = odd_answers(action, command.answers)
    if command.instead is not None:
        if command.decision not in ("decline", "cancel"):
            odd = f"words for the model with `decline` or `cancel`, found them with `{command.decision}`"
        elif not 0 < len(command.instead) <= INSTEAD_CHARACTERS_MAX:
            odd = f"1 to {INSTEAD_CHARACTERS_MAX} characters for the model, found {len(command.instead)}"
    if odd is not None:
        raise Rejected(
            "odd_answer", f"expected {odd}: nothing was changed, and the question stays open"
        )


def revoke_grants(transition: Transition, command: c.RevokeGrants) -> None:
    """Take back what was allowed for the rest of the thread. A call that runs or waits is not changed."""
    keys = {grant_id(key): key for key in transition.state.allowed_for_session}
    unknown = [named for named in command.grants if named not in keys]
    if unknown:
        raise Rejected(
            "grant_not_found",
            f"expected the ids of what is allowed in this thread, found {unknown[0]}: nothing was changed",
        )
    wanted = set(keys.values()) if command.all else {keys[named] for named in command.grants}
    if wanted:
        transition.add(e.GrantsRevoked(tuple(sorted(wanted))))
