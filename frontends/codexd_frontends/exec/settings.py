"""The settings that a command line of `exec` gives to its thread, and whether it may work in the folder. I/O."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from codexd.machine.foreign_files import read_file
from codexd_frontends.bridge.overriding import settings_of
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import UsageError
from codexd_frontends.exec.asked import NotRun
from codexd_frontends.screen.drawn import one_line

# A profile is a page or two.
PROFILE_BYTES_MAX: Final = 1 << 20
# Where requests and the keys for them go: to ignore such a setting would send them elsewhere.
_ADDRESSES: Final = ("openai_base_url", "chatgpt_base_url", "model_providers")
_WORKSPACE: Final = "sandbox_workspace_write"


class Settings(NamedTuple):
    """The members of the request that begins the thread, and what is to be said about them."""

    params: dict[str, object]
    warnings: list[str]


class _User(msgspec.Struct, frozen=True):
    type: str = ""
    file: str = ""


class _Layer(msgspec.Struct, frozen=True):
    name: _User = _User()


class _Read(msgspec.Struct, frozen=True):
    config: dict[str, Any] = {}
    layers: tuple[_Layer, ...] | None = None


def thread_settings(daemon: Daemon, arguments: argparse.Namespace, cwd: str) -> Settings:
    """The settings of the thread: by flags, by `-c`, and by a profile. Raises: NotRun, UsageError, RequestRefused."""
    given = settings_of(arguments.settings, arguments.enable, arguments.disable)
    if arguments.profile is not None:
        given = _profile(daemon, arguments.profile) | given
    if any(key.split(".")[0] in _ADDRESSES for key in given):
        given = _without_addresses(given, _read(daemon, cwd).config)
    ignored = ignored_settings(given)
    if ignored and arguments.strict_config:
        raise NotRun(f"{ignored[0]}; nothing was run, as --strict-config asks for")
    folders = [os.path.abspath(folder) for folder in arguments.more_folders]
    if folders or any(key.split(".")[0] == _WORKSPACE for key in given):
        given = _with_workspace(given, folders, _read(daemon, cwd).config)
    params: dict[str, object] = {"cwd": cwd}
    if "approval_policy" not in given or arguments.bypass:
        params["approvalPolicy"] = "never"  # There is nobody to ask.
    params |= _given(
        model=arguments.model,
        modelProvider=getattr(arguments, "provider", None),
        sandbox=_sandbox(arguments),
        config=given,
    )
    return Settings(params, ignored)


def _given(**params: object) -> dict[str, object]:
    return {name: value for name, value in params.items() if value}


def _sandbox(arguments: argparse.Namespace) -> str | None:
    if arguments.bypass:
        return "danger-full-access"
    return "workspace-write" if arguments.full_auto else arguments.sandbox


def _read(daemon: Daemon, cwd: str | None, *, layers: bool = False) -> _Read:
    return daemon.call("config/read", {"cwd": cwd, "includeLayers": layers}, _Read)


def _profile(daemon: Daemon, name: str) -> dict[str, object]:
    """The settings of the file NAME.config.toml. Raises: NotRun, UsageError."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(
            f"--profile: expected a name of letters, digits, `-` and `_`, found {one_line(name, 80)!r}; "
            "nothing was run"
        )
    layers = _read(daemon, None, layers=True).layers or ()
    files = [Path(layer.name.file) for layer in layers if layer.name.type == "user"]
    if not files:
        raise NotRun(
            "--profile: there is no config.toml that it could stand beside; nothing was run"
        )
    import tomllib

    path = files[-1].with_name(f"{name}.config.toml")
    try:
        read = read_file(path, PROFILE_BYTES_MAX)
        return tomllib.loads(read.decode())
    except (OSError, ValueError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise NotRun(
            f"--profile: {one_line(str(path))} cannot be read: {why}; nothing was run"
        ) from error


def _without_addresses(given: dict[str, object], config: dict[str, Any]) -> dict[str, object]:
    """The settings without those of addresses, which have to be as in config.toml. Raises: NotRun."""
    for key in list(given):
        parts = key.split(".")
        if parts[0] not in _ADDRESSES:
            continue
        found: object = config
        for part in parts:
            found = found.get(part) if isinstance(found, dict) else None
        if found != given.pop(key):
            raise NotRun(
                f"-c {one_line(key, 80)} says where requests go, and that is the daemon's to know: write it into "
                "config.toml, for example with `codexctl config set`; nothing was run"
            )
    return given


def _with_workspace(
    given: dict[str, object], folders: list[str], config: dict[str, Any]
) -> dict[str, object]:
    """One table for what commands may do in the workspace: of config.toml, of `-c`, and the added folders."""
    table = dict(config.get(_WORKSPACE) or {})
    for key in list(given):
        first, _, member = key.partition(".")
        if first != _WORKSPACE:
            continue
        value = given.pop(key)
        if member:
            table[member] = value
        elif isinstance(value, dict):
            table |= value
    roots = table.get("writable_roots") or []
    if folders and isinstance(roots, list):
        table["writable_roots"] = [*roots, *(path for path in folders if path not in roots)]
    return {
        **given,
        _WORKSPACE: {name: value for name, value in table.items() if value is not None},
    }


def check_folder(daemon: Daemon, arguments: argparse.Namespace, cwd: str) -> None:
    """Refuse to work where no repository could take a change back, and nobody has said that it is fine. Raises: NotRun."""
    if arguments.skip_git_repo_check or arguments.bypass or any(_is_root(at) for at in _up(cwd)):
        return
    projects = _read(daemon, None).config.get("projects")
    for folder in {cwd, os.path.realpath(cwd)}:
        project = projects.get(folder) if isinstance(projects, dict) else None
        if isinstance(project, dict) and project.get("trust_level") == "trusted":
            return
    raise NotRun(
        f"expected a Git repository or a trusted directory, found neither at {one_line(cwd)}; nothing was run. "
        "--skip-git-repo-check works there all the same"
    )


def _up(folder: str) -> Iterator[Path]:
    path = Path(folder)
    return iter((path, *path.parents))


def _is_root(folder: Path) -> bool:
    return os.path.lexists(folder / ".git")


def ignored_settings(settings: Iterable[str]) -> list[str]:
    """A sentence about each key that only config.toml can set, since the daemon ignores it."""
    from codexd.protocol.config_overrides import ConfigOverrides

    known = {field.encode_name for field in msgspec.structs.fields(ConfigOverrides)}
    said = []
    for key in sorted({*settings} - known):
        near = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {near[0]}?" if near else "`codexctl config set` sets it for all"
        said.append(f"-c {one_line(key, 80)} is no setting of one thread and was ignored; {hint}")
    return said
