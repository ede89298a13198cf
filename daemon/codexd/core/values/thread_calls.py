"""Calls by which the agent of a thread works with other threads, and where a thread that it starts comes from."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.tool_actions import ToolAction

# As Codex names them on the wire, but for `readAgent`, for which it has no word.
ThreadTool = Literal["spawnAgent", "sendInput", "wait", "listAgents", "readAgent", "interruptAgent"]


class ThreadCall(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="thread",
    tag_field="kind",
    omit_defaults=True,
):
    """Do something with other threads."""

    tool: ThreadTool
    sender: ThreadId  # the thread whose agent calls
    threads: tuple[ThreadId, ...] = ()  # that it is done with; the new one of `spawnAgent`
    prompt: str = ""
    model: str | None = None  # of a new thread; None: the sender's
    steer: bool = False  # `sendInput`: say it into the turn that runs
    timeout_ms: int = 0  # of `wait`
    search: str = ""  # of `listAgents`


class Spawned(msgspec.Struct, frozen=True, rename="camel"):
    """The thread whose agent started this one."""

    thread_id: ThreadId
    turn_id: TurnId
    depth: int  # 1: it was started by a thread of a person
