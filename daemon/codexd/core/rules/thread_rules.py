"""Which calls on other threads a person must allow. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from codexd.core.values.settings import Settings
from codexd.core.values.thread_calls import ThreadCall, ThreadTool

_READS: Final[frozenset[ThreadTool]] = frozenset({"wait", "listAgents", "readAgent"})
_REASONS: Final[dict[ThreadTool, str]] = {
    "spawnAgent": "The model wants to start another thread, with the permissions of this one.",
    "sendInput": "The model wants to send a prompt to another thread.",
    "interruptAgent": "The model wants to interrupt another thread.",
}
_PLANNING: Final = "not done: in plan mode no other thread is started or changed."
LINE_CHARACTERS_MAX: Final = 2000  # of a prompt in a question: a page


def thread_reason(_: Settings, action: ThreadCall, __: object) -> str | None:
    """Why a person must allow a call; None if it only reads."""
    return _REASONS.get(action.tool)


def thread_refusal(settings: Settings, action: ThreadCall, _: object) -> str | None:
    """The answer to the model for what plan mode does not allow."""
    return _PLANNING if settings.plans and action.tool not in _READS else None


def thread_line(action: ThreadCall) -> str:
    """The call as text, for questions and searches."""
    prompt = action.prompt
    if len(prompt) > LINE_CHARACTERS_MAX:
        left_out = len(prompt) - LINE_CHARACTERS_MAX
        prompt = f"{prompt[:LINE_CHARACTERS_MAX]} … {left_out} characters left out"
    named = () if action.tool == "spawnAgent" else action.threads
    return " ".join(part for part in (action.tool, *named, action.search, prompt) if part)


def thread_key(action: ThreadCall) -> str:
    """What "allow it for the session" allows: more threads, or more of the same for the same thread."""
    named = () if action.tool == "spawnAgent" else action.threads
    return msgspec.json.encode(("thread", action.tool, named)).decode()
