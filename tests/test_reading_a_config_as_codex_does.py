"""A config.toml means the same to Codex and to codexd: the real program reads each file beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from codex_keys import Codex
from codexd.config.effective import effective, origins
from codexd.config.file import read_config
from config_files import FILES, OURS
from installed_codex import PROGRAM, needs_program

pytestmark = [needs_program, pytest.mark.slow]


# Keys that Codex does not show, since it does not know them any more.
DROPPED = ("no_such_", "tools.view_image")


@pytest.fixture(scope="module")
def codex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codex]:
    codex = Codex(PROGRAM, tmp_path_factory.mktemp("codex"))
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
    codex.file.write_text(FILES[about], newline="")
    theirs = codex.call("config/read")["result"]
    read = read_config(codex.file)
    ours, decided = json.loads(effective(read)), json.loads(origins(read))
    assert decided.keys() == theirs["origins"].keys()
    shown = {path: at(ours, path) for path in decided if not path.startswith(DROPPED)}
    assert shown == {path: at(theirs["config"], path) for path in shown}
    assert bool(read.warnings) == (about == "unknown")


@pytest.mark.parametrize("about", OURS)
def test_a_file_of_ours_loads_there(codex: Codex, about: str) -> None:
    codex.file.write_text(OURS[about])
    assert read_config(codex.file).warnings == ()
    assert "result" in codex.call("config/read")
