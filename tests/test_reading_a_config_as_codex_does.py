"""A config.toml means the same to Codex and to codexd: the real program reads each file beside ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codexd.config.effective import effective, origins
from codexd.config.file import read_config
from config_files import FILES, OURS
from installed_codex import PROGRAM, needs_program

pytestmark = [needs_program, pytest.mark.slow]


# Keys that Codex does not show, since it does not know them any more.
DROPPED = ("no_such_", "tools.view_image")


class Codex:
    """A `codex app-server` of its own home."""

    def __init__(self, home: Path) -> None:
        self.home, self._numbers = home, iter(range(1, 10_000))
        self._process = subprocess.Popen(
            [PROGRAM, "app-server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"HOME": str(home), "CODEX_HOME": str(home), "PATH": "/usr/bin:/bin"},
            text=True,
        )
        self.call("initialize", clientInfo={"name": "t", "version": "1"})

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(
            json.dumps({"id": number, "method": method, "params": params}) + "\n"
        )
        self._process.stdin.flush()
        while True:
            message: dict[str, Any] = json.loads(self._process.stdout.readline())
            if message.get("id") == number:
                return message

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def codex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codex]:
    codex = Codex(tmp_path_factory.mktemp("codex"))
    yield codex
    codex.close()


def at(value: Any, path: str) -> Any:
    """The value that an origin is about; its parts may have dots."""
    if not path or value is None:
        return value
    if isinstance(value, list):
        index, _, rest = path.partition(".")
        return at(value[int(index)], rest)
    for end in sorted((key for key in value if path == key or path.startswith(f"{key}.")), key=len):
        return at(value[end], path[len(end) + 1 :])
    return None


@pytest.mark.parametrize("about", FILES)
def test_a_file_of_codex_has_the_same_values_here(
    codex: Codex, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(codex.home))
    file = codex.home / "config.toml"
    file.write_text(FILES[about], newline="")
    theirs = codex.call("config/read")["result"]
    read = read_config(file)
    ours, decided = json.loads(effective(read)), json.loads(origins(read))
    assert decided.keys() == theirs["origins"].keys()
    shown = {path: at(ours, path) for path in decided if not path.startswith(DROPPED)}
    assert shown == {path: at(theirs["config"], path) for path in shown}
    assert bool(read.warnings) == (about == "unknown")


@pytest.mark.parametrize("about", OURS)
def test_a_file_of_ours_loads_there(codex: Codex, about: str) -> None:
    file = codex.home / "config.toml"
    file.write_text(OURS[about])
    assert read_config(file).warnings == ()
    assert "result" in codex.call("config/read")
