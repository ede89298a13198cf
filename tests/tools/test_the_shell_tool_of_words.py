"""The tool `shell`: a program and its arguments, run as they are, and shown and decided as a shell line is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codexd.core.policy.approval import needs_approval
from codexd.core.policy.command_rules import NOT_KNOWN_HARMLESS
from codexd.core.state.state import ThreadState
from codexd.core.values.limits import Traits
from codexd.core.values.settings import Settings
from codexd.core.values.tool_actions import ApplyPatch, BadCall, RunCommand, ToolResult
from codexd.tools.argv_shell import ArgvShell
from codexd.tools.registry import CallContext
from codexd.tools.shell import TIMEOUT_MS_DEFAULT, WORKDIR_BYTES_MAX, Shell, argv_of
from fixed_environment import FixedEnvironment
from kept import SHARED_KEEPER
from screen import Screen
from trio_test import trio_test

CONTEXT = CallContext(cwd="/project", thread_id="t", call_id="c")
PATCH = "*** Begin Patch\n*** Add File: a'b\n+it's $HOME\n*** End Patch"


def tool(path: str | None = os.environ["PATH"], shell: str = "/bin/sh") -> ArgvShell:
    environment = FixedEnvironment({} if path is None else {"PATH": path})
    return ArgvShell(Shell(environment, shell, SHARED_KEEPER))


def read(
    *command: str, of: ArgvShell | None = None, **arguments: object
) -> RunCommand | ApplyPatch | BadCall:
    asked = json.dumps({"command": command, **arguments})
    return (of or tool()).read_call(asked, CONTEXT)


async def performed(
    *command: str, cwd: str = "/", path: str | None = os.environ["PATH"]
) -> ToolResult:
    action = read(*command, workdir=cwd)
    assert isinstance(action, RunCommand)
    return await tool(path).perform(action, CONTEXT, Screen())


def test_words_become_the_line_that_is_shown_and_run_without_a_shell() -> None:
    assert read("grep", "-n", "a b;c", "x.py", workdir="sub", timeout=1500, more=1) == RunCommand(
        command="grep -n 'a b;c' x.py",
        argv=("grep", "-n", "a b;c", "x.py"),
        cwd="/project/sub",
        timeout_ms=1500,
        direct=True,
    )


def test_a_line_for_the_users_own_shell_is_that_line() -> None:
    for shell in ("sh", "/bin/sh"):
        for flag in ("-c", "-lc"):
            assert read(shell, flag, "ls | wc") == RunCommand(
                "ls | wc", ("/bin/sh", "-c", "ls | wc"), "/project", TIMEOUT_MS_DEFAULT
            )
    # Another shell may read the line otherwise.
    other = read("bash", "-lc", "ls | wc")
    assert isinstance(other, RunCommand)
    assert (other.command, other.direct) == ("bash -lc 'ls | wc'", True)
    assert read("bash", "-lc", "ls", of=tool(shell="/usr/bin/bash")) == RunCommand(
        "ls", ("/usr/bin/bash", "-c", "ls"), "/project", TIMEOUT_MS_DEFAULT
    )


@pytest.mark.parametrize(
    "command",
    [
        ["apply_patch", PATCH],
        ["applypatch", PATCH],
        ["bash", "-lc", f"apply_patch <<'EOF'\n{PATCH}\nEOF"],
        ["sh", "-c", f"cd sub && apply_patch <<'EOF'\n{PATCH}\nEOF\n"],
        ["/bin/zsh", "-lc", f"applypatch <<'P'\n{PATCH}\nP"],
    ],
)
def test_a_patch_that_is_run_as_a_command_is_a_patch(command: list[str]) -> None:
    action = read(*command, workdir="w")
    assert isinstance(action, ApplyPatch)
    assert action.patch.rstrip("\n") == PATCH
    assert action.cwd == ("/project/w/sub" if "cd sub" in command[-1] else "/project/w")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("{}", "missing required field `command`"),
        ('{"command":"ls -l"}', "Expected `array`"),
        ('{"command":[]}', "names no program"),
        ('{"command":[" "]}', "names no program"),
        ('{"command":["a\\u0000"]}', "NUL"),
        ('{"command":["a"],"workdir":"\\u0000"}', "NUL"),
        ('{"command":["a"],"timeout_ms":0.5}', "at least 1"),
        (json.dumps({"command": ["a"], "workdir": "x" * (WORKDIR_BYTES_MAX + 1)}), "longer than"),
        ("ls", "they are not JSON"),
    ],
)
def test_arguments_that_cannot_be_used_run_nothing(arguments: str, reason: str) -> None:
    action = tool().read_call(arguments, CONTEXT)
    assert isinstance(action, BadCall)
    assert reason in action.reason
    assert "of shell could" in action.reason
    assert "Nothing was run" in action.reason


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1))
def test_what_runs_is_what_was_said_word_for_word(words: list[str]) -> None:
    action = read(*words)
    if isinstance(action, RunCommand) and action.direct:
        assert argv_of(action, "/bin/sh") == tuple(words)


def test_a_model_has_one_of_the_two_tools() -> None:
    words, line = (
        tool(),
        Shell(FixedEnvironment({"PATH": os.environ["PATH"]}), "/bin/sh", SHARED_KEEPER),
    )
    for argv_shell in (True, False):
        traits = Traits(argv_shell=argv_shell)
        offered = [t.offered(traits, ThreadState()) is not None for t in (words, line)]
        assert offered == [argv_shell, not argv_shell]


def test_it_is_decided_as_a_shell_line_is() -> None:
    settings = Settings("/project", "m", "p", "untrusted", "read-only")
    reasons = {
        words: needs_approval(settings, action, frozenset())
        for words in (("ls", "-l"), ("rm", "-r", "x"), ("ls", "; rm x"))
        if isinstance(action := read(*words), RunCommand)
    }
    assert reasons == {
        ("ls", "-l"): None,
        ("rm", "-r", "x"): NOT_KNOWN_HARMLESS,
        ("ls", "; rm x"): None,
    }


@trio_test
async def test_the_words_are_not_read_by_a_shell() -> None:
    result = await performed("printf", "%s|", "$HOME", "*", "a  b", "")
    assert result.output == "$HOME|*|a  b||"
    assert result.exit_code == 0


@trio_test
async def test_a_program_that_is_not_there_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    screen = Screen()
    for program, reason in (
        ("no-such-program", "no-such-program is in no folder of PATH (/nowhere:/bin)"),
        ("./missing", "./missing is not there"),
        ("./data", "./data is not an executable file"),
        ("/", "/ is not an executable file"),
    ):
        action = read(program, workdir=str(tmp_path))
        assert isinstance(action, RunCommand)
        result = await tool("/nowhere:/bin").perform(action, CONTEXT, screen)
        text = f"command not found: {reason}. Nothing was run."
        assert result == ToolResult("failed", text, text, exit_code=127)
    assert screen.processes == []


@trio_test
async def test_a_program_is_looked_for_from_the_commands_folder(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "hello"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o755)
    for name, path in (("./bin/hello", "/bin"), ("hello", "bin:/bin")):
        result = await performed(name, cwd=str(tmp_path), path=path)
        assert result.output == "hello\n", result
    # Without PATH the usual folders count.
    assert (await performed("true", path=None)).exit_code == 0
