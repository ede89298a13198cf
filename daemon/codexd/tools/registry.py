"""The port to tools: how they are declared to the model, and how calls are read and performed.

Reading a call and performing it are two steps with the log between them: `read_call` turns arguments
into an action, on which the core decides whether to ask a person; only when `tool.started` is in the log
does `perform` act on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Final, Literal, Protocol, TypeVar, runtime_checkable

import msgspec
from msgspec.structs import replace

from codexd.core.policy.action_kinds import kind_of
from codexd.core.state.state import ThreadState
from codexd.core.values.dynamic_names import find_function, offered
from codexd.core.values.dynamic_tools import DynamicFunction, DynamicTool
from codexd.core.values.enforced import Sandbox
from codexd.core.values.foreign_json import decode_foreign, whole_characters
from codexd.core.values.ids import ProcessId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import (
    BadCall,
    DynamicToolCall,
    ReachHost,
    ToolAction,
    ToolResult,
)
from codexd.exec.ports import process_id_of
from codexd.tools.output import KeptOutput

# Arguments of one call of a client's tool: a file's text fits. They are in the log and in a message to the client.
DYNAMIC_ARGUMENTS_CHARACTERS_MAX: Final = 1024 * 1024

A = TypeVar("A", bound=ToolAction)
S = TypeVar("S", bound=msgspec.Struct)


# Asks whether a process of the call may reach a host: None if so, else why not, as the rest of a sentence.
AskHost = Callable[[ReachHost], Awaitable[str | None]]


async def nobody_to_ask(_: ReachHost) -> str | None:
    """Where no thread is there to ask in."""
    return "nobody can be asked about it"


async def no_log(_: str) -> None:
    """Where no thread is there to record a task in."""


class EndedSession(msgspec.Struct, frozen=True):
    """A session that has ended, and what no answer to the model has told of it."""

    exit_code: int | None  # None: how it ended is not known
    because: str | None  # if somebody ended it
    output: KeptOutput


class SessionLog(Protocol):
    """What the log of a thread says of its sessions, for one of its calls."""

    def runs(self, session: str) -> bool:
        """Whether it goes on after the answer of its call."""

    def collected(self, session: str) -> int | None:
        """How much of its output, in bytes, answers have; None while another call is about to collect some."""

    def turn_of(self, session: str) -> TurnId | None:
        """The turn of the call that began it; None if it does not run."""

    async def ended(self, session: str) -> EndedSession | None:
        """A session that has ended, unless an answer has told so; None if there is none."""


class _NoSessions:
    def runs(self, session: str) -> bool:
        return False

    def collected(self, session: str) -> int | None:
        return None

    def turn_of(self, session: str) -> TurnId | None:
        return None

    async def ended(self, session: str) -> EndedSession | None:
        return None


NO_SESSIONS: Final[SessionLog] = _NoSessions()


class CallContext(msgspec.Struct, frozen=True):
    """The thread that calls a tool, as the tool sees it."""

    cwd: str  # absolute
    thread_id: str
    call_id: str
    guarded: bool = False  # it runs unasked, because it only reads, and must start nothing else
    sandbox: Sandbox = Sandbox("danger-full-access", "/")
    # The daemon died while it ran: it is performed once more, or its running process is adopted.
    again: Literal["repeat", "adopt"] | None = None
    process: ProcessId | None = None  # the call has its answer: this is to be adopted
    turn_id: str = ""  # of the turn that the call belongs to; empty for a process that outlived it
    ask_host: AskHost = nobody_to_ask
    # Whether its end is still awaited: a call that was interrupted is cancelled, and so is one whose daemon stops.
    is_awaited: Callable[[], bool] = lambda: True
    sessions: SessionLog = NO_SESSIONS
    attempt: int = (
        1  # 2: it failed in its sandbox, and a person allowed it to run once more, without
    )
    features_off: tuple[str, ...] = ()  # the features whose tools its thread does not have
    task: str | None = None  # the server of the call goes on with it as this task
    # Records the id of the task by which a server goes on with the call; returns once it is on disk.
    keep_task: Callable[[str], Awaitable[None]] = no_log

    @property
    def process_id(self) -> str:
        """The id of the process of the call."""
        return process_id_of(self.thread_id, self.call_id, self.attempt)


class OutputSink(Protocol):
    """Where a running tool leaves its output. Neither call waits or fails for a slow screen."""

    def started(self, pid: int, start_time: str) -> None:
        """A process runs. `start_time` distinguishes it from a later process with the same pid."""

    def output(self, chunk: bytes) -> None:
        """More output, raw, as it came."""


class CallSink(OutputSink, Protocol):
    """Receives a call's output and its answer."""

    async def answer(self, process: ProcessId, result: ToolResult) -> None:
        """Give the call its answer, while its process continues under this id.

        Returns once that is in the log. From here on the output is the process's, and what `perform` returns is
        its end; turns come and go beside it. Where the call was interrupted it has an answer already.
        """

    def afterwards(self, then: Callable[[], Awaitable[None]]) -> None:
        """Do this once what `perform` returns is in the log."""


