"""codexctl on real terminals, against the real daemon: what is on the screen in the end."""

from __future__ import annotations

import os
import pty
import re

import msgspec
import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd_frontends.cli.watch import InputEnded, InputLines
from codexd_frontends.client.exits import LEFT
from daemon_house import PATIENCE_SECONDS, Daemon, Home, is_gone
from paused_model import Held

from .codexctl import approve, begin, codexctl, holding, new_thread, playing, terminal
from .relay import Relay
from .terminal import Terminal

WORDS = tuple(f"word {n} " for n in range(20))
WHOLE = "".join(WORDS)
HALF = "".join(WORDS[:9])
IDLE = " tokens › "  # a turn is done, and here is the prompt
END = re.compile(r"— done after [0-9.]+ s —")
USED = re.compile(r"\d+% context left · \S+ tokens (?=› )|Token usage: [^\n]+\n")


def running(line: str) -> Reply:
    return (Call("shell_command", msgspec.json.encode({"command": line}).decode()),)


def begun(home: Home, *words: str) -> tuple[Terminal, str]:
    """A terminal in which a turn has begun, and its thread."""
    sending = terminal(home, "send", *words, "hello")
    sending.wait_for("\r\n")
    return sending, sending.screen.split()[1]


def wait_logged(home: Home, thread: str, kind: str) -> None:
    """Wait until such a record is in the thread's log."""
    with begin(home, "log", thread, "--follow", "--json") as following:
        assert following.stdout is not None
        while msgspec.json.decode(following.stdout.readline())["type"] != kind:
            pass
        following.terminate()
        following.communicate(timeout=PATIENCE_SECONDS)


def erased(screen: str) -> str:
    """The screen as one reads it: what was taken back is not there, and no turn's time or tokens."""
    lines = [line.rpartition("\r\x1b[K")[2] for line in screen.replace("\r\n", "\n").split("\n")]
    return USED.sub("", END.sub("— done —", "\n".join(lines)))


def test_send_asks_on_the_terminal_and_a_yes_runs_the_command(daemon: Daemon) -> None:
    with playing(running("touch yes"), Say(("Done.",))) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        with terminal(daemon.home, "send", "hello") as sending:
            sending.wait_for("  $ touch yes\r\n")
            sending.wait_for("[c] no, and stop the turn\r\n")
            sending.type("y\n")
            sending.wait_for("accepted\r\n")
            sending.wait_for("exit 0")
            sending.wait_for("Done.\r\n")
            assert sending.wait_exit() == 0
    assert daemon.home.work.joinpath("yes").exists()


@pytest.mark.parametrize(
    ("key", "said", "code"),
    [("n", "declined\r\n", 0), ("c", "declined, and the turn is stopped\r\n", 3)],
)
def test_a_no_runs_nothing_and_may_stop_the_turn(
    daemon: Daemon, key: str, said: str, code: int
) -> None:
    with playing(running(f"touch no-{key}"), Say(("Well.",))) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        with terminal(daemon.home, "send", "hello") as sending:
            sending.wait_for("[c] no, and stop the turn\r\n")
            sending.type(f"{key}\n")
            sending.wait_for(said)
            sending.wait_for("Well.\r\n" if code == 0 else "interrupted")
            assert sending.wait_exit() == code
    assert not daemon.home.work.joinpath(f"no-{key}").exists()


def test_an_answer_on_another_screen_closes_the_question(daemon: Daemon) -> None:
    with playing(running("touch elsewhere"), Say(("Done.",))) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        sending, thread = begun(daemon.home)
        with (
            sending,
            terminal(daemon.home, "attach", thread) as attached,
            terminal(daemon.home, "attach", thread, "--observe") as observing,
        ):
            sending.wait_for("[c] no, and stop the turn\r\n")
            attached.wait_for("[c] no, and stop the turn\r\n")
            observing.wait_for("touch elsewhere\r\n")
            shown = codexctl(daemon.home, "show", thread).out
            assert shown.count("codexctl:") == 3
            assert shown.count(", which only watches") == 1
            status = codexctl(daemon.home, "status").out
            assert f"attached {thread}: codexctl:" in status
            attached.type("y\n")
            sending.wait_for("answered on another screen, by codexctl:")
            sending.wait_for(": accepted\r\n")
            for client in (sending, attached, observing):
                client.wait_for("exit 0")
                client.wait_for("Done.\r\n")
            assert "?" not in observing.screen  # It was asked nothing.
            assert sending.wait_exit() == 0
            attached.wait_for("› ")


