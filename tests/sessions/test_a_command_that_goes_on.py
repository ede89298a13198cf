"""exec_command and write_stdin: a command that is waited for, comes back to, and is typed into."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from codexd.core.state.state import ThreadState
from codexd.core.values.ids import ThreadId, TurnId
from codexd.core.values.limits import Traits
from codexd.core.values.review_target import ReviewOf
from codexd.core.values.tool_actions import ApplyPatch, BadCall, ExecCommand, WriteStdin
from codexd.sessions.exec_command import DECLARATION, ExecTool
from codexd.sessions.registry import Sessions
from codexd.sessions.write_stdin import WriteStdinTool
from codexd.tools.registry import CallContext, Registry
from codexd.tools.shell import Shell
from conversation import (
    ENVIRONMENT,
    conversation,
    output_in,
    session_in,
    two_conversations,
)
from kept import SHARED_KEEPER
from trio_test import trio_test

pytestmark = pytest.mark.slow


def without_chance(text: str) -> str:
    text = re.sub(r"^Chunk ID: [0-9a-f]{6}$", "Chunk ID: ID", text, flags=re.MULTILINE)
    return re.sub(r"\d+\.\d{4} seconds", "S seconds", text)


@trio_test
async def test_the_answer_has_the_labels_that_models_know() -> None:
    async with conversation() as talk:
        assert without_chance(await talk.exec("echo hi; exit 3")) == (
            "Chunk ID: ID\nWall time: S seconds\nProcess exited with code 3\n"
            "Original token count: 1\nOutput:\nhi\n"
        )
        text = await talk.exec("echo begun; sleep 60", yield_time_ms=300)
        assert without_chance(text) == (
            "Chunk ID: ID\nWall time: S seconds\n"
            f"Process running with session ID {session_in(text)}\n"
            "Original token count: 2\nOutput:\nbegun\n"
        )


@trio_test
async def test_a_session_keeps_its_state_and_gives_each_output_once() -> None:
    async with conversation() as talk:
        session = session_in(await talk.exec("sh", tty=True, yield_time_ms=250))
        await talk.write(session, chars="x=41\n")
        told = output_in(await talk.write(session, chars="echo $((x + 1))\n"))
        assert "42\r\n" in told
        assert "x=41" not in told
        assert output_in(await talk.look(session)) == ""
        # Whoever types the end gets the exit code, and the session is gone.
        ended = await talk.write(session, chars="exit 5\n", yield_time_ms=30_000)
        assert "Process exited with code 5" in ended
        assert "Unknown session ID" in await talk.write(session, chars="x")


@trio_test
async def test_a_finished_command_leaves_no_session() -> None:
    async with conversation() as talk:
        assert "Process exited with code 0" in await talk.exec("true", tty=True)
        assert talk.sessions.of_thread("t") == []
        (session,) = talk.screens
        assert "Unknown session ID" in await talk.write(session, chars="x")


@trio_test
async def test_two_sessions_and_two_conversations_are_isolated() -> None:
    async with two_conversations() as (talk, other):
        one = session_in(await talk.exec("cat", tty=True, yield_time_ms=250))
        two = session_in(await talk.exec("cat", tty=True, yield_time_ms=250))
        assert one != two
        await talk.write(one, chars="to the first\n")
        assert output_in(await talk.look(two)) == ""
        # An id is of its conversation, though all sessions of a daemon have different ones.
        assert "Unknown session ID" in await other.write(one, chars="x")


@trio_test
async def test_early_output_comes_early_and_a_later_look_gets_the_rest() -> None:
    async with conversation() as talk:
        text = await talk.exec("echo early; read x; echo late", tty=True, yield_time_ms=300)
        assert output_in(text) == "early\r\n"
        await talk.write(session_in(text), chars="\n", yield_time_ms=30_000)
        (screen,) = talk.screens.values()
        await screen.is_over.wait()
        assert screen.text == "early\r\n\r\nlate\r\n"
        assert screen.end is not None
        assert (screen.end.output, screen.end.exit_code) == (screen.text, 0)


@trio_test
async def test_a_command_without_a_terminal_gets_no_input() -> None:
    async with conversation() as talk:
        assert "Process exited with code 0" in await talk.exec("cat")
        session = session_in(await talk.exec("sleep 60", yield_time_ms=250))
        refused = await talk.write(session, chars="x")
        assert "stdin is closed" in refused
        assert "tty=true" in refused
        assert "Process running" in await talk.look(session)


@trio_test
async def test_its_environment_is_the_persons_and_what_models_need() -> None:
    async with conversation() as talk:
        told = output_in(await talk.exec("env | sort"))
    found = dict(line.split("=", 1) for line in told.splitlines())
    assert found["NAME"] == "value"
    assert (found["TERM"], found["NO_COLOR"], found["PAGER"]) == ("dumb", "1", "cat")
    assert (found["LC_ALL"], found["CODEX_CI"], found["COLORTERM"]) == ("C.UTF-8", "1", "")
    assert found["CODEX_THREAD_ID"] == "t"


@trio_test
async def test_keys_end_input_and_interrupt() -> None:
    async with conversation() as talk:
        reading = session_in(await talk.exec("cat; echo over", tty=True, yield_time_ms=250))
        assert "over" in await talk.write(reading, chars="\x04", yield_time_ms=30_000)
        sleeping = session_in(await talk.exec("sleep 60", tty=True, yield_time_ms=250))
        ended = await talk.write(sleeping, chars="\x03", yield_time_ms=30_000)
        assert "Process exited with code 130" in ended


@trio_test
async def test_what_is_no_text_and_a_character_in_two_pieces() -> None:
    async with conversation() as talk:
        told = output_in(
            await talk.exec(r"printf 'a\377b'; printf '\303'; sleep 0.2; printf '\251'")
        )
        assert told == "a\ufffdbé"
        (screen,) = talk.screens.values()
        assert b"".join(screen.chunks) == b"a\xffb\xc3\xa9"


@trio_test
async def test_a_long_output_is_cut_in_its_middle_at_line_ends() -> None:
    async with conversation() as talk:
        told = output_in(await talk.exec("seq 1 30000", max_output_tokens=20))
    head, mark, tail = told.partition("tokens truncated…\n")
    assert head.startswith(
        "Warning: truncated output (original token count: 42224)\nTotal output lines: 30000\n\n1\n2\n"
    )
    assert mark
    assert tail.endswith("29999\n30000\n")


@trio_test
async def test_failures_are_answers() -> None:
    async with conversation() as talk:
        missing = await talk.result(talk.read("true", workdir="/nope"))
        assert (missing.status, missing.exit_code) == ("failed", -1)
        assert "/nope" in missing.model_text
        assert "Process exited with code 127" in await talk.exec("no-such-program-here")
        assert "Process exited with code 0" in await talk.exec("")
        assert "Unknown session ID 77" in await talk.write(77)


BAD = ("{}", '{"cmd": 3}', "no json", '{"cmd": "a\\u0000b"}', '{"cmd": "x", "workdir": "\\u0000"}')


@pytest.mark.parametrize("arguments", BAD)
@trio_test
async def test_arguments_that_cannot_be_used_are_an_answer(arguments: str) -> None:
    async with conversation() as talk:
        action = talk.tool.read_call(arguments, talk.context())
        assert isinstance(action, BadCall)
        assert "Nothing was run" in action.reason
        assert isinstance(talk.stdin.read_call(arguments, talk.context()), BadCall)


CLAMPED: list[tuple[dict[str, Any], int, int]] = [
    ({}, 10_000, 10_000),
    ({"yield_time_ms": 1}, 250, 10_000),
    ({"yield_time_ms": 10**9, "max_output_tokens": 10**9}, 30_000, 32_768),
    ({"yield_time_ms": 1500.7, "max_output_tokens": -4}, 1500, 0),
]
CLAMPED_WRITES: list[tuple[dict[str, Any], int]] = [
    ({}, 5_000),
    ({"yield_time_ms": 10**9}, 300_000),
    ({"chars": "x"}, 250),
    ({"chars": "x", "yield_time_ms": 10**9}, 30_000),
    ({"chars": "x", "yield_time_ms": 1}, 250),
]


@trio_test
async def test_times_and_budgets_are_held_to_their_bounds() -> None:
    async with conversation() as talk:
        for asked, waits, tokens in CLAMPED:
            action = talk.read("true", **asked)
            assert (action.yield_ms, action.output_tokens) == (waits, tokens), asked
        for asked, waits in CLAMPED_WRITES:
            arguments = json.dumps({"session_id": 1000, **asked})
            write = talk.stdin.read_call(arguments, talk.context())
            assert isinstance(write, WriteStdin)
            assert write.yield_ms == waits, asked


@pytest.mark.parametrize(("configured", "most"), [(60_000, 60_000), (1, 5_000)])
def test_the_longest_look_is_as_configured_and_never_below_the_shortest(
    configured: int, most: int
) -> None:
    tool = WriteStdinTool(Sessions(), lambda: configured)
    look = tool.read_call('{"session_id": 1000, "yield_time_ms": 1e9}', CallContext("/", "t", "c"))
    assert isinstance(look, WriteStdin)
    assert look.yield_ms == most
    offered = tool.offered(Traits(sessions=True), ThreadState())
    assert offered is not None
    assert f"nothing is typed 5000 to {most}.".encode() in offered


@trio_test
async def test_a_session_id_may_come_as_text_or_as_a_float() -> None:
    async with conversation() as talk:
        for spelled in ("1000", '"1000"', "1000.0"):
            write = talk.stdin.read_call(f'{{"session_id": {spelled}}}', talk.context())
            assert isinstance(write, WriteStdin), spelled
            assert write.session == "1000"


@trio_test
async def test_a_shell_that_is_none_is_the_last_resort() -> None:
    async with conversation() as talk:
        registry = Registry(talk.tool)  # as a call goes: it has each action prepared by its tool
        for named, found in (("/bin/nosuch", None), ("python3", None), ("bash", "/bin/bash")):
            action = await registry.prepare(talk.read("echo $0", shell=named))
            assert isinstance(action, ExecCommand)
            assert action.shell == found
            assert action.argv == (found or "/bin/sh", "-c", "echo $0")
        assert isinstance(action, ExecCommand)
        assert output_in((await talk.result(action)).model_text) == "/bin/bash\n"


@trio_test
async def test_a_patch_in_a_shell_line_is_a_patch() -> None:
    patch = "*** Begin Patch\n*** Add File: /tmp/a\n+x\n*** End Patch"
    asked = json.dumps({"cmd": f"apply_patch '{patch}'"})
    async with conversation() as talk:
        assert isinstance(talk.tool.read_call(asked, talk.context()), ApplyPatch)


@trio_test
async def test_an_answer_that_was_never_recorded_is_given_again() -> None:
    async with conversation() as talk:
        session = session_in(await talk.exec("echo one; cat", tty=True, yield_time_ms=300))
        # As if the turn was interrupted before the answer was in the log.
        talk.log.given[session] = 0
        assert output_in(await talk.look(session)) == "one\r\n"
        assert output_in(await talk.look(session)) == ""


def test_models_get_sessions_or_a_command_to_its_end_and_reviewers_no_sessions() -> None:
    reviewed = ThreadState(reviews=ReviewOf(ThreadId("t"), TurnId("u")))
    shell = Shell(ENVIRONMENT, "/bin/sh", SHARED_KEEPER)
    tools = (ExecTool(shell, Sessions()), WriteStdinTool(Sessions()), shell)
    for sessions in (True, False):
        traits = Traits(sessions=sessions)
        offered = [tool.offered(traits, ThreadState()) is not None for tool in tools]
        assert offered == [sessions, sessions, not sessions]
    offered = [tool.offered(Traits(sessions=True), reviewed) is not None for tool in tools]
    assert offered == [False, False, True]
    assert b'"exec_command"' in DECLARATION
