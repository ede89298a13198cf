"""`item/tool/requestUserInput`: questions of the model to a person, and the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

USER_INPUT: Final = "item/tool/requestUserInput"


class UserInputOption(msgspec.Struct, frozen=True):
    """An answer that is proposed."""

    label: str
    description: str


class UserInputQuestion(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """A question. A person may choose, or type something else."""

    id: str
    header: str
    question: str
    is_other: bool = True
    is_secret: bool = False
    options: tuple[UserInputOption, ...] | None = None


class UserInputOwn(msgspec.Struct, frozen=True, rename="camel"):
    """Members that Codex's request does not have."""

    approval_id: str
    action_hash: str


class UserInputParams(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Ask a person; the turn waits for the answers."""

    thread_id: str
    turn_id: str
    item_id: str
    questions: tuple[UserInputQuestion, ...]
    is_blocking: bool = True
    auto_resolution_ms: int | None = None
    codexd: UserInputOwn | msgspec.UnsetType = msgspec.UNSET


class UserInputAnswer(msgspec.Struct, frozen=True):
    """What was chosen and what was typed."""

    answers: tuple[str, ...]


class UserInputResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The answers, by the ids of the questions; a question that has none was not answered."""

    answers: Mapping[str, UserInputAnswer]
    # Of codexd's own frontends, as in answers to approvals; `decline` and `cancel` have no answers.
    decision: str | None = None
    approval_id: str | None = None
    action_hash: str | None = None
