"""The actions of tool calls, parsed from their arguments: data for `decide`."""

from __future__ import annotations

from typing import ClassVar, Literal, TypeVar

import msgspec
from msgspec.structs import replace

from codexd.core.values.goals import Goal
from codexd.core.values.ids import CallId, TurnId
from codexd.core.values.items import PlanStep


class ToolAction:
    """The base of all actions. A new action is a struct below, with a tag of its own for the log's member `kind`,
    and a row in `policy/action_kinds.py`.
    """

    __slots__ = ()
    __struct_config__: ClassVar[msgspec.structs.StructConfig]

    @property
    def justification(self) -> str | None:
        """The model's reason for the person who decides; it does not change the action."""
        return None


class SessionCall(msgspec.Struct, frozen=True, rename="camel"):
    """The call that began a session."""

    call_id: CallId
    turn_id: TurnId


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
    argv: tuple[str, ...]  # as it was executed at the time, for readers of the log; it is never run
    cwd: str  # absolute
    timeout_ms: int
    escalated: bool = False  # the model asks to run it outside of the sandbox
    justification: str | None = None  # the model's question to the person who decides
    direct: bool = (
        False  # the words of the line run as a program and its arguments, without a shell
    )
    # The beginning of commands that the model proposes to allow for ever.
    prefix_rule: tuple[str, ...] = ()


class ExecCommand(RunCommand, frozen=True, kw_only=True, tag="exec"):
    """Run a shell line as a session: it may go on after its call's answer, and be written to. It has no timeout."""

    session: str  # its id for models and people: a ProcessId
    tty: bool = False  # it has a terminal; else it gets no input
    yield_ms: int = 0  # how long the answer waits for its end
    output_tokens: int = 0  # the most that the answer has of its output
    shell: str | None = None  # another shell than the person's; a path


class PersonCommand(RunCommand, frozen=True, kw_only=True, tag="userShell"):
    """A shell line that a person runs in a thread: outside of any sandbox, and not in the model's name.

    It is a process of the thread from its start: no model waits for it, and it may outlive the turn that it began in.
    """


class WriteStdin(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="stdin",
    tag_field="kind",
    omit_defaults=True,
):
    """Write to a session, or write nothing, and collect its output since the last time."""

    session: str
    chars: str
    yield_ms: int
    output_tokens: int
    of: SessionCall | None = None  # the call that began it; None: not known


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
    detail: Literal["high", "original"] = "high"


def change_kind(before: object, after: object) -> Literal["add", "delete", "update"]:
    """What happens to a file, given what it is before and after; None stands for no file."""
    if after is None:
        return "delete"
    return "add" if before is None else "update"


