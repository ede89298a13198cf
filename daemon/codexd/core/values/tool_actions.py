"""What a tool call asks for, once its arguments are read: data on which `decide` can judge."""

from __future__ import annotations

from typing import Literal

import msgspec

from codexd.core.values.ids import CallId


class RunCommand(
    msgspec.Struct, frozen=True, rename="camel", tag="command", tag_field="kind", omit_defaults=True
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
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="viewImage",
    tag_field="kind",
    omit_defaults=True,
):
    """Look at an image file."""

    path: str  # absolute


class BadCall(msgspec.Struct, frozen=True, rename="camel", tag="bad", tag_field="kind"):
    """A call that cannot be made: an unknown tool, or arguments that cannot be read."""

    reason: str  # told to the model as the tool's answer


ToolAction = RunCommand | ViewImage | BadCall


class CallRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A tool call as the model made it, and what it comes to."""

    call_id: CallId
    name: str
    arguments: str  # verbatim; JSON for a function, free text for a custom tool
    action: ToolAction
    custom: bool = False  # a free-form call, answered with custom_tool_call_output


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
