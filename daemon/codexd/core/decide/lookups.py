"""The data that a decision needs beside the state: a value that is gathered before the decision.

`questions.py` says what a command needs; the actor looks that up, and decides once.
Law: answers that matter later are written into the events, so that a replay looks nothing up.
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
    """Titles are made by a model."""

    model: str | None = None  # None: the thread's own


class Here(msgspec.Struct, frozen=True):
    """The defaults of this machine for an imported thread."""

    approval_policy: ApprovalPolicy = "untrusted"
    sandbox: SandboxMode = "read-only"
    developer_instructions: str | None = None


class ForSettings(msgspec.Struct, frozen=True):
    """The data for a turn with certain settings."""

    limits: Limits = Limits()
    tuned: Tuned = Tuned()
    # The base instructions, if the thread has none of its own.
    instructions: str | None = None


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to a command's questions."""

    by_settings: Mapping[Settings, ForSettings] = {}
    machine: Machine = Machine()
    # Instructions of AGENTS.md files, by working directory.
    user_instructions: Mapping[str, UserInstructions] = {}
    # By folder: why git could start a program of its repository, as the rest of "its repository …";
    # None if it cannot.
    git_may_run: Mapping[str, str | None] = {}
    review_model: str | None = None  # None: the thread's own
    here: Here = Here()
    titles: Titles | None = None  # None: no model is asked for titles
    # The prompt for a summary.
    compact_prompt: str = COMPACTION_PROMPT

    def of(self, settings: Settings) -> ForSettings:
        """The data for these settings; empty for settings that were not looked up."""
        return self.by_settings.get(settings, _NOTHING_KNOWN)


_NOTHING_KNOWN = ForSettings()
NO_LOOKUPS = Lookups()
