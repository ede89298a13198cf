"""Methods by the names that Codex gave them before `thread/*` and `turn/*`: each is a request of today.

Law: nothing is decided here. A path that a client names counts only if it is the log of the thread that it names.
"""

from __future__ import annotations

import datetime
import os
from functools import partial
from typing import TypeVar

import msgspec

from codexd.core.values.ids import ThreadId
from codexd.core.values.items import (
    AgentMessage,
    ImageInput,
    LocalImageInput,
    Reasoning,
    TextInput,
    ThreadItem,
    UserInput,
    UserMessage,
)
from codexd.core.values.settings import SandboxAccess
from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol import older_names as m
from codexd.protocol import threads as t
from codexd.protocol import turns as u
from codexd.protocol.methods import NoParams
from codexd.protocol.policies import SandboxPolicy, sandbox_policy
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.methods.daemon import readable_config
from codexd.server.methods.listing import thread_list
from codexd.server.methods.lookup import checked_cwd, load_thread, open_thread, thread_id_of
from codexd.server.methods.reading import thread_read
from codexd.server.methods.threads import (
    thread_archive,
    thread_resume,
    thread_start,
    thread_unsubscribe,
)
from codexd.server.methods.turns import turn_interrupt, turn_start, turn_steer
from codexd.server.services import Services
from codexd.tools.remote_diff import NoDiff, diff_to_remote

# As in Codex then.
PAGE_SIZE = 25
# The name of a log ends with the id of its thread.
_ID_CHARACTERS = 36


async def new_conversation(
    services: Services, connection: Connection, params: m.NewConversationParams
) -> MethodResult:
    """Start a thread and follow it."""
    asked = t.ThreadStartParams(**msgspec.structs.asdict(params))
    answered = await thread_start(services, connection, asked)
    started = _as(t.ThreadStartResponse, answered.result)
    response = m.NewConversationResponse(
        conversation_id=started.thread.id,
        model=started.model,
        reasoning_effort=started.reasoning_effort,
        rollout_path=started.thread.path or "",
    )
    return MethodResult(response, answered.then)


async def resume_conversation(
    services: Services, connection: Connection, params: m.ResumeConversationParams
) -> MethodResult:
    """Load a thread and follow it."""
    thread_id = await _named(services, params.conversation_id, params.path, "path")
    overrides = msgspec.structs.asdict(params.overrides or m.NewConversationParams())
    asked = t.ThreadResumeParams(thread_id=thread_id, **overrides)
    answered = await thread_resume(services, connection, asked)
    resumed = _as(t.ThreadResumeResponse, answered.result)
    turns = [_as(u.Turn, turn) for turn in resumed.thread.turns]
    items = [_as_item(item) for turn in turns for item in turn.items]
    said = tuple(message for item in items if (message := _message(item)) is not None)
    response = m.ResumeConversationResponse(
        resumed.thread.id, resumed.model, said, resumed.thread.path or ""
    )
    return MethodResult(response, answered.then)


async def list_conversations(
    services: Services, connection: Connection, params: m.ListConversationsParams
) -> m.ListConversationsResponse:
    """A page of threads, the newest first."""
    asked = t.ThreadListParams(
        cursor=params.cursor,
        limit=params.page_size or PAGE_SIZE,
        model_providers=params.model_providers,
    )
    page = await thread_list(services, connection, asked)
    threads = [_as(t.Thread, thread) for thread in page.data]
    return m.ListConversationsResponse(tuple(map(_summary, threads)), page.next_cursor)


async def get_conversation_summary(
    services: Services, connection: Connection, params: m.GetConversationSummaryParams
) -> m.GetConversationSummaryResponse:
    """What a list has of one thread."""
    path = params.rollout_path
    thread_id = await _named(services, params.conversation_id, path, "rolloutPath")
    found = await thread_read(services, connection, t.ThreadReadParams(thread_id))
    return m.GetConversationSummaryResponse(_summary(found.thread))


async def archive_conversation(
    services: Services, connection: Connection, params: m.ArchiveConversationParams
) -> m.Done:
    """Archive a thread; id and path must be of the same thread."""
    thread_id = thread_id_of(params.thread_id)
    named = await _named(services, None, params.rollout_path, "rolloutPath")
    if named != thread_id:
        raise state_error(
            f"rollout path `{params.rollout_path}` does not match conversation id {thread_id}; "
            "nothing was archived",
            "path_of_another_thread",
        )
    await thread_archive(services, connection, t.ThreadArchiveParams(thread_id))
    return m.Done()


