"""User input, and the items of a turn that clients show.

The shapes are those of the Codex app-server v2 protocol (schemas `UserInput`, `ThreadItem`, `TurnError`),
so that projections are sent unchanged. Members that the schema does not require and
that codexd never fills are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from codexd.core.values.ids import ItemId, ThreadId
from codexd.core.values.review_findings import ReviewOutput


class TextInput(msgspec.Struct, frozen=True, tag="text"):
    """Text that a person typed."""

    text: str
    text_elements: tuple[msgspec.Raw, ...] = ()  # spans for the frontend that sent them


class ImageInput(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """An image."""

    url: str  # a data URL; in events `codexd-blob:<sha256>;<type>`, the name of its bytes
    detail: str | None = None


class LocalImageInput(msgspec.Struct, frozen=True, tag="localImage", omit_defaults=True):
    """An image file on this machine."""

    path: str
    detail: str | None = None
    image: str | None = None  # in events only: the name of the bytes that were read
    problem: str | None = None  # in events only: why the file could not be read


class SkillInput(msgspec.Struct, frozen=True, tag="skill"):
    """A skill that a person picked."""

    name: str
    path: str


class MentionInput(msgspec.Struct, frozen=True, tag="mention"):
    """A file or an app that a person mentioned."""

    name: str
    path: str


UserInput = TextInput | ImageInput | LocalImageInput | SkillInput | MentionInput


def plain_text(content: tuple[UserInput, ...]) -> str:
    """The text parts of an input, joined by newlines: for previews and titles."""
    return "\n".join(part.text for part in content if isinstance(part, TextInput))


class PlanStep(msgspec.Struct, frozen=True):
    """A step of the model's plan for a turn."""

    step: str
    status: Literal["pending", "inProgress", "completed"]


CommandStatus = Literal["inProgress", "completed", "failed", "declined"]


