"""The settings of a thread, and the status of one whose turn runs, as the wire has them."""

from __future__ import annotations

from collections.abc import Iterable

from codexd.core.prompts.collaboration import instructions_of
from codexd.core.values.enforced import beside_plan_mode, enforced_policy, enforced_sandbox
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import AskPerson, ToolAction
from codexd.protocol import notifications as n
from codexd.protocol.policies import active_profile, sandbox_policy
from codexd.protocol.threads import Active, ActiveFlag, Environment
from codexd.protocol.turns import CollaborationMode, ModeSettings


def environments_of(settings: Settings) -> tuple[Environment, ...]:
    """The environments in which calls are executed."""
    here = Environment(settings.cwd, (settings.cwd,))
    return (here,) if settings.has_environment else ()


def thread_settings(settings: Settings) -> n.ThreadSettings:
    """The settings as the wire has them. The policies are the person's, in plan mode too."""
    shown = beside_plan_mode(settings)
    return n.ThreadSettings(
        cwd=settings.cwd,
        environments=environments_of(settings),
        approval_policy=enforced_policy(shown),
        sandbox_policy=sandbox_policy(enforced_sandbox(shown), settings.access),
        active_permission_profile=active_profile(settings.profile),
        model=settings.model,
        model_provider=settings.provider,
        service_tier=settings.service_tier or None,
        effort=settings.effort,
        summary=settings.summary,
        collaboration_mode=collaboration_mode(settings),
    )


def collaboration_mode(settings: Settings) -> CollaborationMode:
    """The mode as the wire has it, with what the model is told of it."""
    told = instructions_of(settings.collaboration)
    return CollaborationMode(
        settings.collaboration.mode, ModeSettings(settings.model, settings.effort, told)
    )


def active(asked: Iterable[ToolAction | None]) -> Active:
    """The status, given the actions of the open questions: approvals, and questions of the model."""
    kinds = {isinstance(action, AskPerson) for action in asked}
    flags: list[ActiveFlag] = ["waitingOnApproval"] if False in kinds else []
    return Active((*flags, "waitingOnUserInput") if True in kinds else tuple(flags))