async def send_user_message(
    services: Services, connection: Connection, params: m.SendUserMessageParams
) -> m.Done:
    """Send a message: to the turn that runs, or in a turn of its own."""
    said, thread = _input(params.items), await open_thread(services, params.thread_id)
    turn = thread.state.turn
    if turn is not None and turn.kind not in ("compact", "review"):
        steer = u.TurnSteerParams(
            thread_id=params.thread_id, expected_turn_id=turn.turn_id, input=said
        )
        await turn_steer(services, connection, steer)
    else:
        start = u.TurnStartParams(thread_id=params.thread_id, input=said)
        await turn_start(services, connection, start)
    return m.Done()


async def send_user_turn(
    services: Services, connection: Connection, params: m.SendUserTurnParams
) -> m.Done:
    """Send a message in a turn of its own, with settings that stay."""
    start = u.TurnStartParams(
        thread_id=params.thread_id,
        input=_input(params.items),
        cwd=params.cwd,
        approval_policy=params.approval_policy,
        sandbox_policy=_sandbox(params.sandbox_policy),
        model=params.model,
        effort=params.effort,
        summary=params.summary,
    )
    await turn_start(services, connection, start)
    return m.Done()


async def interrupt_conversation(
    services: Services, connection: Connection, params: m.InterruptConversationParams
) -> m.InterruptConversationResponse:
    """Interrupt the turn that runs."""
    interrupt = u.TurnInterruptParams(params.thread_id, "")
    await turn_interrupt(services, connection, interrupt)
    return m.InterruptConversationResponse()


async def add_conversation_listener(
    services: Services, connection: Connection, params: m.AddConversationListenerParams
) -> MethodResult:
    """Follow a thread; the subscription has the thread's id."""
    asked = t.ThreadResumeParams(thread_id=params.thread_id, exclude_turns=True)
    answered = await thread_resume(services, connection, asked)
    thread_id = thread_id_of(params.thread_id)
    return MethodResult(m.AddConversationListenerResponse(thread_id), answered.then)


async def remove_conversation_listener(
    services: Services, connection: Connection, params: m.RemoveConversationListenerParams
) -> m.Done:
    """Follow a thread no more."""
    thread_id = thread_id_of(params.subscription_id)
    found = await thread_unsubscribe(services, connection, t.ThreadUnsubscribeParams(thread_id))
    if found.status != "unsubscribed":
        message = f"subscription not found: {thread_id}; nothing was changed"
        raise state_error(message, "subscription_not_found")
    return m.Done()


async def git_diff_to_remote(
    services: Services, connection: Connection, params: m.GitDiffToRemoteParams
) -> m.GitDiffToRemoteResponse:
    """The difference of a working tree to what its remotes have."""
    cwd = await checked_cwd(services, params.cwd)
    try:
        found = await diff_to_remote(cwd)
    except NoDiff as reason:
        message = f"failed to compute git diff to remote for cwd {cwd}: {reason}"
        raise state_error(message, "no_diff") from reason
    return m.GitDiffToRemoteResponse(found.sha, found.diff)


async def get_user_saved_config(
    services: Services, connection: Connection, params: NoParams
) -> m.GetUserSavedConfigResponse:
    """The settings that are set."""
    read = readable_config(services)
    config, table = read.config, read.config.sandbox_workspace_write
    is_set = {key.partition(".")[0] for key in read.keys}
    names = [name for name in m.UserSavedConfig.__struct_fields__ if name in is_set]
    kept = {name: getattr(config, name, None) for name in names if name != "tools"}
    if "sandbox_workspace_write" in is_set:
        kept["sandbox_settings"] = m.OlderSandboxSettings(**msgspec.structs.asdict(table))
    if isinstance(config.tools.web_search, bool):
        kept["tools"] = m.OlderTools(config.tools.web_search)
    return m.GetUserSavedConfigResponse(m.UserSavedConfig(**kept))


Struct = TypeVar("Struct", bound=msgspec.Struct)


def _as(kind: type[Struct], result: object) -> Struct:
    """A result as it was made, whether or not it is encoded already."""
    if isinstance(result, msgspec.Raw):
        return msgspec.json.decode(result, type=kind)
    assert isinstance(result, kind)
    return result


