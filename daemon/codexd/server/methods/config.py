"""Methods about the configuration: what is in force and why, and changes of config.toml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from codexd.config.editing.edits import Edit, NotWritten, edit_of
from codexd.config.editing.writer import Overridden, Written
from codexd.config.effective import effective, layers_shown, origins, shown_at
from codexd.config.file import ReadConfig, all_keys, words_of
from codexd.config.keys import Config
from codexd.config.layers.flags import key_path
from codexd.config.layers.known_keys import codex_keys, kind_of, nearest
from codexd.config.layers.layer import (
    FlagsSource,
    Layer,
    ProjectSource,
    SystemSource,
    renamed,
    setter_of,
    version_of,
)
from codexd.config.layers.toml_file import KeyPath, dotted, value_at
from codexd.machine.patience import patiently
from codexd.protocol import config as m
from codexd.protocol.methods import NoParams
from codexd.protocol.wire.rpc import INVALID_REQUEST, ErrorData, RpcError, invalid_params
from codexd.runtime.account_facts import AccountFacts
from codexd.server.connection.connection import Connection
from codexd.server.methods.daemon import config_in, readable_config
from codexd.server.methods.lookup import absolute, open_thread
from codexd.server.methods.mcp import refuse_unless_a_person
from codexd.server.reads.pages import counted_page
from codexd.server.services import Services

# A change of some keys is a page; more is no change that a person made.
EDITS_MAX: Final = 256
# How long a writer may wait for the others and for the disk; a large file takes a second.
WRITE_SECONDS_MAX: Final = 20.0


async def config_read(
    services: Services, connection: Connection, params: m.ConfigReadParams
) -> m.ConfigReadResponse:
    """The settings in force, secrets left out: those that have a place there, and any that is known."""
    read = await _read(services, params.cwd)
    redact = services.known_secrets()
    layers = msgspec.json.encode(layers_shown(read.layers) if params.include_layers else None)
    return m.ConfigReadResponse(
        msgspec.Raw(redact(effective(read))),
        msgspec.Raw(origins(read)),
        msgspec.Raw(redact(layers)),
    )


async def config_requirements_read(
    services: Services, connection: Connection, params: NoParams
) -> m.ConfigRequirementsReadResponse:
    """The requirements of an administrator: none."""
    return m.ConfigRequirementsReadResponse()


async def config_value_write(
    services: Services, connection: Connection, params: m.ConfigValueWriteParams
) -> m.ConfigWriteResponse:
    """Change one key."""
    return await _write(services, connection, (params,), params.file_path, params.expected_version)


async def config_batch_write(
    services: Services, connection: Connection, params: m.ConfigBatchWriteParams
) -> m.ConfigWriteResponse:
    """Change several keys."""
    return await _write(
        services, connection, params.edits, params.file_path, params.expected_version
    )


async def config_file_read(
    services: Services, connection: Connection, params: NoParams
) -> m.ConfigFileReadResponse:
    """The text of config.toml, as it is."""
    refuse_unless_a_person(connection)
    text, file = await _in_a_thread(services, services.config_writer.content)
    own = str(services.config.file)
    return m.ConfigFileReadResponse(own, text, None if file == own else file)


async def config_file_write(
    services: Services, connection: Connection, params: m.ConfigFileWriteParams
) -> m.ConfigWriteResponse:
    """Write the text of config.toml."""
    refuse_unless_a_person(connection)
    written = await _in_a_thread(
        services, lambda: services.config_writer.replace(params.text, params.expected)
    )
    return await _written(services, connection, written, ())


async def config_explain(
    services: Services, connection: Connection, params: m.ConfigExplainParams
) -> m.ConfigExplainResponse:
    """Why a key has its value."""
    try:
        path = key_path(params.key_path)
    except ValueError as problem:
        raise invalid_params(f"keyPath: {problem}") from problem
    read, redact = await _read(services, params.cwd), services.known_secrets()
    kind = kind_of(all_keys(), path)
    own = kind is not None and kind_of(codex_keys().keys, path) is None
    words = words_of(path)
    layers = [
        _explained(read, layer, path, redact)
        for layer in reversed(read.layers)
        if value_at(renamed(layer.table), path) is not msgspec.UNSET
    ]
    in_force = shown_at(msgspec.json.decode(effective(read)), path)
    if in_force is None:  # What Codex shows as unset has a default here.
        in_force = shown_at(msgspec.json.decode(msgspec.json.encode(read.config)), path)
    return m.ConfigExplainResponse(
        key=dotted(path),
        value=msgspec.Raw(redact(msgspec.json.encode(in_force))),
        layers=tuple(layers),
        expected=words,
        used_by=None if kind is None else "codexd" if own or _is_used(path) else "codex",
        near=_near(path) if kind is None else None,
        file=str(services.config.file),
    )


async def experimental_feature_list(
    services: Services, connection: Connection, params: m.ExperimentalFeatureListParams
) -> m.ExperimentalFeatureListResponse:
    """The features that codexd has. The cursor is how many came before."""
    config = services.config.last_good()
    if params.thread_id is not None:
        thread = await open_thread(services, params.thread_id)
        if thread.state.settings is not None:
            config = services.config.in_folder(thread.state.settings.cwd)
    page = counted_page(_features(config), params.cursor, params.limit or None)
    return m.ExperimentalFeatureListResponse(*page)


def _features(config: Config) -> tuple[m.ExperimentalFeature, ...]:
    features = config.features
    return (
        m.ExperimentalFeature(
            name="network_proxy",
            stage="beta",
            enabled=features.proxy.enabled,
            default_enabled=False,
            display_name="Network by a list of domains",
            description="Commands in the sandbox reach the domains of [features.network_proxy.domains] only.",
            announcement="",
        ),
        m.ExperimentalFeature(
            name="unified_exec",
            stage="stable",
            enabled=features.unified_exec is not False,
            default_enabled=True,
        ),
    )


async def _read(services: Services, cwd: str | None) -> ReadConfig:
    if cwd is None:
        return readable_config(services)
    # A folder that is not there has no project: Codex answers for it as well.
    return await config_in(services, absolute(services, cwd))


async def _write(
    services: Services,
    connection: Connection,
    asked: tuple[m.ConfigEdit, ...],
    file: str | None,
    expected_version: str | None,
) -> m.ConfigWriteResponse:
    refuse_unless_a_person(connection)
    if len(asked) > EDITS_MAX:
        raise invalid_params(f"edits: expected at most {EDITS_MAX}, found {len(asked)}")

    def write() -> Written:
        services.config_writer.refuse_another(file)
        edits: list[Edit] = [
            edit_of(edit.key_path, msgspec.json.decode(edit.value), edit.merge_strategy)
            for edit in asked
        ]
        return services.config_writer.write(edits, expected_version)

    keys = tuple(edit.key_path for edit in asked)
    return await _written(services, connection, await _in_a_thread(services, write), keys)


async def _in_a_thread(services: Services, change: Callable[[], Any]) -> Any:
    try:
        return await patiently(str(services.config.file), change, WRITE_SECONDS_MAX)
    except NotWritten as problem:
        data = ErrorData("config_not_changed", config_write_error_code=problem.code)
        raise RpcError(INVALID_REQUEST, str(problem), data) from problem
    except OSError as error:
        message = f"{services.config.file} was not changed: {error.strerror}"
        raise RpcError(INVALID_REQUEST, message, ErrorData("config_not_changed")) from error


class _Fact(msgspec.Struct, frozen=True):
    """Who changed the file, in the daemon's own stream. The values are not in it: some are secret."""

    file: str
    version: str
    keys: tuple[str, ...]  # none: the whole text
    by: str