def test_ctrl_c_interrupts_the_turn_and_exits_3(daemon: Daemon) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        sending, _thread = begun(daemon.home)
        with sending:
            sending.wait_for(HALF)
            sending.press_ctrl_c()
            sending.wait_for("interrupted after ")
            assert sending.wait_exit() == 3


def test_send_follows_its_turn_in_the_next_daemon(home: Home) -> None:
    with holding(Held(Say(WORDS), after=9), Say(("Whole.",))) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        sending, _thread = begun(home)
        with sending:
            sending.wait_for(HALF)
            daemon.kill()
            sending.wait_for("reconnecting —\r\n")  # It starts another one.
            sending.wait_for("— connected again —\r\n")
            sending.wait_for("Whole.")
            assert sending.wait_exit() == 0


def test_send_says_how_to_continue_when_the_daemon_is_stopped(home: Home) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        sending, thread = begun(home)
        with sending:
            sending.wait_for(HALF)
            stopped = codexctl(home, "stop").out
            assert stopped.startswith(f"stopped process {daemon.pid}\n  {thread}  ")
            assert stopped.endswith(": goes on at the next start: its model is asked again\n")
            assert sending.wait_exit() == 75
        assert sending.lines[-4:] == [
            "The result of the turn is shown by",
            f"  codexctl attach {thread}",
            "codexctl: the daemon closed the connection",
            "",
        ]


def test_send_says_how_to_continue_when_its_person_waits_for_no_next_daemon(home: Home) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        elsewhere = home.root / "s"
        elsewhere.symlink_to(home.socket)
        sending, thread = begun(home, "--socket", str(elsewhere))
        with sending:
            sending.wait_for(HALF)
            daemon.kill()  # Nothing is started for a socket elsewhere.
            sending.wait_for("reconnecting —\r\n")
            sending.press_ctrl_c()
            assert sending.wait_exit() == LEFT.number
        assert sending.lines[-4:] == [
            "— the daemon closed the connection; reconnecting —",
            "^CThe result of the turn is shown by",
            f"  codexctl attach {thread}",
            "",
        ]


def test_a_command_of_the_person_runs_beside_a_turn_and_by_send(daemon: Daemon) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        ran = codexctl(daemon.home, "send", "--shell", "echo $((40+2)); exit 3")
        assert "\n$ echo $((40+2)); exit 3\n  42\n  exit 3" in ran.out + ran.err
        thread = ran.err.split()[1]
        with terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for("  exit 3")
            attached.wait_for("› ")
            attached.type("hello\n")
            attached.wait_for(HALF)
            attached.type("!\n")
            attached.wait_for("expected a command after !, for example !git status\r\n")
            attached.type("!echo beside $((1+1))\n")
            attached.wait_for("  beside 2\r\n")
            model.resume()
            attached.wait_for(IDLE)
            attached.type("/quit\n")
            assert attached.wait_exit() == 0


def test_a_terminal_attached_in_mid_answer_ends_with_the_whole_text_once(daemon: Daemon) -> None:
    with holding(Say(("Before.",)), Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home, "first")
        with terminal(daemon.home, "send", "-t", thread, "second") as sending:
            sending.wait_for(HALF)
            with (
                terminal(daemon.home, "attach", thread) as first,
                terminal(daemon.home, "attach", thread) as another,
            ):
                first.wait_for(HALF)
                another.wait_for(HALF)
                model.resume()
                assert sending.wait_exit() == 0
                for attached in (first, another):
                    attached.wait_for(IDLE)
                    _heading, _, rest = erased(attached.screen).partition("\n")
                    assert rest == (f"› first\nBefore.\n— done —\n› second\n{WHOLE}\n— done —\n› ")


def test_a_prompt_typed_while_a_turn_runs_steers_it(daemon: Daemon) -> None:
    with holding(Held(Say(WORDS), after=9), Say(("Shorter.",))) as model:
        daemon.home.use_model(model.base_url)
        sending, thread = begun(daemon.home)
        with sending, terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(HALF)
            attached.type("be brief\n")
            wait_logged(daemon.home, thread, "turn.steered")
            model.resume()
            for client in (sending, attached):
                client.wait_for("› be brief\r\n")
                client.wait_for("Shorter.\r\n")
            assert sending.wait_exit() == 0
            assert b"be brief" in model.asked[1]


