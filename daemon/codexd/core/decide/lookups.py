"""What a decision may ask of the world beside the thread's own past: looked up by whoever calls `decide`.

Law: the answers that matter later are written into the events, so that nothing is asked again at a replay.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from codexd.core.policy.approval import not_looked_at
from codexd.core.prompts.compaction import COMPACTION_PROMPT
from codexd.core.values.agents_md import UserInstructions
from codexd.core.values.environment import Machine
from codexd.core.values.limits import Limits
from codexd.core.values.settings import ApprovalPolicy, SandboxMode, Settings, Tuned


class NotRead(Exception):
    """A decision needs what is written in a folder: read it, and decide again."""

    def __init__(self, cwd: str) -> None:
        super().__init__(f"the instructions in {cwd} were not read yet")
        self.cwd = cwd


class RepositoryNotRead(Exception):
    """A decision needs to know what a folder's repository could start: look, and decide again."""

    def __init__(self, cwd: str) -> None:
        super().__init__(f"the repository in {cwd} was not looked at yet")
        self.cwd = cwd


def _unknown(_: Settings) -> Limits:
    return Limits()


def _as_asked(_: Settings) -> Tuned:
    return Tuned()


def _none(_: object) -> None:
    return None


class Titles(msgspec.Struct, frozen=True):
    """That threads are to be named by a model."""

    model: str | None = None  # None: the thread's own


class Here(msgspec.Struct, frozen=True):
    """What holds on this machine for a thread of which nobody here has said anything."""

    approval_policy: ApprovalPolicy = "untrusted"
    sandbox: SandboxMode = "read-only"
    developer_instructions: str | None = None


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """The world as it is while something is decided."""

    limits: Callable[[Settings], Limits] = _unknown
    tuning: Callable[[Settings], Tuned] = _as_asked
    place: Callable[[], Machine] = Machine
    # What the model is told first, where the thread has nothing of its own.
    instructions: Callable[[Settings], str | None] = _none
    # What people wrote for the model, by the folder that it works in. Raises: NotRead.
    user_instructions: Callable[[str], UserInstructions | None] = _none
    # Why git could start a program of the repository that a folder is in, as the rest of "its repository …";
    # None if it can't. Raises: RepositoryNotRead.
    git_may_run: Callable[[str], str | None] = not_looked_at
    # Which model reviews; None: the thread's own.
    review_model: Callable[[], str | None] = lambda: None
    here: Callable[[], Here] = Here
    titles: Callable[[], Titles | None] = lambda: None  # None: nobody is asked for one
    # How a model is asked for what another one will go on from.
    compact_prompt: Callable[[], str] = lambda: COMPACTION_PROMPT


NOWHERE = Surroundings()
