"""codexctl config: what the configuration is and why, and changes of config.toml.

The daemon reads the layers and writes the file, so it is started if none runs.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from codexd_frontends.bridge.overriding import toml_value
from codexd_frontends.cli.console import Console
from codexd_frontends.cli.start import connect
from codexd_frontends.client.client import Daemon
from codexd_frontends.client.errors import CommandError, RequestRefused, UsageError
from codexd_frontends.client.exits import DONE, FAILED, Exit
from codexd_frontends.client.messages import Received
from codexd_frontends.screen.drawn import drawn_once, one_line

# Of a value in a list: longer ones are of instructions.
VALUE_CHARACTERS_MAX: Final = 200


class _Layer(Received, frozen=True, kw_only=True):
    place: str
    value: msgspec.Raw
    decides: bool
    reason: str


class _Explained(Received, frozen=True, kw_only=True):
    key: str
    value: msgspec.Raw
    layers: tuple[_Layer, ...] = ()
    expected: str | None = None
    used_by: str | None = None
    near: str | None = None
    file: str = ""


class _Read(Received, frozen=True, kw_only=True):
    config: msgspec.Raw
    origins: Mapping[str, msgspec.Raw] = {}


class _Overridden(Received, frozen=True, kw_only=True):
    message: str
    effective_value: msgspec.Raw = msgspec.Raw(b"null")


class _Written(Received, frozen=True, kw_only=True):
    status: str
    version: str
    file_path: str
    overridden_metadata: _Overridden | None = None
    warnings: tuple[str, ...] = ()
    copied_from: str | None = None


class _File(Received, frozen=True, kw_only=True):
    file: str
    text: str


def run(arguments: argparse.Namespace, console: Console) -> Exit:
    """Do what the action says."""
    return _ACTIONS[arguments.action](arguments, console)


def _get(arguments: argparse.Namespace, console: Console) -> Exit:
    if arguments.key is None:
        return _list(arguments, console)
    explained = _explain_key(arguments, console)
    value = msgspec.json.decode(explained.value)
    if console.json:
        console.document({"key": explained.key, "value": value})
        return DONE
    if explained.used_by is None and not explained.layers:
        raise UsageError(_unknown(explained))
    if value is None:
        console.talk(f"{one_line(explained.key)} is not set")
        return FAILED
    console.answers(_shown(value).split("\n"))
    return DONE


def _list(arguments: argparse.Namespace, console: Console) -> Exit:
    params = {"cwd": _folder(arguments), "includeLayers": False}
    with connect(console) as daemon:
        read = daemon.call("config/read", params, _Read)
    if console.json:
        console.document({"config": read.config, "origins": read.origins})
        return DONE
    config = msgspec.json.decode(read.config)
    for key in sorted(read.origins):
        value = one_line(_shown(_at(config, key)), VALUE_CHARACTERS_MAX)
        console.answer(f"{one_line(key)} = {value}")
    return DONE


def _explain(arguments: argparse.Namespace, console: Console) -> Exit:
    explained = _explain_key(arguments, console)
    if console.json:
        console.document(_members(explained))
        return DONE
    if explained.used_by is None and not explained.layers:
        raise UsageError(_unknown(explained))
    key, value = one_line(explained.key), msgspec.json.decode(explained.value)
    lines = [f"{key} = {_brief(value)}"]
    for layer in explained.layers:
        mark = "*" if layer.decides else " "
        lines.append(
            f"{mark} {one_line(layer.place)}: {_brief(msgspec.json.decode(layer.value))}"
            f"  ({drawn_once(layer.reason, 300)})"
        )
    if not explained.layers:
        lines.append("  no layer sets it: this is the default")
    if explained.used_by is None:
        lines.append(f"  {_unknown(explained)}")
    elif explained.used_by == "codex":
        lines.append("  codexd does not use it: it is a key of Codex")
    if explained.expected is not None:
        lines.append(f"  expected: {drawn_once(explained.expected, 300)}")
    console.answers(lines)
    return DONE


def _set(arguments: argparse.Namespace, console: Console) -> Exit:
    return _write(arguments, console, toml_value(arguments.value))


def _unset(arguments: argparse.Namespace, console: Console) -> Exit:
    return _write(arguments, console, None)


def _write(arguments: argparse.Namespace, console: Console, value: Any) -> Exit:
    params = {"keyPath": arguments.key, "value": value, "mergeStrategy": "replace"}
    with connect(console) as daemon:
        written = daemon.call("config/value/write", params, _Written)
    key, file = one_line(arguments.key), one_line(written.file_path)
    members = {"key": arguments.key, "value": value, **_members(written)}
    did = f"removed {key} from {file}" if value is None else f"wrote {key} to {file}"
    console.result(members, did)
    _report(written, console)
    return DONE


def _report(written: _Written, console: Console) -> None:
    if written.copied_from is not None:
        console.talk(
            f"there was no {one_line(written.file_path)}: it began as a copy of {one_line(written.copied_from)}, "
            "which is not read any more"
        )
    for warning in written.warnings:
        console.talk(f"warning: {drawn_once(warning, 400)}")
    if written.overridden_metadata is not None:
        value = msgspec.json.decode(written.overridden_metadata.effective_value)
        said = one_line(written.overridden_metadata.message, 400)
        console.talk(f"warning: it has no effect. {said}, where it is {_brief(value)}")


def _edit(arguments: argparse.Namespace, console: Console) -> Exit:
    """Open a copy in an editor, and write it once it can be used."""
    with connect(console) as daemon:
        file = daemon.call("config/file/read", {}, _File)
        with tempfile.TemporaryDirectory(prefix="codexctl-") as folder:
            copy = Path(folder, "config.toml")
            copy.touch(mode=0o600)
            copy.write_text(file.text, encoding="utf-8")
            while True:
                _open_editor(copy)
                text = copy.read_text(encoding="utf-8", errors="replace")
                if text == file.text:
                    console.result({"file": file.file, "changed": False}, "nothing was changed")
                    return DONE
                written = _try_to_write(daemon, file, text, console)
                if written is not None:
                    break
    console.result(
        {"file": file.file, "changed": True, "version": written.version},
        f"wrote {one_line(written.file_path)}",
    )
    _report(written, console)
    return DONE


def _open_editor(file: Path) -> None:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        ended = subprocess.run([*shlex.split(editor), str(file)], check=False)
    except (OSError, ValueError) as error:
        raise CommandError(
            f"the editor {one_line(editor, 80)!r} was not opened ({error}); $EDITOR names another; nothing was changed"
        ) from error
    if ended.returncode != 0:
        raise CommandError(
            f"the editor {one_line(editor, 80)!r} ended with {ended.returncode}; nothing was changed"
        )


def _try_to_write(daemon: Daemon, file: _File, text: str, console: Console) -> _Written | None:
    """Write the text; None: it cannot be used, and the person goes on editing. Raises: RequestRefused."""
    try:
        return daemon.call("config/file/write", {"text": text, "expected": file.text}, _Written)
    except RequestRefused as refused:
        if not console.may_ask:
            raise
        console.talk(f"codexctl: {drawn_once(str(refused), 600)}")
        console.ask("Edit it again? [Y/n] ")
        if sys.stdin.readline().strip().lower() not in ("", "y", "yes"):
            raise
        return None


def _explain_key(arguments: argparse.Namespace, console: Console) -> _Explained:
    params = {"keyPath": arguments.key, "cwd": _folder(arguments)}
    with connect(console) as daemon:
        return daemon.call("config/explain", params, _Explained)


def _folder(arguments: argparse.Namespace) -> str:
    return os.path.abspath(os.path.expanduser(arguments.cwd or os.curdir))


def _unknown(explained: _Explained) -> str:
    hint = f"; did you mean {one_line(explained.near)}?" if explained.near else ""
    return f"neither codexd nor Codex knows a key {one_line(explained.key)}{hint}"


def _members(answer: msgspec.Struct) -> dict[str, Any]:
    """An answer for JSON, its encoded members decoded."""
    members: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(answer))
    return members


def _shown(value: Any) -> str:
    """A value for programs: a text as it is, all else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _brief(value: Any) -> str:
    text = "not set" if value is None else msgspec.json.encode(value).decode()
    return one_line(text, VALUE_CHARACTERS_MAX)


def _at(value: Any, path: str) -> Any:
    """The value that an origin is about; the names of its parts may have dots."""
    if not path:
        return value
    if isinstance(value, list):
        index, _, rest = path.partition(".")
        is_there = index.isdecimal() and int(index) < len(value)
        return _at(value[int(index)], rest) if is_there else None
    for key in value if isinstance(value, dict) else ():
        if path == key or path.startswith(f"{key}."):
            return _at(value[key], path[len(key) + 1 :])
    return None


_ACTIONS: Final[Mapping[str, Callable[[argparse.Namespace, Console], Exit]]] = {
    "get": _get,
    "set": _set,
    "unset": _unset,
    "explain": _explain,
    "edit": _edit,
}