def test_ctrl_c_in_a_command_ends_it_on_every_screen(daemon: Daemon) -> None:
    with playing(running("echo $$; exec sleep 1000")) as model:
        daemon.home.use_model(model.base_url)
        sending, thread = begun(daemon.home)
        with sending, terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for("sleep 1000\r\n  ")
            attached.wait_for("\r\n")
            attached.press_ctrl_c()
            for client in (sending, attached):
                client.wait_for(
                    "  stopped: it may have done only a part of its work\r\ninterrupted after "
                )
            attached.wait_for("› ")
            assert sending.wait_exit() == 3
        assert is_gone(int(attached.lines[3]))


def test_slash_interrupt_stops_the_turn_and_ctrl_d_leaves(daemon: Daemon) -> None:
    with holding(Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        sending, thread = begun(daemon.home)
        with sending, terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(HALF)
            attached.type("/interrupt\n")
            attached.wait_for("interrupted after ")
            attached.wait_for("› ")
            assert sending.wait_exit() == 3
            attached.type("\x04")
            assert attached.wait_exit() == 0


def test_ctrl_d_leaves_the_turn_running(daemon: Daemon) -> None:
    with holding(Say(("Before.",)), Held(Say(WORDS), after=9)) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home, "first")
        with terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(IDLE)
            attached.type("second\n")
            attached.wait_for(HALF)
            attached.type("\x04")
            assert attached.wait_exit() == 0
        assert codexctl(daemon.home, "status", "--json").json["threads"]["running"] == 1
        with terminal(daemon.home, "attach", thread) as attached:
            attached.wait_for(HALF)
            model.resume()
            attached.wait_for(f"{''.join(WORDS[9:])}\r\n")
            attached.wait_for(IDLE)
        assert f"› second\n{WHOLE}\n" in codexctl(daemon.home, "show", thread).out


def test_after_a_crash_attach_resumes_without_gap_or_double(home: Home) -> None:
    with holding(Say(("Before.",)), Held(Say(WORDS), after=9), Held(Say(WORDS), after=3)) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        thread = new_thread(home, "first")
        with terminal(home, "attach", thread) as attached:
            attached.wait_for(IDLE)
            attached.type("second\n")
            attached.wait_for(HALF)
            daemon.kill()
            attached.wait_for("reconnecting —\r\n")  # It starts another one.
            attached.wait_for("— connected again —\r\n")
            attached.wait_for("".join(WORDS[:3]))
            model.resume()
            attached.wait_for(IDLE)
            attached.type("/quit\n")
            assert attached.wait_exit() == 0
        _heading, _, rest = erased(attached.screen).partition("\n")
        assert rest == (
            f"› first\nBefore.\n— done —\n› second\n{HALF}\n"
            "— the daemon closed the connection; reconnecting —\n— connected again —\n"
            f"the daemon was restarted; the model is asked again\n{WHOLE}\n— done —\n› /quit\n"
        )
        assert f"› second\n{HALF}\n{WHOLE}\n" in codexctl(home, "show", thread).out


def test_a_cut_connection_is_resumed_at_the_byte_where_it_was_cut(daemon: Daemon) -> None:
    with (
        holding(Say(("Before.",)), Held(Say(WORDS), after=9)) as model,
        Relay(daemon.home.root / "relay", daemon.home.socket) as relay,
    ):
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home, "first")
        with terminal(daemon.home, "--socket", relay.path, "attach", thread) as attached:
            attached.wait_for(IDLE)
            attached.type("second\n")
            attached.wait_for(HALF)
            relay.cut()
            attached.wait_for("— connected again —\r\n")
            model.resume()
            attached.wait_for(IDLE)
            relay.cut()
            attached.wait_for("— connected again —\r\n")
            attached.wait_for("› ")
        _heading, _, rest = erased(attached.screen).partition("\n")
        again = "— the daemon closed the connection; reconnecting —\n— connected again —\n"
        assert rest == (
            f"› first\nBefore.\n— done —\n› second\n{HALF}\n{again}"
            f"{''.join(WORDS[9:])}\n— done —\n{again}› "
        )