async def _written(
    services: Services, connection: Connection, written: Written, keys: tuple[str, ...]
) -> m.ConfigWriteResponse:
    services.config.changed()
    fact = _Fact(written.file, written.version, keys, connection.by)
    await AccountFacts(services.store).note("config.written", fact)
    overridden = written.overridden
    return m.ConfigWriteResponse(
        status="ok" if overridden is None else "okOverridden",
        version=written.version,
        file_path=written.file,
        overridden_metadata=None if overridden is None else _overridden(services, overridden),
        warnings=written.warnings or msgspec.UNSET,
        copied_from=written.copied_from or msgspec.UNSET,
    )


def _overridden(services: Services, overridden: Overridden) -> m.OverriddenMetadata:
    layer, value = overridden.layer, msgspec.json.encode(overridden.value)
    metadata = m.ConfigLayerMetadata(
        msgspec.Raw(msgspec.json.encode(layer.source)), version_of(layer.table)
    )
    return m.OverriddenMetadata(
        f"Overridden by {_called(layer)}", metadata, msgspec.Raw(services.known_secrets()(value))
    )


def _called(layer: Layer) -> str:
    match layer.source:
        case FlagsSource():
            return "session flags"
        case ProjectSource():
            return f"project config: {layer.file}"
        case SystemSource():
            return f"managed config (system): {layer.file}"
        case _:
            return f"user config: {layer.file}"


def _explained(
    read: ReadConfig, layer: Layer, path: KeyPath, redact: Callable[[bytes], bytes]
) -> m.ExplainedLayer:
    value = value_at(renamed(layer.table), path)
    winner = setter_of(read.layers, path)
    decides = layer.disabled is None and (layer is winner or isinstance(value, dict))
    if layer.disabled is not None:
        reason = layer.disabled
    elif layer is winner:
        reason = "the highest layer that sets it"
    elif decides:
        reason = "a table: its keys are merged with those of the higher layers"
    else:
        assert winner is not None
        reason = f"overridden by {winner.place(path)}"
    return m.ExplainedLayer(
        name=msgspec.Raw(msgspec.json.encode(layer.source)),
        place=layer.place(path),
        value=msgspec.Raw(redact(msgspec.json.encode(shown_at(layer.table, path)))),
        decides=decides,
        reason=reason,
    )


def _is_used(path: KeyPath) -> bool:
    return path[0] in Config.__struct_fields__


def _near(path: KeyPath) -> str | None:
    """The nearest known key: the same path with one other part."""
    for at, key in enumerate(path):
        keys = kind_of(all_keys(), path[:at])
        if not isinstance(keys, dict):
            return None
        if key not in keys and "*" not in keys:
            near = nearest(key, keys)
            return dotted((*path[:at], near, *path[at + 1 :])) if near else None
    return None
