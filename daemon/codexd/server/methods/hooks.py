"""Methods about hooks: add, list and remove them, read their receipts, and try again what was given up."""

from __future__ import annotations

import os
import re

import msgspec

from codexd.core.values.ids import ThreadId
from codexd.core.values.shown import shown_url
from codexd.hooks.hook import Hook, InvalidHook, check_hook, events_of
from codexd.hooks.receipts import Receipt, receipts_back
from codexd.protocol import hooks as p
from codexd.protocol.wire.rpc import invalid_params
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import thread_id_of
from codexd.server.methods.mcp import refuse_unless_a_person
from codexd.server.services import Services

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")


async def hook_add(
    services: Services, connection: Connection, params: p.HookAddParams
) -> p.HookAddResponse:
    """Add a hook, or replace the one of its name."""
    refuse_unless_a_person(connection)
    try:
        hook = await services.hooks.add(await _asked(services, params), again=params.again)
    except InvalidHook as problem:
        raise invalid_params(str(problem)) from problem
    return p.HookAddResponse(hook=_view(hook))


async def hook_list(
    services: Services, connection: Connection, params: p.HookListParams
) -> p.HookListResponse:
    """The hooks, by name."""
    return p.HookListResponse(data=tuple([_view(hook) for hook in await services.hooks.all()]))


async def hook_remove(
    services: Services, connection: Connection, params: p.HookNameParams
) -> p.HookRemoveResponse:
    """Remove a hook; its receipts stay."""
    refuse_unless_a_person(connection)
    return p.HookRemoveResponse(removed=await services.hooks.remove(params.name))


async def hook_receipts(
    services: Services, connection: Connection, params: p.HookReceiptsParams
) -> p.HookReceiptsResponse:
    """What became of runs of hooks."""
    if params.dead:
        if params.name is None:
            raise invalid_params("expected the name of a hook with `dead`, found none")
        letters = await services.hooks.dead(await _named(services, params.name))
        return p.HookReceiptsResponse(
            data=tuple([_receipt(at, receipt) for at, receipt in letters]), next_before=None
        )
    page = await receipts_back(
        services.store, hook=params.name, thread_id=params.thread_id, before=params.before
    )
    return p.HookReceiptsResponse(
        data=tuple([_receipt(at, receipt) for at, receipt in page.receipts]),
        next_before=page.next_before,
    )


async def hook_retry(
    services: Services, connection: Connection, params: p.HookNameParams
) -> p.HookRetryResponse:
    """Run a hook once more for each event that was given up."""
    refuse_unless_a_person(connection)
    done, failed = await services.hooks.retry(await _named(services, params.name))
    return p.HookRetryResponse(done=done, failed=failed)


async def _asked(services: Services, params: p.HookAddParams) -> Hook:
    """The hook that a client wants. Raises: InvalidHook, RpcError."""
    thread_id: ThreadId | None = None
    if params.thread_id is not None:
        thread_id = thread_id_of(params.thread_id)
        await services.store.head(thread_id)
    since = services.now_us() if params.since_ms is None else params.since_ms * 1000
    if params.again and params.name and params.command is None and params.receiver is None:
        known = await _named(services, params.name)
        return msgspec.structs.replace(
            known,
            events=events_of(params.events),
            thread_id=known.thread_id if thread_id is None else thread_id,
            since_us=since,
        )
    command = params.command or ()
    hook = Hook(
        params.name or await _free_name(services, params.receiver or (command or ("",))[0]),
        events_of(params.events),
        tuple(command),
        str(services.cwd) if params.cwd is None else params.cwd,
        thread_id,
        since,
        receiver=params.receiver,
        url=params.url,
    )
    check_hook(hook)
    return hook


async def _free_name(services: Services, program: str) -> str:
    """A name that no hook has, from that of its program."""
    stem = _NOT_IN_A_NAME.sub("-", os.path.basename(program)).strip("-._")[:50] or "hook"
    taken = {hook.name for hook in await services.hooks.all()}
    number = 1
    while (name := stem if number == 1 else f"{stem}-{number}") in taken or name == "notify":
        number += 1
    return name


async def _named(services: Services, name: str) -> Hook:
    hook = await services.hooks.find(name)
    if hook is None:
        known = ", ".join([hook.name for hook in await services.hooks.all()]) or "none"
        raise invalid_params(
            f"expected the name of a hook, found {name[:80]!r}; there are: {known}"
        )
    return hook


def _view(hook: Hook) -> p.HookView:
    return p.HookView(
        name=hook.name,
        events=hook.events,
        command=hook.argv,
        cwd=hook.cwd,
        since_ms=hook.since_us // 1000,
        generation=hook.generation,
        receiver=hook.receiver,
        url=None if hook.url is None else shown_url(hook.url),
        thread_id=hook.thread_id,
    )


def _receipt(at: str, receipt: Receipt) -> p.HookReceipt:
    return p.HookReceipt(
        at=at,
        hook=receipt.hook,
        thread_id=receipt.thread_id,
        seq=receipt.seq,
        event=receipt.event,
        attempt=receipt.attempt,
        outcome=receipt.outcome,
        exit_code=receipt.exit_code,
        duration_ms=receipt.duration_ms,
        problem=receipt.problem,
    )