def test_a_prompt_that_met_a_cut_is_sent_once(daemon: Daemon) -> None:
    with (
        playing(Say(("Before.",)), Say(("After.",))) as model,
        Relay(daemon.home.root / "relay", daemon.home.socket) as relay,
    ):
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home, "first")
        with terminal(daemon.home, "--socket", relay.path, "attach", thread) as attached:
            attached.wait_for(IDLE)
            relay.cut_after("turn/start")
            attached.type("second\n")
            attached.wait_for("— connected again —\r\n")
            attached.wait_for("After.\r\n")
            attached.wait_for(IDLE)
        assert len(model.asked) == 2
        turns = codexctl(daemon.home, "show", thread, "--json").json["turns"]
        assert len(turns) == 2


def test_ctrl_c_leaves_while_a_prompt_waits_for_the_daemon(daemon: Daemon) -> None:
    with (
        playing(Say(("Before.",)), Say(("After.",))) as model,
        Relay(daemon.home.root / "relay", daemon.home.socket) as relay,
    ):
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
        with terminal(daemon.home, "--socket", relay.path, "attach", thread) as attached:
            attached.wait_for(IDLE)
            relay.cut_after("turn/start", for_good=True)
            attached.type("second\n")
            attached.wait_for("reconnecting —\r\n")
            attached.press_ctrl_c()
            assert attached.wait_exit() == 130
        model.wait_asked(2)


def test_a_question_that_waited_through_a_crash_is_answered_where_it_was_asked(home: Home) -> None:
    with playing(running("echo ran >> ran; cat ran"), Say(("Done.",))) as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        sent = codexctl(home, "send", "--json", "hello")
        with terminal(home, "attach", sent.lines[0]["threadId"]) as attached:
            attached.wait_for("[c] no, and stop the turn\r\n")
            daemon.kill()
            attached.wait_for("reconnecting —\r\n")  # It starts another one.
            attached.wait_for("— connected again —\r\n")
            attached.wait_for("[c] no, and stop the turn\r\n")
            attached.type("y\n")
            attached.wait_for("accepted\r\n")
            attached.wait_for("  ran\r\n")
            attached.wait_for("Done.\r\n")
            attached.wait_for("› ")


def test_a_question_that_was_answered_during_a_cut_is_closed(home: Home) -> None:
    with playing(running("touch x"), Say(("Done.",)), Say(("Yes.",))) as model:
        home.use_model(model.base_url, approval="untrusted")
        daemon = home.start()
        thread = codexctl(home, "send", "--json", "hello").lines[0]["threadId"]
        with terminal(home, "attach", thread) as attached:
            attached.wait_for("[c] no, and stop the turn\r\n")
            daemon.kill()
            attached.wait_for("reconnecting —\r\n")  # It starts another one.
            assert approve(home, thread).code == 0
            attached.wait_for("— connected again —\r\n")
            attached.wait_for("Done.\r\n")
            attached.wait_for("› ")
            attached.type("y\n")  # a prompt like any other
            attached.wait_for("Yes.\r\n")
            attached.wait_for("› ")


def test_stop_is_seen_and_ctrl_c_ends_the_waiting(home: Home) -> None:
    with playing(Say(("Before.",))) as model:
        home.use_model(model.base_url)
        daemon = home.start()
        thread = new_thread(home)
        with terminal(home, "attach", thread) as attached:
            attached.wait_for(IDLE)
            assert codexctl(home, "stop").out == f"stopped process {daemon.pid}\n"
            assert is_gone(daemon.pid)
            attached.wait_for("reconnecting —\r\n")
            attached.wait_for("`codexctl start` starts it; waiting for it\r\n")
            assert not home.socket.exists()
            attached.press_ctrl_c()
            assert attached.wait_exit() == 130


def test_no_color_means_none_and_a_terminal_has_some(daemon: Daemon) -> None:
    with playing(Say(("a",))) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
    with terminal(daemon.home, "show", thread) as plain:
        assert plain.wait_exit() == 0
    with terminal(daemon.home, "show", thread, NO_COLOR="") as coloured:
        assert coloured.wait_exit() == 0
    assert "\x1b" not in plain.screen
    assert f"\x1b[1m{thread}\x1b[0m\r\n" in coloured.screen


def test_a_terminal_that_is_gone_is_the_end_of_the_input() -> None:
    ours, theirs = pty.openpty()
    os.close(ours)
    lines = InputLines(theirs)
    lines.read()
    assert lines.next(join_pasted=True) == InputEnded()
    os.close(theirs)