def _as_item(item: ThreadItem | msgspec.Raw) -> ThreadItem:
    if not isinstance(item, msgspec.Raw):
        return item
    read: ThreadItem = msgspec.json.decode(item, type=ThreadItem)
    return read


async def _named(services: Services, text: str | None, path: str | None, member: str) -> ThreadId:
    """The thread of an id, or the one whose log is at a path. Raises: RpcError."""
    if text is not None:
        return thread_id_of(text)
    if path is None:
        raise invalid_params(f"expected conversationId or {member}, found neither")
    folder = str(services.paths.data_dir)
    try:
        real, home = await patiently(path, partial(_real, path, folder))
        name, ending = os.path.splitext(os.path.basename(real))
        problem = state_error(
            f"rollout path `{path}` must be the log of a thread in {folder}; nothing was done",
            "not_a_log",
        )
        if not real.startswith(f"{home}/") or ending != ".jsonl":
            raise problem
        thread = await load_thread(services, name[-_ID_CHARACTERS:])
        own, _ = await patiently(path, partial(_real, thread.path or "", folder))
    except NoAnswer as error:
        raise invalid_params(f"{member}: {path}: {error.strerror}; nothing was done") from error
    if own != real:
        raise problem
    return thread.thread_id


def _real(path: str, folder: str) -> tuple[str, str]:
    return os.path.realpath(path), os.path.realpath(folder)


def _input(items: tuple[msgspec.Raw, ...]) -> tuple[UserInput, ...]:
    """The parts of a message, as they were sent then or as they are sent today. Raises: RpcError."""
    return tuple(_part(bytes(item), at) for at, item in enumerate(items))


def _part(item: bytes, at: int) -> UserInput:
    try:
        older = msgspec.json.decode(item, type=m.OlderInput)
    except msgspec.ValidationError:
        try:
            part: UserInput = msgspec.json.decode(item, type=UserInput)
            return part
        except msgspec.ValidationError as error:
            raise invalid_params(f"items[{at}]: {error}; nothing was sent") from error
    member = {
        "text": ("text",),
        "image": ("image_url", "imageUrl"),
        "localImage": ("path",),
    }[older.type]
    value = next((older.data[name] for name in member if name in older.data), None)
    if value is None:
        raise invalid_params(f"items[{at}].data: expected `{member[0]}`; nothing was sent")
    if older.type == "text":
        return TextInput(value)
    return ImageInput(value) if older.type == "image" else LocalImageInput(value)


def _sandbox(policy: msgspec.Raw) -> SandboxPolicy | None:
    """A sandbox policy, as it was sent then or as it is sent today. Raises: RpcError."""
    if bytes(policy) in (b"", b"null"):
        return None
    try:
        older = msgspec.json.decode(policy, type=m.OlderSandbox)
    except msgspec.ValidationError:
        older = m.OlderSandbox()
    mode = older.mode or older.type
    if mode is not None:
        names = SandboxAccess.__struct_fields__
        access = SandboxAccess(**{name: getattr(older, name) for name in names})
        return sandbox_policy(mode, access)
    try:
        read: SandboxPolicy = msgspec.json.decode(policy, type=SandboxPolicy)
    except msgspec.ValidationError as error:
        raise invalid_params(f"sandboxPolicy: {error}; nothing was sent") from error
    return read


def _summary(thread: t.Thread) -> m.ConversationSummary:
    git = thread.git_info
    return m.ConversationSummary(
        thread.id,
        thread.path or "",
        thread.preview,
        _time(thread.created_at),
        _time(thread.updated_at),
        thread.model_provider,
        thread.cwd,
        thread.cli_version,
        thread.source if isinstance(thread.source, str) else "unknown",
        None if git is None else m.ConversationGitInfo(git.sha, git.branch, git.origin_url),
    )


def _time(seconds: int) -> str:
    at = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _message(item: ThreadItem) -> m.InitialMessage | None:
    match item:
        case UserMessage(content=content):
            text = "\n".join(part.text for part in content if isinstance(part, TextInput))
            return m.InitialMessage("user_message", text, kind="plain")
        case AgentMessage(text=text):
            return m.InitialMessage("agent_message", text)
        case Reasoning(summary=summary) if summary:
            return m.InitialMessage("agent_reasoning", text="\n".join(summary))
        case _:
            return None
