"""Finds the thread that a client names, or raises an error of the protocol."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from codexd.config.keys import Config
from codexd.config.permission_profiles import BUILT_IN, UnusableProfile
from codexd.config.policies import Policies, policies_for
from codexd.core.commands import Rejected
from codexd.core.prompts.collaboration import collaboration_of
from codexd.core.values.ids import InvalidId, ThreadId, parse_thread_id
from codexd.core.values.settings import Collaboration, SettingsChange
from codexd.machine.patience import NoAnswer, patiently
from codexd.models.client import ModelError
from codexd.models.http.local import NoLocalModel
from codexd.protocol import codexd_methods as c
from codexd.protocol import settings as s
from codexd.protocol.wire.rpc import (
    RpcError,
    internal_error,
    invalid_params,
    state_error,
)
from codexd.runtime.actor.actor import ThreadActor
from codexd.runtime.snapshots.load import OnRecord
from codexd.runtime.supervisor import ThreadGone
from codexd.server.services import Services
from codexd_eventstore.store import NotFound

# Names of models and providers are some dozens of characters; each change of a name is recorded and sent.
NAME_CHARACTERS_MAX = 512
# The instructions of a mode: Codex's own have 10 000. They are part of the settings, which each turn records.
MODE_CHARACTERS_MAX = 32 * 1024


def thread_id_of(text: str) -> ThreadId:
    """The id that a client wrote. Raises: RpcError."""
    try:
        return parse_thread_id(text)
    except InvalidId as error:
        raise state_error(str(error), "invalid_thread_id") from error


async def open_thread(
    services: Services, text: str, on_record: OnRecord | None = None
) -> ThreadActor:
    """The thread, loaded; `on_record` is called with its records, where it has to be loaded for this.

    Raises:
        RpcError: the thread is archived.
        StoreError, InvalidEvent: there is no such thread, or its log is damaged.
    """
    thread = await load_thread(services, text, on_record)
    if thread.state.archived:
        raise archived(thread.thread_id)
    return thread


async def load_thread(
    services: Services, text: str, on_record: OnRecord | None = None
) -> ThreadActor:
    """The same for an archived thread as well."""
    try:
        return await services.supervisor.load(thread_id_of(text), on_record)
    except (
        ThreadGone
    ) as error:  # Nothing was asked of it yet, so it is known that nothing was done.
        raise internal_error(str(error)) from error


async def find_thread(services: Services, thread_id: ThreadId | None) -> ThreadActor | None:
    """The thread of an id, if it was made. Raises: as `open_thread` does."""
    if thread_id is None:
        return None
    try:
        return await open_thread(services, thread_id)
    except NotFound:
        return None


def archived(thread_id: ThreadId) -> RpcError:
    """The error for an archived thread."""
    return state_error(
        f"session {thread_id} is archived. Run `codexctl unarchive {thread_id}` to bring it back.",
        "thread_archived",
    )


async def asked_change(
    services: Services, params: s.OfThread | s.OfTurn, thread: ThreadActor
) -> SettingsChange:
    """The change that a client asks for, with the permissions that it names. Raises: RpcError."""
    permissions = permissions_in(params)
    change = await checked_change(services, s.asked_change(params))
    settings = thread.state.settings
    assert settings is not None
    change = replace(change, features_off=s.asked_features_off(params, settings.features_off))
    moves = change.cwd not in (None, settings.cwd)
    if permissions is None and moves and change.sandbox is None:
        # What a profile of config.toml stands for depends on the folder.
        own = settings.profile.id
        permissions = own if own and own not in BUILT_IN else None
    if permissions is None:
        return change
    found = await policies_in(services, change.cwd or settings.cwd, permissions=permissions)
    return replace(change, sandbox=found.sandbox, access=found.access, profile=found.profile)


def permissions_in(params: s.OfThread | s.OfTurn) -> str | None:
    """The permission profile that a client names. Raises: RpcError, also for an environment that is not there."""
    for environment in s.asked_environments(params) or ():
        if environment.environment_id != "local":
            found = environment.environment_id[:NAME_CHARACTERS_MAX]
            raise state_error(
                f"expected the environment `local`, found `{found}`; nothing was done",
                "unknown_environment",
            )
    try:
        return s.asked_permissions(params)
    except s.Contradiction as error:
        raise state_error(f"{error}; nothing was done", "contradiction") from error


async def checked_change(services: Services, change: SettingsChange) -> SettingsChange:
    """A change with its cwd made absolute, and a provider that exists. Raises: RpcError."""
    if change.model is not None and len(change.model) > NAME_CHARACTERS_MAX:
        raise invalid_params(
            f"model: expected at most {NAME_CHARACTERS_MAX} characters, found {len(change.model)}"
        )
    if change.provider is not None:
        check_provider(services, change.provider)
    for root in change.access.writable_roots if change.access is not None else ():
        if not os.path.isabs(root):
            shown = root[:NAME_CHARACTERS_MAX]
            raise invalid_params(f"writableRoots: expected absolute paths, found {shown!r}")
    if change.collaboration is not None:
        change = replace(change, collaboration=_checked_mode(change.collaboration))
    if change.cwd is None:
        return change
    return replace(change, cwd=await checked_cwd(services, change.cwd))


def _checked_mode(asked: Collaboration) -> Collaboration:
    """A mode whose instructions are no longer than a page or two. Raises: RpcError."""
    found = len(asked.instructions or "")
    if found > MODE_CHARACTERS_MAX:
        raise invalid_params(
            f"collaborationMode.settings.developer_instructions: expected at most {MODE_CHARACTERS_MAX} characters, "
            f"found {found}; nothing was done"
        )
    return collaboration_of(asked.mode, asked.instructions)


def check_provider(services: Services, provider: str) -> None:
    """Raises: RpcError, for a provider that is not configured."""
    known = services.clients.key_variables()
    if provider not in known:
        names, shown = ", ".join(sorted(known)), provider[:NAME_CHARACTERS_MAX]
        raise invalid_params(
            f"modelProvider: expected one of {names}, found {shown!r}; "
            f"add [model_providers.{shown}] to {services.config.file}"
        )


async def checked_cwd(services: Services, cwd: str) -> str:
    """An absolute path of a directory that is there. Raises: RpcError."""
    path = absolute(services, cwd)
    if not await is_folder(path):
        raise invalid_params(f"cwd: expected a directory, found none at {path}")
    return path


async def is_folder(path: str) -> bool:
    """Whether it is a directory. Raises: RpcError, where its file system does not answer."""
    try:
        return await patiently(path, partial(os.path.isdir, path))
    except NoAnswer as error:
        raise invalid_params(f"cwd: {path}: {error.strerror}; nothing was done") from error


async def policies_in(
    services: Services,
    folder: str,
    config: Config | None = None,
    permissions: str | None = None,
) -> Policies:
    """The policies of a new thread in a folder, by this config, or by the last good one of the folder.

    Args:
        permissions: the profile that a client names, in place of the configured one.

    Raises:
        RpcError: its disk does not answer, or the profile cannot be used.
    """
    config = config or services.config.in_folder(folder)
    try:
        return await patiently(folder, partial(policies_for, config, folder, permissions))
    except NoAnswer as error:
        raise invalid_params(f"cwd: {folder}: {error.strerror}; nothing was done") from error
    except UnusableProfile as problem:
        where = "permissions" if permissions is not None else "default_permissions in config.toml"
        message = f"{where}: {problem}; nothing was done"
        raise state_error(message, "unusable_permissions") from problem


def absolute(services: Services, cwd: str) -> str:
    """The path of a folder as a client wrote it."""
    return os.path.normpath(Path(services.cwd, os.path.expanduser(cwd)))


async def find_local(
    services: Services, name: str | None, model: str | None
) -> c.ProviderFindLocalResponse:
    """A model server on this machine, by name and model where they are given. Raises: Rejected."""
    try:
        server, chosen = await services.clients.find_local(name, model)
    except (NoLocalModel, ModelError) as nothing:
        raise Rejected("no_local_model", str(nothing)) from nothing
    return c.ProviderFindLocalResponse(
        model_provider=server.provider.key,
        model=chosen.id,
        name=server.provider.name,
        base_url=server.provider.base_url,
        models=tuple(c.FoundModel(found.id, found.context_window) for found in server.models),
    )