class PatchedFile(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A file that a patch changes."""

    path: str  # absolute
    before: str | None  # sha256 of its content in hex; None: there is no such file
    after: str | None
    diff: str  # as a person is shown it: a unified diff; of a new or deleted file, its text
    moved_from: str | None = None  # its path before

    @property
    def kind(self) -> Literal["add", "delete", "update"]:
        """What happens to it."""
        return change_kind(self.before, self.after)


class ApplyPatch(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="patch",
    tag_field="kind",
    omit_defaults=True,
):
    """Change files by a patch: all of them, or none."""

    patch: str  # as the model wrote it
    cwd: str  # absolute; relative paths of the patch start here
    files: tuple[PatchedFile, ...]
    folders: tuple[str, ...] = ()  # that the patch makes
    # Where its files are, if symbolic links lead elsewhere.
    elsewhere: tuple[str, ...] = ()


class UpdatePlan(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="plan",
    tag_field="kind",
    omit_defaults=True,
):
    """Show people another plan."""

    plan: tuple[PlanStep, ...]
    explanation: str | None = None


# As Codex names them.
NetworkProtocol = Literal["http", "https", "socks5Tcp"]


class ReachHost(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="network",
    tag_field="kind",
    omit_defaults=True,
):
    """A command that runs connects to a machine that no list of domains names."""

    host: str  # a name or an address, in its one form
    port: int
    protocol: NetworkProtocol


class McpHints(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a server says of a tool; None: nothing. A hint is a claim of the server, and no proof."""

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class McpToolCall(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="mcp",
    tag_field="kind",
    omit_defaults=True,
):
    """Call a tool of an MCP server."""

    server: str  # its name in config.toml
    tool: str  # as the server names it
    arguments: str  # a JSON object
    hints: McpHints = McpHints()
    # When a person is asked, by config.toml at the time of the call.
    mode: Literal["auto", "prompt", "writes", "approve"] = "auto"
    title: str | None = None  # the tool's, for people
    # It may be made while another call of the server is under way: the tool only reads, or config.toml says so.
    parallel: bool = False


class DynamicToolCall(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="dynamic",
    tag_field="kind",
    omit_defaults=True,
):
    """Have a client perform a tool that it has declared."""

    tool: str  # as the client names it
    arguments: str  # JSON
    namespace: str | None = None


class Permissions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What commands may do beyond the sandbox."""

    network: bool = False
    write: tuple[str, ...] = ()  # folders, absolute


class AskPermissions(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="permissions",
    tag_field="kind",
    omit_defaults=True,
):
    """Ask a person to let commands do more."""

    permissions: Permissions
    cwd: str  # absolute
    justification: str | None = None


class Choice(msgspec.Struct, frozen=True):
    """An answer that is proposed to a person."""

    label: str
    description: str = ""


class PersonQuestion(msgspec.Struct, frozen=True, omit_defaults=True):
    """A question of the model to a person."""

    id: str  # by which its answer is given
    header: str
    question: str
    options: tuple[Choice, ...] = ()


class AskPerson(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="questions",
    tag_field="kind",
    omit_defaults=True,
):
    """Ask a person questions, and wait for the answers."""

    questions: tuple[PersonQuestion, ...]


class GoalAction(
    ToolAction,
    msgspec.Struct,
    frozen=True,
    rename="camel",
    tag="goal",
    tag_field="kind",
    omit_defaults=True,
):
    """Look at the goal of the thread; set another, if `objective` is given; or change its status."""

    objective: str | None = None
    budget: int | None = None  # tokens, of a new goal
    status: Literal["complete", "blocked", "paused"] | None = None

    @staticmethod
    def shown(goal: Goal) -> str:
        """A goal for the model."""
        members = {
            "objective": goal.objective,
            "status": goal.status,
            "tokenBudget": goal.token_budget,
            "tokensUsed": goal.tokens_used,
            "timeUsedSeconds": goal.ms_used // 1000,
        }
        return msgspec.json.encode({"goal": members, "remainingTokens": goal.tokens_left}).decode()


# The answers of a person, by the questions' ids: what was chosen, and what was typed.
Answers = dict[str, tuple[str, ...]]


class BadCall(ToolAction, msgspec.Struct, frozen=True, rename="camel", tag="bad", tag_field="kind"):
    """A call that cannot be made: an unknown tool, or arguments that cannot be read."""

    reason: str  # the answer for the model


class UnreadAction(
    ToolAction, msgspec.Struct, frozen=True, rename="camel", tag="unread", tag_field="kind"
):
    """An action of an unknown kind, which another version has recorded."""

    json: str  # the whole action


A = TypeVar("A", bound=ToolAction)


def without_words(action: A) -> A:
    """The action without the model's justification."""
    if action.justification is None:
        return action
    return replace(action, justification=None)  # type: ignore[type-var]  # every action is a struct


HostDecision = Literal["allow", "deny"]
Decision = Literal["accept", "acceptForSession", "decline", "cancel"]

# "Text only", for a member that holds JSON.
NO_PARTS = msgspec.Raw(b"")


ToolStatus = Literal["completed", "failed", "declined", "aborted"]


class ToolResult(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The result of a tool call."""

    status: ToolStatus
    model_text: str  # exactly the text that the model receives
    output: str = ""  # for screens: the whole output, or its first and last part
    exit_code: int | None = None
    duration_ms: int | None = None  # None: it was stopped or never ran
    output_bytes: int = 0  # the size of the whole output
    blob: str | None = None  # sha256 of the whole output if it is too large for the record
    # The parts of an answer that is not only text, as the model receives them: for example images.
    model_parts: msgspec.Raw = NO_PARTS
    # Of a session: how much of its output, in bytes from its beginning, answers to the model have. At the end of a
    # process None: the model was told its end.
    collected_bytes: int | None = None
    # The words by which its sandbox seems to have stopped it; None: it does not seem so.
    denied: str | None = None
