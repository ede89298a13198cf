"""A command that runs unasked is the program of that name on the person's PATH, never one that lies in the folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from codexd.core.values.tool_actions import RunCommand
from codexd.tools.registry import CallContext
from codexd.tools.shell import Shell
from fixed_environment import FixedEnvironment
from kept import SHARED_KEEPER
from screen import Screen
from trio_test import trio_test

LINE = "ls; cat x | sort; find . -name x; git log; rg x; [ -e x ]; command -v ls; wc -l < x"
PROGRAMS = ("ls", "cat", "sort", "find", "git", "rg", "wc", "grep", "sh", "[", "test", "command")
RELATIVE = (".", "", "./", "bin", "../w", "./bin", "~/bin", "..")


def hostile(root: Path) -> Path:
    folder = root / "w"
    for place in (folder, folder / "bin", root, folder / "~" / "bin"):
        place.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            (place / name).write_text(f"#!/bin/sh\n: > {root}/ran\n")
            (place / name).chmod(0o755)
    (folder / "x").write_text("x\n")
    return folder


@pytest.mark.parametrize("entry", RELATIVE)
@pytest.mark.slow
@pytest.mark.parametrize("direct", [False, True], ids=["line", "words"])
@trio_test
async def test_a_folder_on_the_path_that_depends_on_where_one_is_does_not_count(
    tmp_path: Path, entry: str, direct: bool
) -> None:
    folder = hostile(tmp_path)
    for path in (
        f"{entry}:/usr/bin:/bin",
        f"/usr/bin:{entry}:/bin",
        f"/usr/bin:/bin:{entry}",
        entry,
    ):
        shell = Shell(FixedEnvironment({"PATH": path}), "/bin/sh", SHARED_KEEPER)
        line = "ls x" if direct else LINE
        action = RunCommand(line, (), str(folder), 20_000, direct=direct)
        context = CallContext(cwd=str(folder), thread_id="t", call_id="c", guarded=True)
        ended = await shell.perform(action, context, Screen())
        assert "x" in ended.output
        assert not (tmp_path / "ran").exists(), path
    # And the traps do work: what a person allowed runs as the person has it.
    unguarded = Shell(
        FixedEnvironment({"PATH": f"{folder}/bin:/usr/bin:/bin"}), "/bin/sh", SHARED_KEEPER
    )
    await unguarded.perform(action, replace(context, guarded=False), Screen())
    assert (tmp_path / "ran").exists()
