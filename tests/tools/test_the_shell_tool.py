"""The tool `shell_command`: a call's arguments, and the model's answer about the command's end."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import msgspec
import pytest
import trio
import trio.lowlevel
from msgspec.structs import replace

from codexd.core.state.state import ThreadState
from codexd.core.values.enforced import Sandbox
from codexd.core.values.limits import Traits
from codexd.core.values.tool_actions import BadCall, RunCommand, ToolResult
from codexd.keeper.session import session_lives, signal_session
from codexd.tools.following import MODEL_OUTPUT_BYTES_MAX
from codexd.tools.registry import CallContext, Registry
from codexd.tools.shell import (
    DECLARATION,
    TIMEOUT_MS_DEFAULT,
    TIMEOUT_MS_MAX,
    Shell,
    shell_argv,
)
from fixed_environment import FixedEnvironment
from kept import SHARED_KEEPER
from screen import Screen
from trio_test import trio_test

CONTEXT = CallContext(cwd="/project", thread_id="t", call_id="c")


ENVIRONMENT = FixedEnvironment({"PATH": os.environ["PATH"], "NAME": "value"})
SHELL = Shell(ENVIRONMENT, "/bin/sh", SHARED_KEEPER)


def command(line: str, cwd: str = "/", timeout_ms: int = 20_000) -> RunCommand:
    return RunCommand(command=line, argv=("/bin/sh", "-c", line), cwd=cwd, timeout_ms=timeout_ms)


async def perform(line: str, cwd: str = "/", timeout_ms: int = 20_000) -> ToolResult:
    return await SHELL.perform(command(line, cwd, timeout_ms), CONTEXT, Screen())


def without_time(text: str) -> str:
    return re.sub(r"(?m)^Wall time: \d+\.\d{4} seconds$", "Wall time: S seconds", text)


def test_a_call_becomes_a_command_in_the_users_shell() -> None:
    assert SHELL.read_call('{"command": "ls -l | wc"}', CONTEXT) == RunCommand(
        command="ls -l | wc",
        argv=("/bin/sh", "-c", "ls -l | wc"),
        cwd="/project",
        timeout_ms=TIMEOUT_MS_DEFAULT,
    )


def test_half_of_a_character_in_a_call_is_replaced() -> None:
    call = Registry(SHELL).read_call(SHELL.name, r'{"command": "echo \ud83d"}', CONTEXT)
    assert isinstance(call, RunCommand)
    assert call.command == "echo \ufffd"


def test_arguments_that_are_a_json_text_of_an_object_are_that_object() -> None:
    call = Registry(SHELL).read_call(SHELL.name, r'"{\"command\": \"ls\"}"', CONTEXT)
    assert isinstance(call, RunCommand)
    assert call.command == "ls"


def test_a_call_may_say_where_how_long_and_why() -> None:
    arguments = msgspec.json.encode(
        {
            "command": "make",
            "workdir": "sub/./folder",
            "timeout_ms": 1500.0,
            "sandbox_permissions": "require_escalated",
            "justification": "May I?",
            "unheard_of": [1],
        }
    ).decode()
    assert SHELL.read_call(arguments, CONTEXT) == RunCommand(
        command="make",
        argv=("/bin/sh", "-c", "make"),
        cwd="/project/sub/folder",
        timeout_ms=1500,
        escalated=True,
        justification="May I?",
    )


def test_empty_arguments_count_as_left_out() -> None:
    arguments = """{"command": "ls", "workdir": "", "timeout_ms": null, "sandbox_permissions": null,
        "justification": ""}"""
    assert SHELL.read_call(arguments, CONTEXT) == SHELL.read_call('{"command": "ls"}', CONTEXT)


def test_an_absolute_folder_is_used_unchanged() -> None:
    action = SHELL.read_call('{"command": "ls", "workdir": "/etc"}', CONTEXT)
    assert isinstance(action, RunCommand)
    assert action.cwd == "/etc"


def test_no_command_may_run_longer_than_the_limit() -> None:
    action = SHELL.read_call('{"command": "ls", "timeout_ms": 1e300}', CONTEXT)
    assert isinstance(action, RunCommand)
    assert action.timeout_ms == TIMEOUT_MS_MAX


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ("", "they are not JSON"),
        ("{", "they are not JSON"),
        ('{"command": "ls"} x', "they are not JSON"),
        ('{"command": "\\ud800"}', "they are not JSON"),
        ("[]", "Expected `object`, got `array`"),
        ("null", "Expected `object`, got `null`"),
        ("{}", "missing required field `command`"),
        ('{"command": ["ls"]}', "Expected `str`, got `array` - at `$.command`"),
        ('{"command": 7}', "Expected `str`, got `int` - at `$.command`"),
        ('{"command": ""}', "`command` is empty"),
        ('{"command": " \\n"}', "`command` is empty"),
        ('{"command": "a\\u0000b"}', "NUL"),
        ('{"command": "ls", "workdir": "a\\u0000b"}', "NUL"),
        ('{"command": "ls", "workdir": 1}', "at `$.workdir`"),
        ('{"command": "ls", "timeout_ms": "1"}', "at `$.timeout_ms`"),
        ('{"command": "ls", "timeout_ms": 0}', "`timeout_ms` must be at least 1, found 0"),
        ('{"command": "ls", "timeout_ms": -5}', "`timeout_ms` must be at least 1, found -5"),
        ('{"command": "ls", "sandbox_permissions": "root"}', "at `$.sandbox_permissions`"),
    ],
)
def test_unusable_arguments_are_answered_with_the_reason(arguments: str, reason: str) -> None:
    action = SHELL.read_call(arguments, CONTEXT)
    assert isinstance(action, BadCall)
    assert reason in action.reason
    assert "Nothing was run." in action.reason


def test_the_model_gets_every_argument_that_is_read() -> None:
    declared = msgspec.json.decode(DECLARATION)
    assert (declared["type"], declared["name"], declared["strict"]) == (
        "function",
        "shell_command",
        False,
    )
    assert declared["parameters"]["required"] == ["command"]
    assert set(declared["parameters"]["properties"]) == {
        "command",
        "workdir",
        "timeout_ms",
        "sandbox_permissions",
        "justification",
        "prefix_rule",
    }


def test_it_is_one_of_the_tools_of_a_thread() -> None:
    registry = Registry(SHELL)
    assert registry.offered(Traits(), ThreadState()) == (DECLARATION,)
    arguments = '{"command": "ls"}'
    assert registry.read_call("shell_command", arguments, CONTEXT) == SHELL.read_call(
        arguments, CONTEXT
    )
    assert registry.read_call("fly", arguments, CONTEXT) == BadCall(
        reason="unsupported call: fly. The tools here are: shell_command."
    )


@trio_test
async def test_the_model_gets_the_code_the_time_and_the_output() -> None:
    result = await perform("echo out; echo err >&2; exit 3")
    assert without_time(result.model_text) == (
        "Exit code: 3\nWall time: S seconds\nOutput:\nout\nerr\n"
    )
    assert (result.status, result.exit_code) == ("failed", 3)
    assert (result.output, result.output_bytes) == ("out\nerr\n", 8)


@trio_test
async def test_a_command_that_ends_well_is_completed() -> None:
    result = await perform('echo "$NAME"; pwd', cwd="/usr")
    assert (result.status, result.exit_code, result.output) == ("completed", 0, "value\n/usr\n")


@trio_test
async def test_a_command_that_does_not_exist_is_the_shells_127() -> None:
    result = await perform("surely-no-such-program")
    assert (result.status, result.exit_code) == ("failed", 127)
    assert "surely-no-such-program" in result.output


@trio_test
async def test_long_output_is_cut_in_the_middle_for_the_model_and_whole_for_screens() -> None:
    result = await perform("seq 1 20000")
    assert result.output == "".join(f"{n}\n" for n in range(1, 20_001))
    head, _, text = result.model_text.partition("Output:\n")
    assert without_time(head) == "Exit code: 0\nWall time: S seconds\nTotal output lines: 20000\n"
    assert text.startswith("1\n2\n3\n")
    assert text.endswith("19999\n20000\n")
    assert " tokens truncated…\n" in text
    assert len(text.encode()) <= MODEL_OUTPUT_BYTES_MAX + 1


@trio_test
async def test_a_command_whose_time_is_over_is_ended_and_its_output_is_returned() -> None:
    result = await perform("echo begun; sleep 60", timeout_ms=100)
    assert without_time(result.model_text) == (
        "Exit code: 124\nWall time: S seconds\nOutput:\ncommand timed out after 100 ms\nbegun\n"
    )
    assert (result.status, result.exit_code, result.output) == ("failed", 124, "begun\n")
    assert result.duration_ms is not None
    assert 100 <= result.duration_ms < 2_000


@trio_test
async def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    result = await perform("ls", cwd=gone)
    assert result.model_text == (
        f"The command was not run: the directory {gone} does not exist (any more)."
    )
    assert (result.status, result.exit_code) == ("failed", -1)


@trio_test
async def test_a_shell_that_is_gone_is_named() -> None:
    action = RunCommand(command="ls", argv=("/no/shell", "-c", "ls"), cwd="/", timeout_ms=1000)
    shell = Shell(ENVIRONMENT, "/no/shell", SHARED_KEEPER)
    result = await shell.perform(action, CONTEXT, Screen())
    assert result.model_text == (
        "The command was not run: /no/shell could not be started: No such file or directory."
    )
    assert (result.status, result.exit_code) == ("failed", -1)


def test_no_shell_reads_a_file_before_a_line_that_could_set_what_is_kept_from_commands() -> None:
    assert shell_argv("/bin/bash", "ls") == ("/bin/bash", "-c", "ls")
    assert shell_argv("/usr/bin/zsh", "ls") == ("/usr/bin/zsh", "-f", "-c", "ls")


@trio_test
async def test_the_line_runs_and_not_the_argv_of_a_log(tmp_path: Path) -> None:
    other = ("/bin/sh", "-c", f"touch {tmp_path}/other")
    action = RunCommand(command="echo shown", argv=other, cwd="/", timeout_ms=20_000)
    result = await SHELL.perform(action, CONTEXT, Screen())
    assert result.output == "shown\n"
    assert not os.listdir(tmp_path)


@trio_test
async def test_a_line_too_long_for_the_system_is_an_answer_too() -> None:
    result = await perform("true " + "x" * 200_000)
    assert result.model_text.endswith("could not be started: Argument list too long.")


@trio_test
async def test_output_that_is_no_text_has_replacement_characters() -> None:
    result = await perform("printf 'a\\377b\\342\\202'")
    assert result.output == "a\ufffdb\ufffd"


@trio_test
async def test_screens_get_the_output_raw_and_as_it_comes() -> None:
    screen = Screen()
    await SHELL.perform(command("printf '\\342\\202'; printf '\\254'"), CONTEXT, screen)
    assert b"".join(screen.chunks) == "€".encode()
    assert len(screen.processes) == 1


@trio_test
async def test_an_interrupted_command_leaves_no_process_and_a_stopped_daemon_leaves_it() -> None:
    for is_awaited in (False, True):
        screen = Screen()
        context = replace(CONTEXT, is_awaited=lambda is_awaited=is_awaited: is_awaited)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(SHELL.perform, command("echo ready; sleep 60"), context, screen)
            await screen.wait_for("ready")
            nursery.cancel_scope.cancel()
        ((leader, _),) = screen.processes
        while not is_awaited and session_lives(leader):
            await trio.lowlevel.checkpoint()
        assert session_lives(leader) == is_awaited
        signal_session(leader, signal.SIGKILL)


@trio_test
async def test_the_sandbox_says_what_is_executed() -> None:
    def confine(argv: tuple[str, ...], sandbox: Sandbox) -> tuple[str, ...]:
        return ("/usr/bin/env", f"HELD={sandbox.folder} {sandbox.mode}", *argv)

    shell = Shell(ENVIRONMENT, "/bin/sh", SHARED_KEEPER, confine=confine)
    context = msgspec.structs.replace(CONTEXT, sandbox=Sandbox("workspace-write", "/project"))
    held = await shell.perform(command('echo "$HELD"'), context, Screen())
    assert held.output == "/project workspace-write\n"
    action = msgspec.structs.replace(command('echo "$HELD"'), escalated=True)
    let_out = await shell.perform(action, context, Screen())
    assert let_out.output == "/project danger-full-access\n"


@trio_test
async def test_the_temporary_folder_of_a_sandbox_is_that_of_the_command() -> None:
    passed = FixedEnvironment({**os.environ, "TMPDIR": "/theirs"})

    def confine(argv: tuple[str, ...], sandbox: Sandbox) -> tuple[str, ...]:
        return ("/usr/bin/env", f"WRITABLE={sandbox.temporary}", *argv)

    for environment, folder in ((passed, "/theirs"), (ENVIRONMENT, "")):
        shell = Shell(environment, "/bin/sh", SHARED_KEEPER, confine=confine)
        ran = await shell.perform(command('echo "$WRITABLE"'), CONTEXT, Screen())
        assert ran.output == f"{folder}\n"


@pytest.mark.slow
@trio_test
async def test_a_gigabyte_runs_through_and_only_its_ends_are_kept() -> None:
    class Counting(Screen):
        total_bytes = 0

        def output(self, chunk: bytes) -> None:
            self.total_bytes += len(chunk)

    screen = Counting()
    line = "echo first; yes | head -c 1000000000; echo last"
    result = await SHELL.perform(command(line), CONTEXT, screen)
    assert screen.total_bytes == result.output_bytes == 1_000_000_011
    assert result.exit_code == 0
    assert result.output.startswith("first\ny\n")
    assert result.output.endswith("y\nlast\n")
    assert len(result.output) < (1 << 20) + 100
    assert len(result.model_text) < MODEL_OUTPUT_BYTES_MAX + 200
    assert "Total output lines: 500000002" in result.model_text
