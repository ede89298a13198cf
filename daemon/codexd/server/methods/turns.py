"""Answers to `turn/*` and `review/start`: a person's words on their way into a thread."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from codexd.core import commands as c
from codexd.core.events.events import InputQueued, InvalidEvent, TurnSteered
from codexd.core.events.record import Recorded
from codexd.core.events.waiting import ReviewAsked
from codexd.core.state.waiting import is_waiting
from codexd.core.values.ids import ItemId, ThreadId, TurnId
from codexd.core.values.images import BadImage
from codexd.core.values.items import TextInput, UserInput, UserMessage
from codexd.core.values.review_target import BaseBranch, Commit, ReviewTarget, hint_of, trimmed
from codexd.core.values.settings import tier_of
from codexd.protocol import turns as t
from codexd.protocol.codexd_methods import INPUT_CHARACTERS_MAX
from codexd.protocol.wire.rpc import RpcError, invalid_params
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.actor.append import CommandResult
from codexd.runtime.supervisor import ThreadGone
from codexd.server.connection.connection import Connection
from codexd.server.methods.lookup import asked_change, open_thread
from codexd.server.methods.mcp import refuse_unless_a_person
from codexd.server.services import Services
from codexd.tools.commits import why_no_commit
from codexd_eventstore.store import StoreError

log = logging.getLogger(__name__)

# Parts of such a message, and places that are marked within their texts: a person makes some dozens.
INPUT_PARTS_MAX = 10_000
# What is written of a schema is read again within records and requests, and where more calls are under way: it must be
# readable that much deeper.
SCHEMA_HEADROOM = 200
# A schema is a page or two. It is written with its turn, and sent with each request of it.
SCHEMA_BYTES_MAX = 1024 * 1024
# The session of a shell has some dozens.
PASSED_VARIABLES_MAX: Final = 256
# All names and values. A kernel takes 128 KiB for one variable; a long PATH has some kilobytes.
PASSED_BYTES_MAX: Final = 64 * 1024


async def turn_start(
    services: Services, connection: Connection, params: t.TurnStartParams
) -> t.TurnStartResponse:
    """Start a turn, or queue it after the running turn; either way it has an id of its own."""
    thread = await open_thread(services, params.thread_id)
    change = await asked_change(services, params, thread)
    _check_schema(params.output_schema)
    turn_id = TurnId(services.new_id())
    passed = checked_passed(params.update_environment)
    command = c.StartTurn(
        turn_id=turn_id,
        item_id=ItemId(services.new_id()),
        content=params.input,
        client_id=params.client_user_message_id,
        change=change,
        service_tier=_tier(params.service_tier_for_turn),
        today=services.today(),
        output_schema=params.output_schema,
        traceparent=params.traceparent,
    )
    services.account.payments.begin(
        turn_id, _checked_keys(services, connection, params.provider_keys)
    )
    services.passed.begin(params.thread_id, turn_id, passed)
    if params.interrupt_on_disconnect:  # Before it begins: its client may be killed while it waits.
        _tie(services, connection, thread.thread_id, turn_id)
    answer = await _said(thread, command, connection.by, params.idempotency_key)
    if answer.repeated is not None:
        turn_id = _repeated(answer.repeated, InputQueued).turn_id
        if params.interrupt_on_disconnect:
            _tie(services, connection, thread.thread_id, turn_id)
    turn = t.Turn(id=turn_id, root_turn_id=turn_id, status="inProgress")
    waits = any(queued.turn_id == turn_id for queued in thread.state.queue)
    return t.TurnStartResponse(turn, queued=waits or msgspec.UNSET)


def _tie(services: Services, connection: Connection, thread_id: ThreadId, turn_id: TurnId) -> None:
    """Have a turn interrupted when its client has gone; one that has ended by then stays as it is."""

    async def end() -> None:
        try:
            thread = await open_thread(services, thread_id)
            await thread.submit(c.InterruptTurn(turn_id=turn_id), by=connection.by)
        except (c.Rejected, RpcError, ThreadGone, StoreError, InvalidEvent) as error:
            log.info("turn %s is not interrupted, and its client has gone: %s", turn_id, error)

    services.hub.tie(connection, turn_id, end)


def _tier(asked: str | None) -> str | None:
    return None if asked is None else tier_of(asked)


async def turn_steer(
    services: Services, connection: Connection, params: t.TurnSteerParams
) -> t.TurnSteerResponse:
    """Add to the turn that runs."""
    thread = await open_thread(services, params.thread_id)
    command = c.SteerTurn(
        expected_turn=TurnId(params.expected_turn_id),
        item_id=ItemId(services.new_id()),
        content=params.input,
        client_id=params.client_user_message_id,
    )
    answer = await _said(thread, command, connection.by, params.idempotency_key)
    if answer.repeated is not None:
        _repeated(answer.repeated, TurnSteered)
    return t.TurnSteerResponse(params.expected_turn_id)


async def turn_interrupt(
    services: Services, connection: Connection, params: t.TurnInterruptParams
) -> t.TurnInterruptResponse:
    """Stop the turn that runs, or withdraw the prompt of a queued one."""
    thread = await open_thread(services, params.thread_id)
    is_queued = is_waiting(thread.state.waiting, thread.state.queue, params.turn_id)
    # Some clients do not know the turn's id yet, and send an empty one.
    await thread.submit(
        c.InterruptTurn(turn_id=TurnId(params.turn_id) if params.turn_id else None),
        by=connection.by,
    )
    return t.TurnInterruptResponse(withdrawn=is_queued or msgspec.UNSET)


async def review_start(
    services: Services, connection: Connection, params: t.ReviewStartParams
) -> t.ReviewStartResponse:
    """Begin a review in a turn of its own, or queue it after the turns before it."""
    thread = await open_thread(services, params.thread_id)
    problem = await _why_not_there(thread, trimmed(params.target))
    if problem is not None and params.refuse_unknown:
        raise invalid_params(f"{problem}; no review began")
    turn_id = TurnId(services.new_id())
    asked = ReviewAsked(
        target=params.target,
        child_id=ThreadId(services.new_id()),
        child_turn_id=TurnId(services.new_id()),
        today=services.today(),
        problem=problem,
    )
    # Those of the thread's last turn, if none are passed: for its reviewer, which is a thread of its own.
    passed = checked_passed(params.update_environment) or services.passed.last(params.thread_id)
    keys = _checked_keys(services, connection, params.provider_keys)
    services.account.payments.begin(asked.child_turn_id, keys)
    services.passed.begin(asked.child_id, asked.child_turn_id, passed)
    if params.interrupt_on_disconnect:
        _tie(services, connection, thread.thread_id, turn_id)
    await thread.submit(c.StartReview(turn_id=turn_id, asked=asked), by=connection.by)
    said = UserMessage(id=ItemId(turn_id), content=(TextInput(hint_of(trimmed(params.target))),))
    turn = t.Turn(id=turn_id, root_turn_id=turn_id, status="inProgress", items=(said,))
    queued = is_waiting(thread.state.waiting, thread.state.queue, turn_id)
    return t.ReviewStartResponse(turn, thread.thread_id, queued=queued or msgspec.UNSET)


async def _why_not_there(thread: ThreadActor, target: ReviewTarget) -> str | None:
    """Why a review has nothing to look at: a model is not asked about a commit that is not there."""
    match target:
        case BaseBranch(name):
            member = "branch"
        case Commit(name):
            member = "sha"
        case _:
            return None
    assert thread.state.settings is not None
    cwd = thread.state.settings.cwd
    why = await why_no_commit(cwd, name) if name else None
    if why is None:
        return None
    return (
        f"{member}: expected a branch or commit of the repository at {cwd}, found {name!r}: {why}"
    )


First = TypeVar("First", InputQueued, TurnSteered)


def _repeated(first: Recorded, kind: type[First]) -> First:
    """The result of the same request before. Raises: RpcError, where another request had the key."""
    if not isinstance(first.event, kind):
        raise invalid_params(
            f"idempotencyKey: expected one of a request of this kind, found that of event {first.seq} "
            f"({first.event.type}); nothing was sent"
        )
    return first.event


async def accepted(
    thread: ThreadActor, content: tuple[UserInput, ...], cwd: str | None = None
) -> tuple[UserInput, ...]:
    """An input with its images stored; `cwd` is its turn's folder, if not the thread's. Raises: RpcError."""
    _check_input(content)
    settings = thread.state.settings
    folder = cwd or (settings.cwd if settings is not None else "/")
    try:
        return await thread.world.images.accept(content, folder)
    except BadImage as bad:
        raise invalid_params(f"input: {bad}; nothing was sent") from bad


def _check_input(content: tuple[UserInput, ...]) -> None:
    """Raises: RpcError, for an input that is too large."""
    parts = len(content) + sum(len(getattr(part, "text_elements", ())) for part in content)
    if parts > INPUT_PARTS_MAX:
        raise invalid_params(
            f"input: expected at most {INPUT_PARTS_MAX} parts and text elements in all, "
            f"found {parts}; nothing was sent"
        )
    characters = sum(len(getattr(part, "text", "")) for part in content)
    if characters > INPUT_CHARACTERS_MAX:
        raise invalid_params(
            f"input: expected at most {INPUT_CHARACTERS_MAX} characters of text, "
            f"found {characters}; nothing was sent"
        )


def _check_schema(schema: msgspec.Raw) -> None:
    if bytes(schema).lstrip()[:1] not in (b"", b"{", b"n"):
        raise invalid_params(
            f"outputSchema: expected a JSON schema, which is an object, found {bytes(schema)[:40].decode(errors='replace')}; "
            "nothing was sent"
        )
    if len(bytes(schema)) > SCHEMA_BYTES_MAX:
        raise invalid_params(
            f"outputSchema: expected at most {SCHEMA_BYTES_MAX} bytes, "
            f"found {len(bytes(schema))}; nothing was sent"
        )
    try:
        msgspec.json.decode(
            b"[" * SCHEMA_HEADROOM + (bytes(schema) or b"0") + b"]" * SCHEMA_HEADROOM,
            type=msgspec.Raw,
        )
    except RecursionError as error:
        raise invalid_params(
            f"outputSchema: expected a schema that can be read {SCHEMA_HEADROOM} levels deeper, found one that is "
            "nested too deeply for that; nothing was sent"
        ) from error


async def _said(
    thread: ThreadActor, command: c.StartTurn | c.SteerTurn, by: str, key: str | None
) -> CommandResult:
    """Hand it in, its images stored first. Raises: Rejected, RpcError."""
    cwd = command.change.cwd if isinstance(command, c.StartTurn) else None
    content = await accepted(thread, command.content, cwd)
    return await thread.submit(replace(command, content=content), by=by, key=key)


def _checked_keys(
    services: Services, connection: Connection, given: Mapping[str, str] | None
) -> Mapping[str, str]:
    """The values of variables of providers; others are left out. Raises: RpcError, which repeats no value."""
    size = sum(len(name) + len(value) for name, value in (given or {}).items())
    if size > PASSED_BYTES_MAX:
        raise invalid_params(
            f"providerKeys: expected at most {PASSED_BYTES_MAX} characters, found {size}; nothing was started"
        )
    if given:
        refuse_unless_a_person(connection)
    known = services.clients.given_variables() if given else ()
    return {name: value for name, value in (given or {}).items() if name in known and value}


def checked_passed(passed: Mapping[str, str | None] | None) -> Mapping[str, str | None] | None:
    """The variables as they were passed. Raises: RpcError, if they cannot be an environment's; no value is repeated."""
    if passed is None:
        return None
    if len(passed) > PASSED_VARIABLES_MAX:
        raise invalid_params(
            f"updateEnvironment: expected at most {PASSED_VARIABLES_MAX} variables, found {len(passed)}; nothing was started"
        )
    size = sum(len(name.encode()) + len((value or "").encode()) for name, value in passed.items())
    if size > PASSED_BYTES_MAX:
        raise invalid_params(
            f"updateEnvironment: expected at most {PASSED_BYTES_MAX} bytes, found {size}; nothing was started"
        )
    for name, value in passed.items():
        if not name or "=" in name or "\0" in name + (value or ""):
            raise invalid_params(
                f"updateEnvironment: expected names without = and values without NUL, found {name!r}; nothing was started"
            )
    return passed
