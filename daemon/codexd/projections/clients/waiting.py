"""The status of a thread whose turn runs: what it waits for."""

from __future__ import annotations

from collections.abc import Iterable

from codexd.core.values.tool_actions import AskPerson, ToolAction
from codexd.protocol.threads import Active, ActiveFlag


def active(asked: Iterable[ToolAction | None]) -> Active:
    """The status, given the actions of the open questions: approvals, and questions of the model."""
    kinds = {isinstance(action, AskPerson) for action in asked}
    flags: list[ActiveFlag] = ["waitingOnApproval"] if False in kinds else []
    return Active((*flags, "waitingOnUserInput") if True in kinds else tuple(flags))
