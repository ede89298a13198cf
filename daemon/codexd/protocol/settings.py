"""Changing a thread's settings between its turns: what `thread/settings/update` takes and gives."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.protocol.policies import AskedPolicy, SandboxPolicy
from codexd.protocol.turns import CollaborationMode


class ThreadSettingsUpdateParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Change some settings from the next turn on; what is left out or null stays as it is."""

    thread_id: str
    cwd: str | None = None
    approval_policy: AskedPolicy | None = None
    sandbox_policy: SandboxPolicy | None = None
    model: str | None = None
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    collaboration_mode: CollaborationMode | None = None
    model_provider: str | None = None  # codexd only, as is the next
    verbosity: Literal["low", "medium", "high"] | None = None


class ThreadSettingsUpdateResponse(msgspec.Struct, frozen=True):
    """They are in force; all who follow the thread are told."""
