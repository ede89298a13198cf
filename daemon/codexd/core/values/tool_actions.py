"""What a tool call asks for, once its arguments are read: data on which `decide` can judge."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar

import msgspec
from msgspec.structs import replace


class ToolAction:
    """The base of all actions. A new one is a struct below, with a tag of its own for the log's member `kind`,
    and a row in `policy/action_kinds.py`.
    """

    __slots__ = ()
    __struct_config__: ClassVar[msgspec.structs.StructConfig]

    @property
    def justification(self) -> str | None:
        """The model's words to the person who is to allow it; they are no part of what it does."""
        return None


class RunCommand(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="command",
    tag_field="kind",
    omit_defaults=True,
):
    """Run a shell line to its end."""

    command: str  # the line as the model wrote it
    argv: tuple[
        str, ...
    ]  # as it was to be executed then, for who reads the log; nothing runs by it
    cwd: str  # absolute
    timeout_ms: int
    escalated: bool = False  # the model asks to run it outside of the sandbox
    justification: str | None = None  # the model's question to the person who is to allow it


class ViewImage(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="viewImage",
    tag_field="kind",
    omit_defaults=True,
):
    """Look at an image file."""

    path: str  # absolute


class BadCall(ToolAction, msgspec.Struct, frozen=True, rename="camel", tag="bad", tag_field="kind"):
    """A call that cannot be made: an unknown tool, or arguments that cannot be read."""

    reason: str  # told to the model as the tool's answer


class UnreadAction(
    ToolAction, msgspec.Struct, frozen=True, rename="camel", tag="unread", tag_field="kind"
):
    """An action of a kind that this version does not have: another version has recorded it."""

    json: str  # the whole of it


A = TypeVar("A", bound=ToolAction)


def without_words(action: A) -> A:
    """What the action does, without what the model says of it."""
    if action.justification is None:
        return action
    return replace(action, justification=None)  # type: ignore[type-var]  # every action is a struct


Decision = Literal["accept", "acceptForSession", "decline", "cancel"]

# "It was text alone", for a member that holds JSON.
NO_PARTS = msgspec.Raw(b"")


ToolStatus = Literal["completed", "failed", "declined", "aborted"]


class ToolResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What came of a tool call."""

    status: ToolStatus
    model_text: str  # exactly what the model is told
    output: str = ""  # what screens show: all of it, or its first and last part
    exit_code: int | None = None
    duration_ms: int | None = None  # None: it was stopped or never ran, and nobody measured
    output_bytes: int = 0  # how much there was in all
    blob: str | None = None  # sha256 of the whole output where it is too large to stand here
    # The parts of an answer that is not text alone, as the model was given them: images, say.
    model_parts: msgspec.Raw = NO_PARTS
