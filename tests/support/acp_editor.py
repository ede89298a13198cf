"""An editor for tests of agents: a client of the Agent Client Protocol by the protocol's own library, which checks
every message of the agent by its schema.

    async with editor(command, env=env, cwd=folder) as at:
        session = await at.open(folder)
        await at.prompt(session, "say 3")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from acp import PROTOCOL_VERSION, text_block
from acp.client.connection import ClientSideConnection
from acp.connection import StreamDirection, StreamEvent
from acp.exceptions import RequestError
from acp.schema import (
    AcceptElicitationResponse,
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    ElicitationCapabilities,
    ElicitationFormCapabilities,
    InitializeResponse,
    PromptResponse,
    RequestPermissionResponse,
)
from acp.stdio import spawn_agent_process

from daemon_house import PATIENCE_SECONDS

Json = dict[str, Any]
# Of one line: an image in base64.
LINE_BYTES_MAX = 32 << 20


class Editor:
    """What an editor has seen, and how its person answers."""

    def __init__(self) -> None:
        self.updates: list[tuple[str, Json]] = []
        self.asked: list[Json] = []  # permissions
        self.questions: list[Json] = []  # with fields
        # The option that the person picks, by its id; None: the question is cancelled.
        self.picks: Callable[[Json], str | None] = lambda _asked: "allow_once"
        self.fills: Json = {}
        self.sent: list[tuple[int, str]] = []  # requests and notifications, by their ids
        self.withdrawn: list[
            int
        ] = []  # questions that were taken back, which the library knows nothing of
        self.agent: ClientSideConnection
        self.greeting: InitializeResponse
        self._news = asyncio.Event()

    def on_connect(self, _agent: Any) -> None:
        pass

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        seen = update.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.updates.append((session_id, seen))
        self._tell()

    async def request_permission(
        self, session_id: str, tool_call: Any, options: Sequence[Any], **_: Any
    ) -> RequestPermissionResponse:
        asked = {
            "sessionId": session_id,
            "toolCall": tool_call.model_dump(mode="json", by_alias=True, exclude_none=True),
            "options": {option.option_id: option.kind for option in options},
            "names": [option.name for option in options],
        }
        self.asked.append(asked)
        self._tell()
        picked = self.picks(asked)
        if picked == "never":  # Nobody is there.
            await asyncio.Event().wait()
        if picked is None:
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        return RequestPermissionResponse(
            outcome=AllowedOutcome(outcome="selected", option_id=picked)
        )

    async def create_elicitation(self, message: str, mode: Any, **_: Any) -> Any:
        self.questions.append({"message": message, **mode.model_dump(mode="json", by_alias=True)})
        return AcceptElicitationResponse(action="accept", content=self.fills)

    async def ext_method(self, method: str, params: Json) -> Json:
        raise RequestError.method_not_found(method)

    async def ext_notification(self, method: str, params: Json) -> None:
        pass

    def heard(self, event: StreamEvent) -> None:
        """Every message, as it comes."""
        if event.direction is StreamDirection.OUTGOING and "method" in event.message:
            self.sent.append((event.message.get("id", -1), event.message["method"]))
            self._tell()
        elif event.message.get("method") == "$/cancel_request":
            self.withdrawn.append(event.message["params"]["requestId"])
            self._tell()

    async def open(self, folder: Path, **more: Any) -> str:
        """A new session."""
        opened = await self.agent.new_session(cwd=str(folder), mcp_servers=[], **more)
        return opened.session_id

    async def prompt(self, session: str, *parts: Any) -> PromptResponse:
        """Send a prompt, of texts and blocks, and wait for its end."""
        blocks = [text_block(part) if isinstance(part, str) else part for part in parts]
        return await self.agent.prompt(session_id=session, prompt=blocks)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; it is checked after each message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def of(self, session: str, *kinds: str) -> list[Json]:
        """The updates of a session, of some kinds or all."""
        return [
            seen
            for where, seen in self.updates
            if where == session and (not kinds or seen["sessionUpdate"] in kinds)
        ]

    def text(self, session: str, kind: str = "agent_message_chunk") -> str:
        """What was said in a session."""
        return "".join(seen["content"].get("text", "") for seen in self.of(session, kind))

    def call(self, session: str, tool_call_id: str) -> Json:
        """A tool call with all of its updates."""
        merged: Json = {}
        for seen in self.of(session, "tool_call", "tool_call_update"):
            if seen["toolCallId"] == tool_call_id:
                merged |= seen
        return merged

    def calls(self, session: str) -> list[Json]:
        """All tool calls of a session, as they are now."""
        begun = [seen["toolCallId"] for seen in self.of(session, "tool_call")]
        return [self.call(session, tool_call_id) for tool_call_id in begun]

    def forget(self) -> None:
        """Begin another look."""
        self.updates.clear()
        self.asked.clear()

    def _tell(self) -> None:
        self._news.set()


@contextlib.asynccontextmanager
async def editor(
    *command: str,
    env: Mapping[str, str],
    cwd: Path,
    terminals: bool = False,
) -> AsyncIterator[Editor]:
    """Start an agent, and begin a connection."""
    capabilities = ClientCapabilities(
        elicitation=ElicitationCapabilities(form=ElicitationFormCapabilities()),
        field_meta={"terminal_output": True} if terminals else None,
    )
    at = Editor()
    async with spawn_agent_process(
        at,  # type: ignore[arg-type]
        *command,
        env=env,
        cwd=cwd,
        transport_kwargs={"limit": LINE_BYTES_MAX, "stderr": None},
        use_unstable_protocol=True,
        observers=[at.heard],
    ) as (agent, _process):
        at.agent = agent
        async with asyncio.timeout(PATIENCE_SECONDS):
            at.greeting = await agent.initialize(
                protocol_version=PROTOCOL_VERSION, client_capabilities=capabilities
            )
        yield at