class _Item(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    id: ItemId
    started_at_ms: int | None = None
    completed_at_ms: int | None = None


class UserMessage(_Item, frozen=True, kw_only=True, tag="userMessage"):
    """A person's message."""

    client_id: str | None = None  # the id that the frontend gave it
    content: tuple[UserInput, ...]


class AgentMessage(_Item, frozen=True, kw_only=True, tag="agentMessage"):
    """A message of the model."""

    text: str
    phase: str | None = None


class Plan(_Item, frozen=True, kw_only=True, tag="plan"):
    """A plan that the model proposes in plan mode; it is taken out of the message that has it."""

    text: str  # Markdown


class Reasoning(_Item, frozen=True, kw_only=True, tag="reasoning"):
    """The model's reasoning, as far as the provider shows it."""

    summary: tuple[str, ...] = ()
    content: tuple[str, ...] = ()


class UnknownAction(msgspec.Struct, frozen=True, tag="unknown"):
    """A command that was not parsed any further."""

    command: str


class CommandExecution(_Item, frozen=True, kw_only=True, tag="commandExecution"):
    """A command that ran, runs, or waits to be allowed."""

    command: str
    cwd: str
    process_id: str | None = None
    source: Literal["agent", "userShell", "unifiedExecStartup"] = "agent"
    status: CommandStatus
    command_actions: tuple[UnknownAction, ...] = ()
    aggregated_output: str | None = None
    exit_code: int | None = None
    duration_ms: int | None = None
    # codexd only: the record that has the whole output, where `aggregated_output` has its ends (item/output/read).
    output_seq: int | msgspec.UnsetType = msgspec.UNSET


class ChangeKind(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happens to a file."""

    type: Literal["add", "delete", "update"]
    move_path: str | None = None  # only of an update: the new path


# The end of a diff of which only the beginning is shown.
SHORTENED_END: Final = " characters more …\n"


class FileUpdate(msgspec.Struct, frozen=True):
    """One file of a patch."""

    path: str
    kind: ChangeKind
    diff: str


class FileChange(_Item, frozen=True, kw_only=True, tag="fileChange"):
    """A patch that was applied, or waits to be allowed."""

    changes: tuple[FileUpdate, ...]
    status: CommandStatus
    # codexd only: why it was not applied, or what is not known about it, as the model was told.
    problem: str | msgspec.UnsetType = msgspec.UNSET


class ImageView(_Item, frozen=True, kw_only=True, tag="imageView"):
    """An image file that the model looked at."""

    path: str


class SearchAction(msgspec.Struct, frozen=True, tag="search"):
    """A search for words."""

    query: str | None = None
    queries: tuple[str, ...] | None = None


class OpenPageAction(msgspec.Struct, frozen=True, tag="openPage"):
    """A page was opened."""

    url: str | None = None


class FindInPageAction(msgspec.Struct, frozen=True, tag="findInPage"):
    """A text was looked for in a page."""

    url: str | None = None
    pattern: str | None = None


class OtherSearchAction(msgspec.Struct, frozen=True, tag="other"):
    """It is not known yet, or has no name here."""


WebSearchAction = SearchAction | OpenPageAction | FindInPageAction | OtherSearchAction


class WebSearch(_Item, frozen=True, kw_only=True, tag="webSearch"):
    """A search of the provider's."""

    query: str = ""  # in short; empty until it is whole
    action: WebSearchAction = OtherSearchAction()


class ContextCompaction(_Item, frozen=True, kw_only=True, tag="contextCompaction"):
    """The point where the model's history was compacted."""

    # codexd only: it came to nothing, though there was a history, which is as it was.
    status: Literal["failed", "interrupted"] | msgspec.UnsetType = msgspec.UNSET


class EnteredReviewMode(_Item, frozen=True, kw_only=True, tag="enteredReviewMode"):
    """A review began."""

    review: str


class ExitedReviewMode(_Item, frozen=True, kw_only=True, tag="exitedReviewMode"):
    """A review ended; its findings as text."""

    review: str
    output: ReviewOutput | msgspec.UnsetType = msgspec.UNSET  # codexd only: the same, part by part


class McpResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The result of a call of an MCP server, as the server gave it; images are notes in it."""

    content: tuple[msgspec.Raw, ...]
    structured_content: msgspec.Raw = msgspec.Raw(b"")  # empty: there is none


class McpError(msgspec.Struct, frozen=True):
    """Why a call of an MCP server has no result."""

    message: str


class McpCall(_Item, frozen=True, kw_only=True, tag="mcpToolCall"):
    """A call of a tool of an MCP server."""

    server: str
    tool: str
    status: Literal["inProgress", "completed", "failed"]
    arguments: msgspec.Raw
    read_only_hint: bool | None = None
    result: McpResult | None = None
    error: McpError | None = None
    duration_ms: int | None = None


class ToolCall(_Item, frozen=True, kw_only=True, tag="dynamicToolCall"):
    """A tool call that is not a command: an unknown tool, or unreadable arguments."""

    namespace: str | None = None  # of a tool that a client has declared
    tool: str
    arguments: msgspec.Raw
    status: Literal["inProgress", "completed", "failed"]
    success: bool | None = None
    content_items: tuple[ToolText, ...] | None = None
    duration_ms: int | None = None


class AgentState(msgspec.Struct, frozen=True):
    """How a thread stands that the agent of another one works with."""

    status: Literal[
        "pendingInit", "running", "interrupted", "completed", "errored", "shutdown", "notFound"
    ]
    message: str | None = None


class AgentCall(_Item, frozen=True, kw_only=True, tag="collabAgentToolCall"):
    """A call by which the agent of a thread works with others."""

    tool: Literal["spawnAgent", "sendInput", "wait", "listAgents", "interruptAgent"]
    status: Literal["inProgress", "completed", "failed", "interrupted"]
    sender_thread_id: ThreadId
    receiver_thread_ids: tuple[ThreadId, ...]
    agents_states: Mapping[str, AgentState] = {}
    prompt: str | None = None
    model: str | None = None
    reasoning_effort: str | None = None


class ToolText(msgspec.Struct, frozen=True, tag="inputText"):
    """Text in a tool's answer."""

    text: str


ThreadItem = (
    UserMessage
    | AgentMessage
    | Plan
    | Reasoning
    | CommandExecution
    | FileChange
    | ImageView
    | WebSearch
    | ContextCompaction
    | EnteredReviewMode
    | ExitedReviewMode
    | McpCall
    | AgentCall
    | ToolCall
)


# A value of the schema's `CodexErrorInfo`, or an object with the value as its member, and an HTTP status.
ErrorInfo = str | dict[str, dict[str, int | None]]


class TurnError(msgspec.Struct, frozen=True, rename="camel"):
    """Why a turn failed, or why a request to the model is retried."""

    message: str
    codex_error_info: ErrorInfo | None = None
    additional_details: str | None = None
