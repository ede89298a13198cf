"""The settings of a thread as the wire has them."""

from __future__ import annotations

from codexd.core.values.enforced import enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings
from codexd.protocol import notifications as n
from codexd.protocol.policies import sandbox_policy
from codexd.protocol.threads import Environment
from codexd.protocol.turns import CollaborationMode, ModeSettings


def thread_settings(settings: Settings) -> n.ThreadSettings:
    """The settings as the wire has them."""
    return n.ThreadSettings(
        cwd=settings.cwd,
        environments=(Environment(settings.cwd, (settings.cwd,)),),
        approval_policy=enforced_policy(settings),
        sandbox_policy=sandbox_policy(enforced_sandbox(settings), settings.access),
        model=settings.model,
        model_provider=settings.provider,
        effort=settings.effort,
        summary=settings.summary,
        collaboration_mode=CollaborationMode(
            "default", ModeSettings(settings.model, settings.effort)
        ),
    )
