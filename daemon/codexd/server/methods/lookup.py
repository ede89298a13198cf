"""From what a client names to a thread that can be worked with, or an error in the words clients know."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from codexd.core.commands import Rejected
from codexd.core.events.events import InvalidEvent
from codexd.core.values.ids import InvalidId, ThreadId, parse_thread_id
from codexd.core.values.settings import SettingsChange
from codexd.machine.patience import NoAnswer, patiently
from codexd.protocol.wire.rpc import (
    INTERNAL_ERROR,
    ErrorData,
    RpcError,
    internal_error,
    invalid_params,
    state_error,
)
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.snapshots.load import Witness
from codexd.runtime.supervisor import ThreadGone
from codexd.runtime.troubles import MEND_UNKNOWN
from codexd.server.services import Services
from codexd_eventstore.store import Damaged, NotFound, StoreError, StoreFailed

# Names of models and providers are some dozens of characters; each is written and told whenever it changes.
NAME_CHARACTERS_MAX = 512


def thread_id_of(text: str) -> ThreadId:
    """The id that a client wrote. Raises: RpcError."""
    try:
        return parse_thread_id(text)
    except InvalidId as error:
        raise state_error(str(error), "invalid_thread_id") from error


async def open_thread(
    services: Services, text: str, unknown: str, witness: Witness | None = None
) -> ThreadActor:
    """The thread, loaded; `unknown` is what to say, before the id, where there is none of that id.

    `witness` is told its records, where it has to be loaded for this.

    Raises:
        RpcError: no thread, an archived one, one whose log is damaged.
    """
    thread = await load_thread(services, text, unknown, witness)
    if thread.state.archived:
        raise archived(thread.thread_id)
    return thread


async def load_thread(
    services: Services, text: str, unknown: str, witness: Witness | None = None
) -> ThreadActor:
    """The same for an archived thread as well. Raises: RpcError."""
    thread_id = thread_id_of(text)
    try:
        thread = await services.supervisor.load(thread_id, witness)
    except NotFound as error:
        raise state_error(f"{unknown}: {thread_id}", "thread_not_found") from error
    except (StoreError, InvalidEvent, ThreadGone) as error:
        raise store_error(error) from error
    return thread


async def find_thread(services: Services, thread_id: ThreadId | None) -> ThreadActor | None:
    """The thread that was made under an id, if one was. Raises: RpcError, as `open_thread` does."""
    if thread_id is None:
        return None
    try:
        thread = await services.supervisor.load(thread_id)
    except NotFound:
        return None
    except (StoreError, InvalidEvent, ThreadGone) as error:
        raise store_error(error) from error
    if thread.state.archived:
        raise archived(thread_id)
    return thread


def archived(thread_id: ThreadId) -> RpcError:
    """The thread was put aside."""
    return state_error(
        f"session {thread_id} is archived. Run `codexctl unarchive {thread_id}` to bring it back.",
        "thread_archived",
    )


def refused(rejected: Rejected) -> RpcError:
    """What the core refused, as the wire says it."""
    return state_error(rejected.message, rejected.code)


def store_error(error: Exception) -> RpcError:
    """What the store or a log could not do."""
    if isinstance(error, InvalidEvent):
        return RpcError(INTERNAL_ERROR, f"{error}; {MEND_UNKNOWN}", ErrorData("thread_damaged"))
    if isinstance(error, Damaged):
        return RpcError(INTERNAL_ERROR, str(error), ErrorData("thread_damaged"))
    if isinstance(error, StoreFailed):
        passing = "disk_full" if error.is_full else "storage_busy"
        code = passing if error.retry else "storage_failed"
        return RpcError(INTERNAL_ERROR, str(error), ErrorData(code))
    return internal_error(str(error))


async def checked_change(services: Services, change: SettingsChange) -> SettingsChange:
    """A change with its cwd made absolute, and a provider that exists. Raises: RpcError."""
    if change.model is not None and len(change.model) > NAME_CHARACTERS_MAX:
        raise invalid_params(
            f"model: expected at most {NAME_CHARACTERS_MAX} characters, found {len(change.model)}"
        )
    if change.provider is not None:
        check_provider(services, change.provider)
    if change.cwd is None:
        return change
    return SettingsChange(
        **{field: getattr(change, field) for field in change.__struct_fields__ if field != "cwd"},
        cwd=await checked_cwd(services, change.cwd),
    )


def check_provider(services: Services, provider: str) -> None:
    """Raises: RpcError, for a provider that nobody configured."""
    known = services.providers()
    if provider not in known:
        names, shown = ", ".join(sorted(known)), provider[:NAME_CHARACTERS_MAX]
        raise invalid_params(
            f"modelProvider: expected one of {names}, found {shown!r}; "
            f"add [model_providers.{shown}] to {services.config.file}"
        )


async def checked_cwd(services: Services, cwd: str) -> str:
    """An absolute path of a directory that is there. Raises: RpcError."""
    path = _absolute(services, cwd)
    try:
        is_folder = await patiently(path, partial(os.path.isdir, path))
    except NoAnswer as error:
        raise invalid_params(f"cwd: {path}: {error.strerror}; nothing was done") from error
    if not is_folder:
        raise invalid_params(f"cwd: expected a directory, found none at {path}")
    return path


def _absolute(services: Services, cwd: str) -> str:
    return os.path.normpath(Path(services.cwd, os.path.expanduser(cwd)))
