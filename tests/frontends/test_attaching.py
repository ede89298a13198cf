"""codexctl attach, on a real terminal: earlier turns, the live turn, and typed input."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import said
from .fake_daemon import FakeDaemon, Json
from .terminal import Terminal

HEADING = f"{said.THREAD} · say hello · /w · scripted\r\n"


def resuming(fake: FakeDaemon, *turns: Json, seq: int = 5, then: tuple[Json, ...] = ()) -> None:
    """Let the thread be attached to: these turns, the newest first, and `then` right behind."""
    answer = {"thread": said.thread(), "seq": seq, "turnsBackwardsCursor": f"at-{seq + 1}.0"}
    fake.answer("thread/resume", answer, *then)
    fake.answer("thread/turns/list", {"data": list(turns), "nextCursor": None})


def attach(fake: FakeDaemon, *words: str) -> Terminal:
    return Terminal("--socket", fake.path, "attach", said.THREAD, *words)


def past() -> Json:
    return said.turn("completed", said.user("say hello"), said.agent("Hello."))


def test_the_past_comes_first_and_then_a_prompt(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, past())
        with attach(fake) as terminal:
            terminal.wait_for("— done after 1.2 s —\r\n› ")
            assert terminal.screen.endswith(
                f"{HEADING}› say hello\r\nHello.\r\n— done after 1.2 s —\r\n› "
            )
        asked = fake.wait_for("thread/turns/list")
    assert asked == {
        "threadId": said.THREAD,
        "cursor": "at-6.0",
        "limit": 20,
        "sortDirection": "desc",
        "itemsView": "full",
    }


def test_a_typed_line_is_a_prompt_and_its_turn_is_shown(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake)

        def start(request: Json) -> list[Json]:
            mine = said.user("hi", client_id=request["params"]["clientUserMessageId"])
            return [
                {"id": request["id"], "result": {"turn": said.turn("inProgress")}},
                said.turn_started(seq=6),
                said.item_started(mine, seq=7),
                said.text_delta("Hel", seq=8, offset=3),
                said.item_completed(said.agent("Hello."), seq=9),
                said.turn_completed(seq=10),
            ]

        fake.answer_by("turn/start", start)
        with attach(fake) as terminal:
            terminal.wait_for("› ")
            terminal.type("hi\n")
            terminal.wait_for("— done after 1.2 s —\r\n› ")
            terminal.type("/quit\n")
            assert terminal.wait_exit() == 0
    assert terminal.screen == (f"{HEADING}› hi\r\nHello.\r\n— done after 1.2 s —\r\n› /quit\r\n")


def test_the_prompt_has_the_rest_of_the_window_and_the_end_the_usage(tmp_path: Path) -> None:
    total = {"inputTokens": 30_000, "cachedInputTokens": 20_000, "outputTokens": 2345}
    usage = {"total": total, "last": total, "percentLeft": 87}
    params = {"threadId": said.THREAD, "turnId": said.TURN, "tokenUsage": usage}
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, past(), then=({"method": "thread/tokenUsage/updated", "params": params},))
        with attach(fake) as terminal:
            terminal.wait_for("— done after 1.2 s —\r\n87% context left · 12.3K tokens › ")
            terminal.type("/quit\n")
            assert terminal.wait_exit() == 0
    end = "Token usage: total=12,345 input=10,000 (+ 20,000 cached) output=2,345"
    assert terminal.screen.endswith(f"› /quit\r\n{end}\r\n")


def test_an_archived_thread_is_followed_again_when_it_is_unarchived(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, past())
        with attach(fake) as terminal:
            terminal.wait_for("— done after 1.2 s —\r\n› ")
            assert "after" not in fake.wait_for("thread/resume")
            for word in ("thread/archived", "thread/closed", "thread/unarchived"):
                fake.say(said.note(word, {"threadId": said.THREAD}))
            assert fake.wait_for("thread/resume")["after"] == {"seq": 5, "items": {}}


def test_a_line_typed_while_a_turn_runs_steers_it(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("count")))
        fake.answer("turn/steer", {"turnId": said.TURN})
        with attach(fake) as terminal:
            terminal.wait_for("› count\r\n")
            terminal.type("faster\n")
            steered = fake.wait_for("turn/steer")
    assert steered["expectedTurnId"] == said.TURN
    assert steered["input"] == [{"type": "text", "text": "faster"}]


def test_a_line_that_was_typed_after_the_end_of_a_turn_begins_a_new_turn(
    tmp_path: Path,
) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("count")))
        fake.refuse("turn/steer", "no active turn to steer")
        fake.answer("turn/start", {"turn": said.turn("inProgress")})
        with attach(fake) as terminal:
            terminal.wait_for("› count\r\n")
            terminal.type("faster\n")
            params = fake.wait_for("turn/start")
            assert params["input"] == [{"type": "text", "text": "faster"}]
            assert params["updateEnvironment"]["PATH"] == os.environ["PATH"]


def test_a_line_typed_while_a_compaction_runs_waits_for_its_end(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("count")))
        fake.refuse("turn/steer", "the history is being compacted", reason="turn_not_steerable")
        fake.answer("turn/start", {"turn": said.turn("inProgress", turn_id="next")})
        with attach(fake) as terminal:
            terminal.wait_for("› count\r\n")
            terminal.type("then this\n")
            terminal.wait_for("the prompt waits for the end of the running turn\r\n")
            terminal.type("/interrupt\n")
            assert fake.wait_for("turn/interrupt")["turnId"] == said.TURN


@pytest.mark.slow
def test_an_approval_is_answered_with_a_key(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("touch")), then=(said.approval(),))
        with attach(fake) as terminal:
            terminal.wait_for("? May it run this command?\r\n  the model says: May I do this?\r\n")
            terminal.wait_for("  in /w\r\n  $ touch x1\r\n")
            terminal.wait_for("[c] no, and stop the turn\r\n")
            terminal.type("maybe\n")
            terminal.wait_for("y, a, n or c?")
            terminal.type("a\n")
            terminal.wait_for("accepted, in this thread from now on")
            assert fake.wait_answer() == {"id": 7, "result": {"decision": "acceptForSession"}}


@pytest.mark.slow
def test_an_approval_that_another_screen_answers_is_closed(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("touch")), then=(said.approval(),))
        fake.answer("turn/steer", {"turnId": said.TURN})
        with attach(fake) as terminal:
            terminal.wait_for("[y] yes")
            fake.say(said.resolved())
            terminal.wait_for("answered on another screen")
            terminal.type("y\n")  # No question is open, so this is something to say.
            assert fake.wait_for("turn/steer")["input"] == [{"type": "text", "text": "y"}]


def test_ctrl_c_interrupts_and_ctrl_d_leaves(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("count")))
        fake.answer("turn/interrupt", {}, said.turn_completed("interrupted", seq=9))
        with attach(fake) as terminal:
            terminal.wait_for("› count\r\n")
            terminal.press_ctrl_c()
            terminal.wait_for("interrupted after 1.2 s\r\n› ")
            assert fake.wait_for("turn/interrupt") == {
                "threadId": said.THREAD,
                "turnId": said.TURN,
            }
            terminal.type("\x04")
            assert terminal.wait_exit() == 0


def test_slash_interrupt_does_as_ctrl_c(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("count")))
        fake.answer("turn/interrupt", {}, said.turn_completed("interrupted", seq=9))
        with attach(fake) as terminal:
            terminal.wait_for("› count\r\n")
            terminal.type("/interrupt\n")
            terminal.wait_for("interrupted after 1.2 s\r\n› ")


def test_a_cut_connection_is_resumed_after_the_cursor_without_gap_or_double(
    tmp_path: Path,
) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(
            fake,
            said.turn("inProgress", said.user("count")),
            then=(
                said.item_started(said.agent("", done=False), seq=6),
                said.text_delta("one two ", seq=6, offset=8),
            ),
        )
        with attach(fake) as terminal:
            terminal.wait_for("one two ")
            fake.wait_for("thread/resume")
            resuming(
                fake,
                then=(
                    said.text_delta("three", seq=6, offset=13),
                    said.item_completed(said.agent("one two three"), seq=7),
                    said.turn_completed(seq=8),
                ),
            )
            fake.hang_up()
            terminal.wait_for("— done after 1.2 s —\r\n› ")
            again = fake.wait_for("thread/resume")
    assert again["after"] == {"seq": 6, "items": {"m1": 8}}
    assert terminal.screen == (
        f"{HEADING}› count\r\none two \r\n"
        "— the daemon closed the connection; reconnecting —\r\n"
        "— connected again —\r\n"
        "three\r\n— done after 1.2 s —\r\n› "
    )


def test_only_watching_takes_no_input_and_asks_nothing(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        resuming(fake, said.turn("inProgress", said.user("touch")), then=(said.approval(),))
        with attach(fake, "--no-input") as terminal:
            terminal.wait_for(f"  codexctl approve {said.THREAD} c1 answers it\r\n")
            terminal.press_ctrl_c()
            assert terminal.wait_exit() == 0
