"""All layers, read: system, user, profile, project, flags; the highest wins. I/O.

The order is that of Codex 0.171. An own config.toml counts alone; where codexd has none, that of Codex is read, and it is
never written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd.config.layers.known_keys import with_absolute_paths
from codexd.config.layers.layer import (
    FlagsSource,
    Layer,
    Source,
    SystemSource,
    UserSource,
    merged,
)
from codexd.config.layers.projects import project_layers
from codexd.config.layers.toml_file import InvalidConfig, Table, read_toml, refuse_unless_believed
from codexd.machine.paths import codex_home

SYSTEM_FILE: Final = Path("/etc/codex/config.toml")
# As Codex accepts them: the name is part of a file's name.
_PROFILE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Sources(msgspec.Struct, frozen=True):
    """Where the layers come from, besides codexd's own config.toml."""

    codex_home: Path | None = None  # whose config.toml is read where codexd has none
    system: Path | None = None
    profile: str | None = None  # NAME of the file NAME.config.toml beside config.toml
    flags: Table = {}
    strict: bool = False  # an unknown key is an error


ALONE: Final = Sources()  # a config.toml and nothing else


def sources_here(environ: Mapping[str, str]) -> Sources:
    """The places of this machine, without profile and flags."""
    return Sources(codex_home=codex_home(environ), system=SYSTEM_FILE)


def checked_profile(name: str | None) -> str | None:
    """The name of a profile, which is a part of a file's name. Raises: ValueError."""
    if name is not None and _PROFILE.fullmatch(name) is None:
        raise ValueError(
            f"--profile: expected a name of letters, digits, `-` and `_`, found {name[:80]!r}"
        )
    return name


def user_file(own: Path, sources: Sources) -> Path:
    """The config.toml of the person that counts: codexd's own, else that of Codex, if it is there."""
    # Links are not followed: they may lead to a disk that does not answer.
    if sources.codex_home is None or os.path.lexists(own):
        return own
    theirs = sources.codex_home / "config.toml"
    return theirs if os.path.lexists(theirs) else own


def read_layers(
    own: Path,
    sources: Sources,
    keys: dict[str, Any],
    folder: str | None = None,
    user: Layer | None = None,
) -> list[Layer]:
    """The layers, the lowest first; with those of a folder's project, where one is given. `user` is in place of the file
    of the person, which is not read then. Raises: InvalidConfig.
    """
    layers = []
    if sources.system is not None:
        layers.append(_file_layer(sources.system, SystemSource(str(sources.system)), keys))
    file = user_file(own, sources) if user is None else own
    user = user or _file_layer(file, UserSource(str(file)), keys)
    layers += [user, *_profile_layers(user, file, sources, keys)]
    above = [Layer(FlagsSource(), sources.flags)] if sources.flags else []
    if folder is not None:
        homes = [own.parent] + ([sources.codex_home] if sources.codex_home is not None else [])
        layers += project_layers(folder, merged([*layers, *above]), homes, keys)
    return layers + above


def user_layer(layers: Sequence[Layer]) -> Layer:
    """The layer of config.toml itself."""
    return next(
        layer
        for layer in layers
        if isinstance(layer.source, UserSource) and layer.source.profile is None
    )


def _file_layer(file: Path, source: Source, keys: dict[str, Any]) -> Layer:
    read = read_toml(file, refuse_unless_believed)
    if read is None:
        return Layer(source, {}, str(file))
    table = with_absolute_paths(read.table, str(file.parent), keys)
    return Layer(source, table, str(file), read.text)


def _profile_layers(user: Layer, file: Path, sources: Sources, keys: dict[str, Any]) -> list[Layer]:
    """The profile: a file of its own, or a table of config.toml, which Codex read up to version 0.133."""
    name = sources.profile
    named = name or user.table.get("profile")
    tables = user.table.get("profiles")
    found: list[Layer] = []
    if isinstance(named, str) and isinstance(tables, dict) and isinstance(tables.get(named), dict):
        warning = (
            f"{user.place(('profiles', named))}: Codex 0.134 and later do not read [profiles.{named}] and refuse "
            f'`profile = "{named}"`: move the settings to {file.with_name(f"{named}.config.toml")} and choose them '
            f"with `--profile {named}`."
        )
        source = UserSource(user.file, named)
        within = ("profiles", named)
        found.append(
            Layer(source, tables[named], user.file, user.text, within, warnings=(warning,))
        )
    if name is not None:
        beside = file.with_name(f"{name}.config.toml")
        found.append(_file_layer(beside, UserSource(str(beside), name), keys))
    elif isinstance(named, str) and not found:
        problem = f"expected a table [profiles.{named}], found none"
        raise InvalidConfig(user.file, user.line(("profile",)), "profile", problem)
    return found
