"""Rules for threads in which nothing may be executed, or whose permission profile the sandbox cannot enforce."""

from __future__ import annotations

from typing import Final

from codexd.core.policy.looked_up import LookedUp
from codexd.core.values.enforced import is_refused
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ToolAction

# The words of Codex 0.171: models know them.
NO_ENVIRONMENT: Final = (
    "No usable execution environment is available. "
    "Wait for an environment to become available before using this tool."
)


def profile_refusal(settings: Settings, _: ToolAction, __: LookedUp) -> str | None:
    """The answer to the model for an action on files that the permission profile may forbid; None if there is none."""
    problem = settings.profile.problem
    if problem is None or not is_refused(settings):
        return None
    return (
        f"not done: the {problem}, so files are neither read nor changed for it. The user can choose another profile, or "
        "set `allow_unsandboxed = true` in config.toml."
    )
