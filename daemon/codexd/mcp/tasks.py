"""Calls that a server goes on with by itself, and answers later: the extension Tasks of MCP 2026-07-28 (SEP-2663).

A server answers a call with the handle of a task, and is asked for the result until it has one. The handle is recorded
first, so the next daemon asks on. The SDK has the way in for extensions, and not this one.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import trio

if TYPE_CHECKING:
    from mcp.client.extension import ClaimContext, ClientExtension
    from mcp.types import CallToolResult

    from mcp import ClientSession

IDENTIFIER: Final = "io.modelcontextprotocol/tasks"
# Between two looks, where the server does not say how long; and what it may say.
LOOK_MS_DEFAULT: Final = 1_000
LOOK_MS_MIN: Final = 50
LOOK_MS_MAX: Final = 60_000
# It is recorded, and sent with every look: an id has some dozens.
TASK_ID_CHARACTERS_MAX: Final = 1024
CANCEL_SECONDS_MAX: Final = 2.0


class TaskEnded(Exception):
    """A task has no result; the message says why."""


class NewTask(NamedTuple):
    """A task that a server has just made."""

    task_id: str
    look_ms: int  # when to look at it first


class Waiting(Protocol):
    """The call that waits for a task."""

    def progress(self, message: str) -> None:
        """The server says how far it is."""

    async def keep_task(self, task_id: str) -> None:
        """Record the id of its task; returns once it is on disk."""


def tasks_extension(
    created: Callable[[NewTask, ClientSession], Awaitable[CallToolResult]],
) -> ClientExtension:
    """The extension for a client; `created` makes the result of a call of the task that it was answered with."""
    from mcp.client.extension import ClientExtension, ResultClaim

    made = _models()

    async def resolve(task: Any, context: ClaimContext) -> CallToolResult:
        if not 0 < len(task.task_id) <= TASK_ID_CHARACTERS_MAX:
            raise TaskEnded(f"its id has {len(task.task_id)} characters")
        look_ms = LOOK_MS_DEFAULT if task.poll_interval_ms is None else task.poll_interval_ms
        return await created(NewTask(task.task_id, look_ms), context.session)

    class Tasks(ClientExtension):
        identifier = IDENTIFIER

        def claims(self) -> tuple[ResultClaim[Any], ...]:
            return (ResultClaim(result_type="task", model=made.created, resolve=resolve),)

    return Tasks()


async def task_result(
    session: ClientSession,
    task: NewTask | str,
    waiting: Waiting,
    seconds: float,
    is_awaited: Callable[[], bool],
) -> CallToolResult:
    """The result of a task, as soon as it has one: of a new task, which is recorded first, or of a recorded one.

    Each look may take so many seconds. Cancelling ends the task as well, unless the next daemon awaits its result.

    Raises: TaskEnded, and what the SDK raises.
    """
    task_id, look_ms = (task, None) if isinstance(task, str) else task
    try:
        if look_ms is not None:
            await waiting.keep_task(task_id)
        return await _result(session, task_id, look_ms, waiting, seconds)
    except trio.Cancelled:
        if not is_awaited():
            with trio.move_on_after(CANCEL_SECONDS_MAX, shield=True):
                await _ask(session, "tasks/cancel", seconds, taskId=task_id)
        raise


async def _result(
    session: ClientSession, task_id: str, look_ms: int | None, waiting: Waiting, seconds: float
) -> CallToolResult:
    from mcp.types import CallToolResult

    answered = frozenset[str]()
    while True:
        if look_ms is not None:
            await trio.sleep(min(max(look_ms, LOOK_MS_MIN), LOOK_MS_MAX) / 1000)
        task = await _ask(session, "tasks/get", seconds, taskId=task_id)
        match task.status:
            case "completed":
                return CallToolResult.model_validate(task.result or {})
            case "failed":
                raise TaskEnded(str((task.error or {}).get("message", "it failed")))
            case "cancelled":
                raise TaskEnded(task.status_message or "the server has cancelled it")
            case "input_required":
                answered = await _answer(session, task_id, task.input_requests, answered, seconds)
            case _ if task.status_message:
                waiting.progress(task.status_message)
        look_ms = LOOK_MS_DEFAULT if task.poll_interval_ms is None else task.poll_interval_ms


async def _answer(
    session: ClientSession,
    task_id: str,
    requests: dict[str, Any] | None,
    answered: frozenset[str],
    seconds: float,
) -> frozenset[str]:
    """Answer what a task asks and was not answered yet; the keys of all that is answered now."""
    from mcp.client.session import ClientRequestContext
    from mcp.types import ElicitRequest, ErrorData

    responses: dict[str, Any] = {}
    for key, raw in (requests or {}).items():
        if key in answered:
            continue  # The server has not taken it in yet.
        if raw.get("method") != "elicitation/create":
            raise TaskEnded(f"it asked for what codexd does not give: {raw.get('method')}")
        request = ElicitRequest.model_validate(raw)
        given = await session.dispatch_input_request(
            ClientRequestContext(session=session, request_id=key), request
        )
        if isinstance(given, ErrorData):
            raise TaskEnded(f"its question was not asked: {given.message}")
        responses[key] = given.model_dump(by_alias=True, mode="json", exclude_none=True)
    if responses:
        await _ask(session, "tasks/update", seconds, taskId=task_id, inputResponses=responses)
    return answered | responses.keys()


async def _ask(session: ClientSession, method: str, seconds: float, **params: Any) -> Any:
    made = _models()
    request = made.request(method=method, params=made.params.model_validate(params))
    return await session.send_request(request, made.task, request_read_timeout_seconds=seconds)


class _Models:
    """The messages of the extension, as models of the SDK."""

    created: Any
    params: Any
    request: Any
    task: Any


@functools.cache
def _models() -> type[_Models]:
    """Made when the SDK is imported, which is late."""
    from mcp.types import Request, RequestParams, Result

    # The names on the wire are camelCase; the SDK's base makes them.
    class Created(Result):
        result_type: Literal["task"]
        task_id: str
        poll_interval_ms: int | None = None

    class Task(Result):
        # Of the answers to tasks/cancel and tasks/update nothing is read.
        status: str = ""
        status_message: str | None = None
        poll_interval_ms: int | None = None
        result: dict[str, Any] | None = None
        error: dict[str, Any] | None = None
        input_requests: dict[str, dict[str, Any]] | None = None

    class Params(RequestParams):
        task_id: str
        input_responses: dict[str, Any] | None = None

    class TaskRequest(Request[Params, str]):
        name_param = "taskId"
        method: str
        params: Params

    class Models(_Models):
        created, params, request, task = Created, Params, TaskRequest, Task

    return Models
