"""64 sessions of a conversation may run: another ends the one that was not used for the longest time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import trio

from codexd.core.values.ids import CallId, TurnId
from codexd.core.values.tool_actions import ExecCommand, SessionCall
from codexd.sessions.registry import IDS, PROTECTED, SESSIONS_MAX, SESSIONS_WARNED, Sessions
from codexd.sessions.session import InputFull, Session
from conversation import conversation, output_in, session_in
from kept import SHARED_KEEPER, line
from trio_test import trio_test

pytestmark = pytest.mark.slow


async def begun(sessions: Sessions, thread: str) -> Session:
    number = sessions.new_id()
    action = ExecCommand(command="", argv=(), cwd="/", timeout_ms=0, session=number)
    running = await SHARED_KEEPER.start(line("sleep 60"))
    return Session(action, thread, SessionCall(CallId("c"), TurnId("u")), running)


@trio_test
async def test_the_least_recently_used_is_ended_and_the_newest_are_safe() -> None:
    sessions = Sessions()
    assert (SESSIONS_MAX, SESSIONS_WARNED, PROTECTED) == (64, 60, 8)
    async with conversation() as talk:
        victim = session_in(await talk.exec("sleep 60", yield_time_ms=250))
        used = session_in(await talk.exec("sleep 60", yield_time_ms=250))
        sessions = talk.sessions
        other = await begun(sessions, "another thread")
        filling = [await begun(sessions, "t") for _ in range(SESSIONS_MAX - 2)]
        with ExitStack() as held:
            held.enter_context(sessions.holding(other))
            for number, session in enumerate(filling):
                held.enter_context(sessions.holding(session))
                warned = sessions.warning("t") is not None
                assert warned == (number + 3 >= SESSIONS_WARNED), number
            assert sessions.find("t", used) is not None  # A look counts as a use.
            newest = await talk.exec("echo hi; sleep 60", yield_time_ms=250)
            assert output_in(newest).startswith("Warning: 64 sessions run")
            ended = talk.screens[victim]
            await ended.is_over.wait()
            assert ended.end is not None
            assert "ended to make room" in ended.end.model_text
            assert ended.end.exit_code == 143
            running = [session.session_id for session in sessions.of_thread("t")]
            assert victim not in running
            assert running[-2:] == [used, session_in(newest)]
            assert not other.ended.is_set()
        for session in (*filling, other):
            session.running.abandon()


def test_ids_are_short_and_not_given_again_soon() -> None:
    given = [1000, 1000, 1000, 99_999, 1000, 1001]
    sessions = Sessions(iter(given).__next__)
    assert [sessions.new_id() for _ in range(3)] == ["1000", "99999", "1001"]
    many = Sessions()
    ids = [many.new_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert all(int(number) in IDS for number in ids)


@trio_test
async def test_a_process_that_does_not_read_delays_its_writer_for_a_bounded_time() -> None:
    async with conversation() as talk:
        session = session_in(await talk.exec("stty -icanon; sleep 60", tty=True, yield_time_ms=400))
        found = talk.sessions.find("t", session)
        assert found is not None
        with trio.fail_after(30), pytest.raises(InputFull):
            await found.write(b"x" * 200_000, seconds=0.1)
        assert "Process running" in await talk.look(session)
