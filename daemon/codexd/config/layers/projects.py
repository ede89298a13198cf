"""The layers of a project: `.codex/config.toml` of each folder from its root down, where a person trusts it. I/O.

Law: a repository decides nothing before a person has said that it is trusted, and never where conversations are sent,
which secrets are kept out of logs, or which programs run for the daemon itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd.config.layers.known_keys import with_absolute_paths
from codexd.config.layers.layer import Layer, ProjectSource
from codexd.config.layers.toml_file import InvalidConfig, KeyPath, Table, read_toml
from codexd.machine.foreign_files import read_file

# Folders between a project's root and a thread's folder: more is a loop of links.
FOLDERS_MAX: Final = 256
# A file `.git` of a worktree is one line with a path.
GIT_FILE_BYTES_MAX: Final = 8 * 1024
FILE: Final = Path(".codex", "config.toml")
# What a project may not set. The first rows are Codex's: they choose where credentials go, and which programs run.
REFUSED: Final[tuple[KeyPath, ...]] = (
    ("openai_base_url",),
    ("chatgpt_base_url",),
    ("apps_mcp_product_sku",),
    ("model_provider",),
    ("model_providers",),
    ("notify",),
    ("profile",),
    ("profiles",),
    ("experimental_realtime_webrtc_call_base_url",),
    ("experimental_realtime_ws_base_url",),
    ("otel",),
    ("feedback",),
    ("login",),  # of codexd
    ("features", "respect_system_proxy"),
    # Of codexd: trust itself, the sandbox of a machine that has none, and what is kept out of logs.
    ("projects",),
    ("allow_unsandboxed",),
    ("redaction",),
)


class Trust(msgspec.Struct, frozen=True):
    """What a person said of a folder."""

    level: str | None  # "trusted", "untrusted"; None: nothing
    key: str  # of the table [projects], where it is said, or would be


def trust_of(levels: Mapping[str, str | None], folder: str, root: str | None = None) -> Trust:
    """What was said of the folder, of its project's root, or of the repository that it belongs to.

    `levels` has the trust level of each folder in the table `[projects]`.
    """
    root = root or repository_root(folder)
    main = main_checkout(root)
    for place in dict.fromkeys((folder, root, main)):
        for key in dict.fromkeys((os.path.realpath(place), place)):
            if (level := levels.get(key)) is not None:
                return Trust(level, key)
    return Trust(None, os.path.realpath(main))


def repository_root(folder: str, markers: Sequence[str] = (".git",)) -> str:
    """The nearest folder around it that has one of the markers; else the folder itself."""
    place = folder
    while not any(os.path.lexists(os.path.join(place, marker)) for marker in markers):
        above = os.path.dirname(place)
        if above == place:
            return folder
        place = above
    return place


def main_checkout(root: str) -> str:
    """The repository that a linked worktree belongs to; else the folder itself.

    The repository must name the worktree in turn: otherwise a file `.git` could claim any repository's trust.
    """
    file = Path(root, ".git")
    try:
        text = read_file(file, GIT_FILE_BYTES_MAX).decode()
        own = Path(root, text.removeprefix("gitdir:").strip())
        named = Path(read_file(own / "gitdir", GIT_FILE_BYTES_MAX).decode().strip())
    except (OSError, ValueError):
        return root
    if not text.startswith("gitdir:") or own.parent.name != "worktrees":
        return root
    if os.path.realpath(own / named) != os.path.realpath(file):
        return root
    return str(own.parent.parent.parent)


def project_folders(folder: str, markers: Sequence[str]) -> list[str]:
    """The folders from a project's root down to this one."""
    root = repository_root(folder, markers) if markers else folder
    folders = [folder]
    while folders[-1] != root and len(folders) < FOLDERS_MAX:
        folders.append(os.path.dirname(folders[-1]))
    return folders[::-1]


def project_layers(
    folder: str, settings: Table, homes: Sequence[Path], keys: dict[str, Any]
) -> list[Layer]:
    """The layers for this folder, the lowest first; `settings` are those of the layers below.

    `homes` are folders of the person's own files, which no project has. Raises: InvalidConfig.
    """
    found, own = settings.get("project_root_markers"), set(map(os.path.realpath, homes))
    markers = [marker for marker in found if marker] if isinstance(found, list) else [".git"]
    levels = _levels(settings.get("projects"))
    places = project_folders(folder, markers)
    layers = []
    for place in map(Path, places):
        file = place / FILE
        if os.path.realpath(file.parent) in own or not os.path.lexists(file):
            continue
        layer = _layer(file, trust_of(levels, str(place), places[0]), keys)
        layers += [layer] if layer is not None else []
    return layers


def _levels(projects: object) -> dict[str, str]:
    tables = projects.items() if isinstance(projects, dict) else ()
    return {
        key: level
        for key, project in tables
        if isinstance(project, dict) and isinstance(level := project.get("trust_level"), str)
    }


def has_project_files(folder: str, markers: Sequence[str]) -> bool:
    """Whether there may be a layer of a project for this folder."""
    places = project_folders(folder, markers)
    return any(os.path.lexists(os.path.join(place, FILE)) for place in places)


def _layer(file: Path, trust: Trust, keys: dict[str, Any]) -> Layer | None:
    """The layer of a file, which says why it does not count; None: there is no file. Raises: InvalidConfig."""
    is_trusted = trust.level == "trusted"
    try:
        read = read_toml(file, lambda _: None)
    except InvalidConfig:
        if is_trusted:
            raise
        return None
    if read is None:
        return None
    table, refused = _allowed(read.table)
    source, warnings = ProjectSource(str(file.parent)), tuple[str, ...]()
    if refused and is_trusted:
        warning = (
            f"Ignored unsupported project-local config keys in {file}: {', '.join(refused)}. If you want these "
            "settings to apply, manually set them in your user-level config.toml."
        )
        warnings = (warning,)
    table = with_absolute_paths(table, str(file.parent), keys)
    disabled = None if is_trusted else _why_disabled(trust)
    return Layer(source, table, str(file), read.text, disabled=disabled, warnings=warnings)


def _allowed(table: Table) -> tuple[Table, list[str]]:
    """The table without what a project may not set, and the keys that were left out."""
    refused = []
    for path in REFUSED:
        inner = table.get(path[0])
        if len(path) == 1 and path[0] in table:
            table = {key: value for key, value in table.items() if key != path[0]}
            refused.append(path[0])
        elif len(path) > 1 and isinstance(inner, dict) and path[1] in inner:
            rest = {key: value for key, value in inner.items() if key != path[1]}
            table = table | {path[0]: rest}
            refused.append(".".join(path))
    return table, refused


def _why_disabled(trust: Trust) -> str:
    if trust.level == "untrusted":
        return (
            f"{trust.key} is marked as untrusted. To load project-local config, mark it trusted: "
            f"`codexctl config set 'projects.\"{trust.key}\".trust_level' trusted`."
        )
    return (
        f"To load project-local config, add {trust.key} as a trusted project: "
        f"`codexctl config set 'projects.\"{trust.key}\".trust_level' trusted`."
    )
