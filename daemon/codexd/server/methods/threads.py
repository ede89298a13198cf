"""Answers to `thread/*` that change a thread: start, resume, fork, settings, names, the archive."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from codexd.core import commands as c
from codexd.core.values.dynamic_tools import DynamicTool
from codexd.core.values.enforced import beside_plan_mode, enforced_policy, enforced_sandbox
from codexd.core.values.ids import ThreadId
from codexd.core.values.session_source import OF_CLIENTS
from codexd.core.values.settings import Settings
from codexd.projections.clients.deltas import Outgoing
from codexd.projections.clients.turns import TurnProjection
from codexd.projections.clients.wire_settings import collaboration_mode
from codexd.protocol import settings as s
from codexd.protocol import threads as t
from codexd.protocol.notifications import ThreadClosedNotification, ThreadStartedNotification
from codexd.protocol.policies import active_profile, sandbox_policy
from codexd.protocol.turns import Turn
from codexd.protocol.wire.rpc import invalid_params, state_error
from codexd.runtime.actor.actor import ThreadActor
from codexd.server.connection.connection import Connection
from codexd.server.connection.order import MethodResult
from codexd.server.feed.cursor import wire_at
from codexd.server.feed.follower import Follower
from codexd.server.feed.frames import Reader
from codexd.server.feed.outbox import Outbox
from codexd.server.feed.thread_view import heading
from codexd.server.methods.dynamic_tools import InvalidDynamicTools, checked_tools
from codexd.server.methods.instructions import developer_instructions, own_instructions
from codexd.server.methods.lookup import (
    archived,
    asked_change,
    find_thread,
    is_folder,
    load_thread,
    open_thread,
    thread_id_of,
)
from codexd.server.methods.new_settings import new_settings
from codexd.server.methods.refusals import warn
from codexd.server.reads.answer_size import ENTRIES_BYTES_MAX
from codexd.server.reads.git import git_head
from codexd.server.reads.images import bytes_of, page_of_turns
from codexd.server.reads.pages import TurnCursor, page_limit, settled_turns, turns_page
from codexd.server.reads.places import fork_point
from codexd.server.reads.turns import TurnReader
from codexd.server.services import Services
from codexd_eventstore.store import NotFound

# Names are one line of a list.
NAME_CHARACTERS_MAX = 200


async def thread_settings_update(
    services: Services, connection: Connection, params: s.ThreadSettingsUpdateParams
) -> s.ThreadSettingsUpdateResponse:
    """Change a thread's settings; a turn that runs keeps those that it began with."""
    _refuse_absent(params)
    thread = await open_thread(services, params.thread_id)
    change = await asked_change(services, params, thread)
    await thread.submit(c.ChangeSettings(change=change), by=connection.by)
    return s.ThreadSettingsUpdateResponse()


def _refuse_absent(params: s.ThreadSettingsUpdateParams) -> None:
    """Raises: RpcError, for a setting of a part that codexd does not have: nobody is to rely on it."""
    if params.approvals_reviewer not in (None, "user"):
        raise state_error(
            f"approvalsReviewer: expected `user`, found `{params.approvals_reviewer}`: codexd has no agent that "
            "reviews, and asks the person; nothing was changed",
            "no_such_reviewer",
        )
    if params.disabled_plugin_ids:
        raise state_error(
            f"disabledPluginIds: expected none, found {len(params.disabled_plugin_ids)}: codexd has no plugins; "
            "nothing was changed",
            "no_plugins",
        )


async def thread_start(
    services: Services, connection: Connection, params: t.ThreadStartParams
) -> MethodResult:
    """Begin a thread and follow it."""
    key = params.idempotency_key
    async with services.thread_keys.alone(key) as named:
        known = await find_thread(services, named)
        thread = known or await _started(services, connection, params, named)
    services.warm_up()
    services.mcp.servers.begin()
    return _attached(
        services, connection, thread, t.ThreadStartResponse, (), announce=known is None
    )


