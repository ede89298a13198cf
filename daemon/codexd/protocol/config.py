"""Methods and notifications about the configuration: those of Codex, and codexd's own around config.toml."""

from __future__ import annotations

from typing import Literal

import msgspec

MergeStrategy = Literal["replace", "upsert"]


class ConfigReadParams(msgspec.Struct, frozen=True, rename="camel"):
    """Read the settings in force for a folder."""

    include_layers: bool | None = False
    cwd: str | None = None  # with the settings of this folder's project


class ConfigReadResponse(msgspec.Struct, frozen=True):
    """The settings in force, by their names in config.toml, and the layer that decides each."""

    config: msgspec.Raw
    origins: msgspec.Raw
    layers: msgspec.Raw | None = None  # the highest first


class ConfigRequirementsReadResponse(msgspec.Struct, frozen=True):
    """An administrator's requirements; codexd has none."""

    requirements: None = None


class ConfigEdit(msgspec.Struct, frozen=True, rename="camel"):
    """A change of one key."""

    key_path: str  # dotted; parts that have dots are quoted
    value: msgspec.Raw  # null removes the key
    merge_strategy: MergeStrategy  # "upsert" merges a table into the one that is there


class ConfigValueWriteParams(ConfigEdit, frozen=True, kw_only=True):
    """Change one key of config.toml."""

    file_path: str | None = None  # no other file than that of the person may be written
    expected_version: str | None = None


class ConfigBatchWriteParams(msgspec.Struct, frozen=True, rename="camel"):
    """Change several keys of config.toml: all of them, or none."""

    edits: tuple[ConfigEdit, ...]
    file_path: str | None = None
    expected_version: str | None = None
    reload_user_config: bool | None = False  # codexd reads the file again anyway


class ConfigLayerMetadata(msgspec.Struct, frozen=True):
    """A layer, and the version of its settings."""

    name: msgspec.Raw
    version: str


class OverriddenMetadata(msgspec.Struct, frozen=True, rename="camel"):
    """Why what was written is not in force."""

    message: str
    overriding_layer: ConfigLayerMetadata
    effective_value: msgspec.Raw


class ConfigWriteResponse(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The file was written."""

    status: Literal["ok", "okOverridden"]
    version: str
    file_path: str
    overridden_metadata: OverriddenMetadata | None = None
    warnings: tuple[str, ...] | msgspec.UnsetType = (
        msgspec.UNSET
    )  # codexd only: keys that nobody knows
    # codexd only: there was no config.toml, and it began as a copy of this file
    copied_from: str | msgspec.UnsetType = msgspec.UNSET


class ConfigExplainParams(msgspec.Struct, frozen=True, rename="camel"):
    """Ask why a key has its value."""

    key_path: str
    cwd: str | None = None


class ExplainedLayer(msgspec.Struct, frozen=True, rename="camel"):
    """A layer that sets the key."""

    name: msgspec.Raw
    place: str  # file and line, or the flags
    value: msgspec.Raw
    decides: bool  # whether its value is in force, or a part of it
    reason: str  # why, or why not


class ConfigExplainResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The value in force, and all layers that set the key, the highest first."""

    key: str
    value: msgspec.Raw
    layers: tuple[ExplainedLayer, ...]
    expected: str | None  # the values that it may have; null: nobody knows the key
    used_by: Literal["codexd", "codex"] | None  # null: nobody
    near: str | None = None  # the nearest known key, if nobody knows this one
    file: str = ""  # the config.toml that is written


class ConfigFileReadResponse(msgspec.Struct, frozen=True, rename="camel"):
    """The text of config.toml, which an edit begins with."""

    file: str  # where it is
    text: str
    copied_from: str | None = None  # there is none yet: the text is of this file


class ConfigFileWriteParams(msgspec.Struct, frozen=True):
    """Write the text of config.toml, if it could be used."""

    text: str
    expected: str | None = None  # the text that is to be replaced


class ConfigWarningNotification(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the configuration cannot be used, or has a key that nobody knows."""

    summary: str
    details: str | None = None
    path: str | None = None
    range: TextRange | None = None


class TextPosition(msgspec.Struct, frozen=True):
    """A place in a file, counted from 1."""

    line: int
    column: int


class TextRange(msgspec.Struct, frozen=True):
    """A part of a file."""

    start: TextPosition
    end: TextPosition


class ExperimentalFeatureListParams(msgspec.Struct, frozen=True, rename="camel"):
    """List the features that can be switched."""

    cursor: str | None = None
    limit: int | None = None
    thread_id: str | None = None  # as they are in this thread's folder


class ExperimentalFeature(msgspec.Struct, frozen=True, rename="camel"):
    """A feature of `[features]` that codexd has."""

    name: str
    stage: Literal["beta", "underDevelopment", "stable", "deprecated", "removed"]
    enabled: bool
    default_enabled: bool
    display_name: str | None = None  # these for a picker, where the stage is beta
    description: str | None = None
    announcement: str | None = None


class ExperimentalFeatureListResponse(msgspec.Struct, frozen=True, rename="camel"):
    """A page of features."""

    data: tuple[ExperimentalFeature, ...]
    next_cursor: str | None = None
