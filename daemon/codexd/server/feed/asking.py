"""How a question is put: what would run, exactly, and whose words are whose.

The log may hide a secret of a command; a question never does, for what is shown is what runs. So the
action is taken from the thread's own memory, and its hash goes to whoever is asked, to be answered with.
Foreign words are bounded and written out: no command, folder or model's word moves what stands beside it.
"""

from __future__ import annotations

from msgspec.structs import replace

from codexd.core.policy.action_hash import action_hash, not_as_asked
from codexd.core.policy.approval import LEAVES_SANDBOX, NOT_KNOWN_HARMLESS
from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId
from codexd.core.values.items import UnknownAction
from codexd.core.values.tool_actions import RunCommand
from codexd.projections.clients.notifications import ApprovalAsked
from codexd.projections.quoting import quoted
from codexd.protocol.display.visible import visible_line, visible_text
from codexd.protocol.requests import AskedByCodexd, CommandApprovalParams

# The daemon's own sentences are shorter.
REASON_CHARACTERS_MAX = 200
# Two or three rows of a terminal: a reason fits, and pushes nothing off it.
MODEL_SAYS_CHARACTERS_MAX = 200
# As many: a folder is known by its beginning.
PLACE_CHARACTERS_MAX = 240

HIDDEN = (
    "Part of it looks like a secret and is hidden in what is stored; here it stands as it will run."
)
LOST = "Part of it looked like a secret, was not stored, and is lost: it will not run, whatever is answered."
MODEL_SAYS = "the model says: "


def as_asked(asks: ApprovalAsked, state: ThreadState | None) -> ApprovalAsked:
    """The question with the action that would run, out of the state of the thread that waits."""
    turn = state.turn if state is not None else None
    for call in turn.open_calls if turn is not None else ():
        if call.approval_id == asks.approval_id and isinstance(call.action, RunCommand):
            return replace(
                asks, action=call.action, hidden=_shows(asks.action) != _shows(call.action)
            )
    return asks


def question_params(asks: ApprovalAsked, thread_id: ThreadId | str) -> CommandApprovalParams:
    """The question as the wire has it."""
    action, reason, says = asks.action, _own_reason(asks), _said_by_model(asks.action)
    return CommandApprovalParams(
        thread_id=thread_id,
        turn_id=asks.turn_id,
        item_id=asks.item_id,
        started_at_ms=asks.at_ms,
        reason=reason if says is None else f"{reason} — {MODEL_SAYS}{says}",
        command=quoted(action.argv),
        cwd=visible_line(action.cwd, PLACE_CHARACTERS_MAX),
        command_actions=(UnknownAction(visible_text(action.command)),),
        codexd=AskedByCodexd(
            approval_id=asks.approval_id,
            action_hash=action_hash(action),
            reason=reason,
            model_says=says,
        ),
    )


def _own_reason(asks: ApprovalAsked) -> str:
    """Why the daemon asks, and whether the log shows the command as it is."""
    action, reason = asks.action, asks.reason
    if reason == action.justification:  # So it was recorded by versions before there was a hash.
        reason = LEAVES_SANDBOX if action.escalated else NOT_KNOWN_HARMLESS
    reason = visible_line(reason, REASON_CHARACTERS_MAX)
    if not_as_asked(action, asks.asked_hash) is not None:
        return f"{reason} {LOST}"
    return f"{reason} {HIDDEN}" if asks.hidden else reason


def _said_by_model(action: RunCommand) -> str | None:
    words = " ".join((action.justification or "").split())
    return visible_line(words, MODEL_SAYS_CHARACTERS_MAX) if words else None


def _shows(action: RunCommand) -> tuple[str, tuple[str, ...], str]:
    return action.command, action.argv, action.cwd
