"""What a decision knows beside the thread's own past: a value, gathered before the decision is made.

`questions.py` says what a command needs; whoever decides gathers that, and decides once.
Law: the answers that matter later are written into the events, so that nothing is asked again at a replay.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.environment import Machine
from codexd.core.values.limits import Limits
from codexd.core.values.settings import ApprovalPolicy, SandboxMode, Settings, Tuned


class Titles(msgspec.Struct, frozen=True):
    """That threads are to be named by a model."""

    model: str | None = None  # None: the thread's own


class Here(msgspec.Struct, frozen=True):
    """What holds on this machine for a thread of which nobody here has said anything."""

    approval_policy: ApprovalPolicy = "untrusted"
    sandbox: SandboxMode = "read-only"
    developer_instructions: str | None = None


class ForSettings(msgspec.Struct, frozen=True):
    """What holds for a turn with certain settings."""

    limits: Limits = Limits()
    tuned: Tuned = Tuned()
    # What the model is told first, where the thread has nothing of its own.
    instructions: str | None = None


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """The world as it is while something is decided, as far as the decision asks for it."""

    by_settings: Mapping[Settings, ForSettings] = {}
    machine: Machine = Machine()
    # What people wrote for the model, by the folder that it works in.
    user_instructions: Mapping[str, UserInstructions] = {}
    # Why git could start a program of the repository that a folder is in, as the rest of "its repository …";
    # None if it can't.
    git_may_run: Mapping[str, str | None] = {}
    review_model: str | None = None  # None: the thread's own
    here: Here = Here()
    titles: Titles | None = None  # None: nobody is asked for one
    # How a model is asked for what another one will go on from.
    compact_prompt: str = COMPACTION_PROMPT

    def of(self, settings: Settings) -> ForSettings:
        """What holds for these settings; nothing is known of those that nobody asked for."""
        return self.by_settings.get(settings, _NOTHING_KNOWN)


_NOTHING_KNOWN = ForSettings()
NO_LOOKUPS = Lookups()