async def _started(
    services: Services,
    connection: Connection,
    params: t.ThreadStartParams,
    named: ThreadId | None,
) -> ThreadActor:
    """A new thread, with the id that was recorded for its key, if there is one."""
    declared = _declared(params)
    settings, read = await new_settings(services, connection, params)
    command = c.StartThread(
        settings=settings,
        originator=connection.client.name if connection.client is not None else "",
        daemon_version=services.version,
        instructions=await own_instructions(read, params),
        developer_instructions=developer_instructions(read, params),
        git=await git_head(settings.cwd),
        ephemeral=bool(params.ephemeral),
        history_mode=params.history_mode or "paginated",
        thread_source=params.thread_source,
        source=params.source or OF_CLIENTS,
        dynamic_tools=declared,
    )
    thread_id = named or await _new_id(services, params.idempotency_key)
    if not await is_folder(settings.cwd):
        words = f"There is no directory at {settings.cwd}: commands fail until it is there"
        warn(services, connection, thread_id, words)
    return await services.supervisor.start(
        thread_id, command, by=connection.by, key=params.idempotency_key
    )


def _declared(params: t.ThreadStartParams) -> tuple[DynamicTool, ...]:
    """The tools that the client declares. Raises: RpcError."""
    try:
        return checked_tools(params.dynamic_tools)
    except InvalidDynamicTools as error:
        raise state_error(f"{error}; no thread was started", "invalid_dynamic_tools") from error


async def _new_id(services: Services, key: str | None) -> ThreadId:
    """An id for a new thread; a request that repeats the key gets the same id."""
    thread_id = ThreadId(services.new_id())
    await services.thread_keys.name(key, thread_id)
    return thread_id


async def thread_resume(
    services: Services, connection: Connection, params: t.ThreadResumeParams
) -> MethodResult:
    """Follow a thread, from now on or from a cursor."""
    transcript = TurnProjection()
    on_record = None if params.exclude_turns else transcript.apply
    if params.after is not None:
        _refuse_deadly(services, thread_id_of(params.thread_id))
    thread = await open_thread(services, params.thread_id, on_record)
    change = await asked_change(services, params, thread)
    await thread.submit(c.ChangeSettings(change=change), by=connection.by)
    services.warm_up()
    services.mcp.servers.begin()
    if params.after is not None:
        return await _resumed_from(services, connection, thread, params.after)
    while True:
        version = thread.version
        page = await _first_page(thread, params.initial_turns_page)
        room = ENTRIES_BYTES_MAX - (bytes_of(page.data) if page is not None else 0)
        turns = () if params.exclude_turns else await settled_turns(thread, transcript, room)
        if page is None or version == thread.version:
            break
    answered = _attached(services, connection, thread, t.ThreadResumeResponse, turns, page=page)
    return msgspec.structs.replace(answered, done="the thread is not followed")


def _refuse_deadly(services: Services, thread_id: ThreadId) -> None:
    """Refuse an automatic reconnect to a thread with which the daemon died. Raises: RpcError."""
    trouble = services.supervisor.stopped.get(thread_id)
    if trouble is not None and services.supervisor.is_deadly(thread_id):
        raise state_error(f"thread {thread_id} was not loaded: {trouble}", "thread_left_alone")