class Tool(Protocol[A]):
    """One tool: a file beside this one."""

    @property
    def name(self) -> str:
        """The name by which the model calls it."""

    def offered(self, traits: Traits, thread: ThreadState) -> bytes | None:
        """Its declaration to this model in this thread, as an encoded member of a Responses request's `tools`;
        None where it is not offered.
        """

    def read_call(self, arguments: str, context: CallContext) -> A | BadCall:
        """Read a call. Never raises: arguments that cannot be read are a `BadCall`."""

    async def perform(self, action: A, context: CallContext, sink: CallSink) -> ToolResult:
        """Perform it to its end, and to that of a process which it leaves running. Cancelling leaves the processes that
        the sink knows to whoever cancels.

        Failures of the tool are results, not exceptions: the model gets the result and continues.
        """


@runtime_checkable
class PreparingTool(Protocol):
    """A tool whose actions depend on what is on the machine, for example on files."""

    async def prepare(self, action: ToolAction, earlier: Sequence[ToolAction]) -> ToolAction:
        """Look that up, before a person is asked, as it will be after the earlier open calls of the turn.

        What cannot be made is a `BadCall`. Never raises.
        """


# What the tools have as a feature that need a thread with an execution environment.
ENVIRONMENT: Final = "environment"


@runtime_checkable
class FeatureTool(Protocol):
    """A tool that belongs to features: a thread in which one of them is off does not have it. The names are Codex's."""

    features: frozenset[str]


@runtime_checkable
class SwitchedTool(Protocol):
    """A tool that config.toml switches: where it is off, no thread has it."""

    @property
    def is_on(self) -> bool: ...