async def thread_fork(
    services: Services, connection: Connection, params: t.ThreadForkParams
) -> MethodResult:
    """A new thread with another's past, and follow it."""
    parent = await open_thread(services, params.thread_id)
    change = await asked_change(services, params, parent)
    key, transcript = params.idempotency_key, TurnProjection()
    on_record = None if params.exclude_turns else transcript.apply
    async with services.thread_keys.alone(key) as named:
        known = await find_thread(services, named)
        if known is None:
            at_seq = await fork_point(parent, params.last_turn_id, params.before_turn_id)
            child_id = named or await _new_id(services, key)
            fork = await services.supervisor.fork(
                parent.thread_id,
                at_seq,
                child_id,
                by=connection.by,
                ephemeral=bool(params.ephemeral),
                on_record=on_record,
            )
            await fork.submit(c.ChangeSettings(change=change), by=connection.by)
    child = known or fork
    turns: tuple[Turn, ...] = ()
    if not params.exclude_turns:
        turns = await settled_turns(child, transcript, ENTRIES_BYTES_MAX)
    answered = _attached(
        services, connection, child, t.ThreadForkResponse, turns, announce=known is None
    )
    done = f"the fork was made: it is thread {child.thread_id}"
    return msgspec.structs.replace(answered, done=done)


async def thread_name_set(
    services: Services, connection: Connection, params: t.ThreadSetNameParams
) -> t.ThreadSetNameResponse:
    """Name it; an empty name takes the name away, and of a long one the beginning is used."""
    name = " ".join(params.name.split())
    thread = await open_thread(services, params.thread_id)
    if len(name) > NAME_CHARACTERS_MAX:
        words = f"The name has {len(name)} characters; its first {NAME_CHARACTERS_MAX - 1} are used"
        warn(services, connection, thread.thread_id, words)
        name = f"{name[: NAME_CHARACTERS_MAX - 1]}…"
    await thread.submit(c.RenameThread(name=name or None), by=connection.by)
    return t.ThreadSetNameResponse()


async def thread_archive(
    services: Services, connection: Connection, params: t.ThreadArchiveParams
) -> t.ThreadArchiveResponse:
    """Put it aside: the event first, then the file. A daemon may have died between the two."""
    thread = await load_thread(services, params.thread_id)
    thread_id = thread.thread_id
    if thread.state.ephemeral:
        raise state_error(
            f"thread {thread_id} is ephemeral, and kept nowhere: it cannot be put aside",
            "thread_ephemeral",
        )
    if (await services.store.head(thread_id)).archived:
        raise archived(thread_id)
    withdrawn = len(thread.state.queue)
    await thread.submit(c.ArchiveThread(), by=connection.by)
    await services.supervisor.unload(thread_id)
    await services.store.archive(thread_id)
    services.store.close(thread_id)
    closed = ThreadClosedNotification(thread_id=thread_id)
    services.hub.announce(Outgoing("thread/closed", closed))
    services.hub.remove_followers(thread_id)
    return t.ThreadArchiveResponse(withdrawn or msgspec.UNSET)


async def thread_unarchive(
    services: Services, connection: Connection, params: t.ThreadUnarchiveParams
) -> t.ThreadUnarchiveResponse:
    """Bring it back: the file first, then the event, since an archived log takes none.

    A daemon may have died between the two, or while it put the thread aside.
    """
    thread_id = thread_id_of(params.thread_id)
    try:
        if (await services.store.head(thread_id)).archived:
            await services.supervisor.unload(thread_id)
            await services.store.unarchive(thread_id)
        thread = await services.supervisor.load(thread_id)
        if not thread.state.archived:
            raise NotFound(thread_id)
    except NotFound as error:
        message = f"no archived rollout found for thread id {thread_id}"
        raise state_error(message, "thread_not_archived") from error
    await thread.submit(c.UnarchiveThread(), by=connection.by)
    return t.ThreadUnarchiveResponse(heading(thread_id, thread.summary, thread.state, thread.path))


async def thread_unsubscribe(
    services: Services, connection: Connection, params: t.ThreadUnsubscribeParams
) -> t.ThreadUnsubscribeResponse:
    """Hear no more of it here."""
    thread_id = thread_id_of(params.thread_id)
    if connection.leave(thread_id):
        return t.ThreadUnsubscribeResponse("unsubscribed")
    loaded = services.supervisor.loaded(thread_id) is not None
    return t.ThreadUnsubscribeResponse("notSubscribed" if loaded else "notLoaded")