class Registry:
    """The tools of a daemon, by name. They may come and go while it runs."""

    def __init__(self, *tools: Tool[Any]) -> None:
        self._tools: dict[str, Tool[Any]] = {}
        self._preparing: dict[str, PreparingTool] = {}
        self._features: dict[str, frozenset[str]] = {}
        self._switches: dict[str, SwitchedTool] = {}
        for tool in tools:
            self.add(tool)

    def add(self, tool: Tool[Any]) -> None:
        """Offer it to models from now on. Raises: ValueError where another tool has its name."""
        if tool.name in self._tools:
            raise ValueError(
                f"expected a tool with a new name, found another {tool.name}: not added"
            )
        self._tools[tool.name] = tool
        self._features[tool.name] = tool.features if isinstance(tool, FeatureTool) else frozenset()
        if isinstance(tool, SwitchedTool):
            self._switches[tool.name] = tool
        if isinstance(tool, PreparingTool):
            self._preparing[tool.name] = tool

    def remove(self, name: str) -> None:
        """Remove a tool. A call that it performs continues to its end."""
        del self._tools[name], self._features[name]
        self._preparing.pop(name, None)
        self._switches.pop(name, None)

    def offered(self, traits: Traits, thread: ThreadState) -> tuple[bytes, ...]:
        """The declarations of the tools that are offered to a model."""
        settings = thread.settings if thread.turn is None else thread.turn.settings
        off = set[str]()
        if settings is not None:
            off = {*settings.features_off} | (set() if settings.has_environment else {ENVIRONMENT})
        if "unified_exec" in off:
            traits = replace(traits, sessions=False)
        declared = () if thread.reviews is not None else thread.dynamic_tools
        taken = {tool.name for tool in declared}  # Of two tools of one name, the client's is meant.
        tools = [tool for tool in self._without(off) if tool.name not in taken]
        declarations = [tool.offered(traits, thread) for tool in tools]
        own = [declaration for declaration in declarations if declaration is not None]
        return (*own, *offered(declared))

    def _without(self, off: Collection[str]) -> list[Tool[Any]]:
        """The tools that belong to none of these features."""
        return [tool for name, tool in self._tools.items() if self._has(name, off)]

    def _has(self, name: str, off: Collection[str]) -> bool:
        switch = self._switches.get(name)
        return self._features[name].isdisjoint(off) and (switch is None or switch.is_on)

    def read_call(
        self,
        name: str,
        arguments: str,
        context: CallContext,
        namespace: str | None = None,
        declared: tuple[DynamicTool, ...] = (),
    ) -> ToolAction:
        """Read a call by that name; a `BadCall` where there is no such tool.

        Args:
            declared: the tools that a client has declared for the thread.
        """
        if (found := find_function(declared, namespace, name)) is not None:
            return _dynamic_call(*found, arguments)
        tool, off = self._tools.get(name) if namespace is None else None, context.features_off
        if tool is None or not self._has(name, off):
            known = ", ".join(sorted(tool.name for tool in self._without(off)))
            return BadCall(reason=f"unsupported call: {name}. The tools here are: {known}.")
        whole = _as_object(whole_characters(arguments.encode(errors="replace")).decode())
        action: ToolAction = tool.read_call(whole, context)
        return action

    async def prepare(self, action: ToolAction, earlier: Sequence[ToolAction] = ()) -> ToolAction:
        """The action with what it depends on, as its tool finds it, after these open calls."""
        tool = self._preparing.get(kind_of(action).tool or "")
        return await tool.prepare(action, earlier) if tool is not None else action

    async def perform(
        self, name: str, action: ToolAction, context: CallContext, sink: CallSink
    ) -> ToolResult:
        """Perform the action with the tool of that name, or with the tool that its kind belongs to."""
        tool = self._tools.get(kind_of(action).tool or name)
        if tool is None:
            text = f"not run: the tool {name} is gone. Nothing was done."
            return ToolResult("failed", text, text)
        return await tool.perform(action, context, sink)


def read_arguments(arguments: str, shape: type[S], bad: Callable[[str], BadCall]) -> S | BadCall:
    """The arguments of a call as a struct; or what `bad` makes of the reason why they are none."""
    try:
        return msgspec.json.decode(arguments, type=shape)
    except msgspec.ValidationError as error:
        return bad(f"{error}")
    except (msgspec.DecodeError, UnicodeError) as error:
        return bad(f"they are not JSON ({error})")


def _dynamic_call(
    namespace: str | None, function: DynamicFunction, arguments: str
) -> DynamicToolCall | BadCall:
    """A call of a tool that a client has declared; the client checks its arguments against its schema."""
    text = _as_object(whole_characters(arguments.encode(errors="replace")).decode()).strip() or "{}"
    if len(text) > DYNAMIC_ARGUMENTS_CHARACTERS_MAX:
        return BadCall(
            f"{function.name} was not called: expected arguments of {DYNAMIC_ARGUMENTS_CHARACTERS_MAX} characters "
            f"at most, found {len(text)}."
        )
    try:
        decode_foreign(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return BadCall(
            f"{function.name} was not called: expected its arguments as JSON, found what is none ({error})."
        )
    return DynamicToolCall(function.name, text, namespace)


def _as_object(arguments: str) -> str:
    """Arguments without a second encoding: some servers send the JSON of an object as a JSON text."""
    if not arguments.startswith('"{'):
        return arguments
    try:
        return msgspec.json.decode(arguments, type=str)
    except msgspec.DecodeError:
        return arguments