Response = TypeVar("Response", t.ThreadStartResponse, t.ThreadForkResponse, t.ThreadResumeResponse)


def _attached(
    services: Services,
    connection: Connection,
    thread: ThreadActor,
    kind: type[Response],
    turns: tuple[Turn, ...],
    *,
    announce: bool = False,
    page: t.TurnsPage | None = None,
) -> MethodResult:
    """The answer, and the following that begins with it: no checkpoint lies between the two."""
    thread_id = thread.thread_id
    shown = heading(
        thread_id,
        thread.summary,
        thread.state,
        thread.path,
        turns,
        reviewer_asks=services.hub.reviews.is_asking(thread_id),
    )
    seq = thread.version if connection.reader.cursor else msgspec.UNSET
    response = _settled(kind, shown, _in_force(services, thread), seq)
    if isinstance(response, t.ThreadResumeResponse):
        back = TurnCursor(thread.version + 1).cursor()
        response = msgspec.structs.replace(
            response,
            collaboration_mode=collaboration_mode(_settings(thread)),
            initial_turns_page=page,
            turns_backwards_cursor=back,
            items_backwards_cursor=back,
        )

    def then() -> None:
        connection.follow(thread_id, services.hub.feed(thread_id).follow)
        if announce:
            started = ThreadStartedNotification(msgspec.structs.replace(shown, turns=()))
            services.hub.announce(Outgoing("thread/started", started))

    return MethodResult(response, then)


def _in_force(services: Services, thread: ThreadActor) -> Settings:
    """The settings of a thread here and now; a turn that runs keeps what it began with."""
    settings = _settings(thread)
    if thread.state.turn is not None:
        return settings
    return msgspec.structs.replace(settings, enforcement=services.confinement.enforcement())


def _settings(thread: ThreadActor) -> Settings:
    assert thread.state.settings is not None
    return thread.state.settings


def _settled(
    kind: type[Response], thread: t.Thread, settings: Settings, seq: int | msgspec.UnsetType
) -> Response:
    shown = beside_plan_mode(settings)
    return kind(
        thread=thread,
        model=settings.model,
        model_provider=settings.provider,
        cwd=settings.cwd,
        runtime_workspace_roots=(settings.cwd,),
        approval_policy=enforced_policy(shown),
        sandbox=sandbox_policy(enforced_sandbox(shown), settings.access),
        active_permission_profile=active_profile(settings.profile),
        reasoning_effort=settings.effort,
        service_tier=settings.service_tier or None,
        seq=seq,
    )


async def _first_page(thread: ThreadActor, asked: t.TurnsPageParams | None) -> t.TurnsPage | None:
    if asked is None:
        return None
    page = await turns_page(
        TurnReader(thread.world.store, thread.thread_id, thread.summary.reverts),
        None,
        page_limit(asked.limit),
        asked.sort_direction or "desc",
    )
    shown = [view.turn(asked.items_view or "summary") for view in page.turns]
    turns = await page_of_turns(shown, thread.world.images)
    return t.TurnsPage(turns, page.next_cursor(len(turns)), page.backwards_cursor)


async def _resumed_from(
    services: Services, connection: Connection, thread: ThreadActor, after: t.After
) -> MethodResult:
    """Resume from a cursor: the projection at the cursor, then every event after it."""
    if after.seq > thread.version:
        raise invalid_params(
            f"after.seq: expected at most {thread.version}, the thread's last event, "
            f"found {after.seq}"
        )
    wire = await wire_at(thread, after)
    feed = services.hub.feed(thread.thread_id)

    def begin(reader: Reader, outbox: Outbox) -> Follower:
        return feed.follow_from(reader, outbox, after.seq, wire)

    answered = _attached(services, connection, thread, t.ThreadResumeResponse, ())
    return MethodResult(answered.result, lambda: connection.follow(thread.thread_id, begin))
