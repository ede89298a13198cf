"""codexctl and the daemon as they are: two processes, a socket, a model on loopback."""

from __future__ import annotations

import signal

import msgspec

from codexd import __version__
from codexd.models.scripted.scripts import Call, Fail, Reply, Say
from daemon_house import PATIENCE_SECONDS, Daemon, Home
from paused_model import Held

from .codexctl import approve, begin, codexctl, holding, new_thread, playing, terminal, told
from .fake_daemon import Json

HELLO = Say(("Hel", "lo ", "there."))


def running(line: str) -> Reply:
    return (Call("shell_command", msgspec.json.encode({"command": line}).decode()),)


def test_status_says_process_socket_version_and_threads(daemon: Daemon) -> None:
    status = codexctl(daemon.home, "status", "--json").json
    assert status["pid"] == daemon.pid
    assert status["socket"] == str(daemon.home.socket)
    assert status["version"] == __version__
    assert set(status["threads"]) == {"loaded", "total", "running"}
    assert f"runs as process {daemon.pid}\n" in codexctl(daemon.home, "status").out


def test_the_answer_is_all_that_goes_to_stdout(daemon: Daemon) -> None:
    with playing(running("echo told; echo again >&2"), HELLO) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "hello")
    assert (sent.code, sent.out) == (0, "Hello there.\n")
    thread, *talk = sent.err.splitlines()
    assert thread.startswith("thread ")
    assert talk[:3] == ["$ echo told; echo again >&2", "  told", "  again"]
    assert talk[3].startswith("  exit 0 · ")
    assert talk[4:] == ["Token usage: total=204 input=200 output=4"]


def test_the_answer_comes_as_it_is_made(daemon: Daemon) -> None:
    with holding(Held(HELLO, after=2)) as model:
        daemon.home.use_model(model.base_url)
        with terminal(daemon.home, "send", "hello") as screen:
            screen.wait_for("Hello ")
            assert "there." not in screen.screen
            model.resume()
            screen.wait_for("there.")
            assert screen.wait_exit() == 0


def test_a_dash_reads_the_prompt_from_stdin(daemon: Daemon) -> None:
    with playing(HELLO) as model:
        daemon.home.use_model(model.base_url)
        assert codexctl(daemon.home, "send", "-", stdin="one\ntwo\n").out == "Hello there.\n"
        (body,) = model.asked
        assert b'"one\\ntwo\\n"' in body
    nothing = codexctl(daemon.home, "send", "-", stdin="\n")
    assert nothing == (2, "", "codexctl: the prompt is empty; nothing was sent\n")


def test_json_is_the_ids_the_messages_and_the_end_a_line_each(daemon: Daemon) -> None:
    with playing(HELLO) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "--json", "hello")
    first, *messages, last = sent.lines
    assert list(first) == ["schema", "threadId", "turnId"]
    assert all({"method", "params"} <= set(message) for message in messages)
    deltas = [message for message in messages if message["method"] == "item/agentMessage/delta"]
    assert "".join(delta["params"]["delta"] for delta in deltas) == "Hello there."
    assert messages[-1]["method"] == "turn/completed"
    assert last == {"schema": 1, "exit": 0, "status": "completed", "error": None}
    assert sent.err == ""


def test_a_failed_turn_says_why_and_exits_1(daemon: Daemon) -> None:
    with playing(Fail(401), Fail(401)) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "hello")
        asked = codexctl(daemon.home, "send", "--json", "hello")
    assert (sent.code, sent.out) == (1, "")
    assert sent.err.splitlines()[1].startswith("failed: ")
    assert "401" in sent.err
    assert asked.code == 1
    assert (asked.lines[-1]["exit"], asked.lines[-1]["status"]) == (1, "failed")
    assert "401" in asked.lines[-1]["error"]


def test_a_thread_that_is_not_there_exits_2(daemon: Daemon) -> None:
    nobody = codexctl(daemon.home, "show", "nobody")
    assert nobody == (2, "", "codexctl: no thread is called 'nobody', by id or by name\n")
    full = "00000000-0000-7000-8000-000000000000"
    for words in (("log", "ffffffff"), ("send", "-t", full, "hello")):
        ended = codexctl(daemon.home, *words)
        assert (ended.code, ended.out) == (2, ""), ended
        assert words[-2 if "send" in words else -1] in ended.err


def test_a_question_without_a_terminal_stays_open_and_exits_4(daemon: Daemon) -> None:
    with playing(running("touch allowed"), HELLO) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        sent = codexctl(daemon.home, "send", "--json", "hello")
        assert sent.code == 4
        thread = sent.lines[0]["threadId"]
        assert sent.lines[-1] == {"schema": 1, "exit": 4, "status": "waiting", "error": None}
        approved = approve(daemon.home, thread).json
        assert approved["decision"] == "accept"
        assert approved["command"] == "touch allowed"
        model.wait_asked(2)
        assert codexctl(daemon.home, "approve", thread).code == 1  # nothing waits any more


def test_a_bad_config_is_said_with_file_line_and_key_and_exits_78(home: Home) -> None:
    home.configure('model = "m"\napproval_policy = "sometimes"\n')
    for _ in ("while it starts", "while it runs"):
        sent = codexctl(home, "send", "hello")
        assert (sent.code, sent.out) == (78, "")
        assert f"{home.path}/config.toml:2" in sent.err
        assert "`approval_policy`" in sent.err
    error = codexctl(home, "send", "--json", "hello")
    assert error.code == 78
    assert error.json["error"]["code"] == "bad_config"
    assert error.json["error"]["reason"] == "invalid_config"


def test_threads_are_meant_by_prefix_by_name_or_as_the_last(home: Home) -> None:
    with playing(*[HELLO] * 5) as model:
        home.use_model(model.base_url)
        first, second = new_thread(home), new_thread(home)
        common = next(n for n in range(36) if first[n] != second[n])
        assert codexctl(home, "rename", first, "the first").code == 0
        for words in (("-t", first[: common + 1]), ("-t", "the first")):
            sent = codexctl(home, "send", *words, "--json", "on")
            assert sent.lines[0]["threadId"] == first
        last = codexctl(home, "send", "--last", "--json", "on")
        assert last.lines[0]["threadId"] == first
    ambiguous = codexctl(home, "show", first[:common])
    assert ambiguous.code == 2
    assert f"  {first}  the first\n" in ambiguous.err
    assert second in ambiguous.err


def test_list_is_the_threads_and_the_archive_is_apart(daemon: Daemon) -> None:
    home = daemon.home
    with playing(HELLO) as model:
        home.use_model(model.base_url)
        thread = new_thread(home, "list me")
    (row,) = [entry for entry in listed(home) if entry["id"] == thread]
    assert row["preview"] == "list me"
    assert codexctl(home, "list").out.splitlines()[0].endswith("idle      list me")
    assert codexctl(home, "archive", thread).out == f"archived {thread}\n"
    assert thread not in [entry["id"] for entry in listed(home)]
    assert thread in [entry["id"] for entry in listed(home, "--archived")]
    refused = codexctl(home, "send", "-t", thread, "on")
    assert refused.code == 2
    assert "archived" in refused.err
    assert codexctl(home, "unarchive", thread).out == f"unarchived {thread}\n"
    assert codexctl(home, "rename", thread, "a name", "--json").json["name"] == "a name"
    (row,) = [entry for entry in listed(home) if entry["id"] == thread]
    assert row["name"] == "a name"


def listed(home: Home, *words: str) -> list[Json]:
    threads: list[Json] = codexctl(home, "list", "--json", *words).json["threads"]
    return threads


def test_show_is_the_thread_and_log_is_its_records(daemon: Daemon) -> None:
    home = daemon.home
    with playing(HELLO) as model:
        home.use_model(model.base_url)
        thread = new_thread(home)
    shown = codexctl(home, "show", thread, "--json").json
    assert shown["thread"]["id"] == thread
    (turn,) = shown["turns"]
    assert [item["type"] for item in turn["items"]] == ["userMessage", "agentMessage"]
    lines = codexctl(home, "show", thread).out.splitlines()
    assert lines[0] == thread
    at = lines.index(f"— turn {turn['id']} —")
    assert lines[at + 1 : at + 3] == ["› hello", "Hello there."]
    records = codexctl(home, "log", thread, "--json")
    (log,) = [path for path in home.logs() if thread in path.name]
    assert [record["seq"] for record in records.lines] == list(range(1, len(records.lines) + 1))
    assert [record["type"] for record in records.lines] == [
        msgspec.json.decode(line)["type"] for line in log.read_bytes().splitlines()
    ]
    later = codexctl(home, "log", thread, "--from", "3").out.splitlines()
    assert later[0].split()[0] == "3"
    assert len(later) == len(records.lines) - 2


def test_log_follow_prints_new_records_until_ctrl_c(daemon: Daemon) -> None:
    home = daemon.home
    with playing(HELLO, HELLO) as model:
        home.use_model(model.base_url)
        thread = new_thread(home)
        before = len(codexctl(home, "log", thread, "--json").lines)
        with begin(home, "log", thread, "--follow", "--json") as following:
            assert following.stdout is not None
            old = [msgspec.json.decode(following.stdout.readline()) for _ in range(before)]
            assert old[-1]["type"] == "turn.completed"
            assert codexctl(home, "send", "-t", thread, "again").code == 0
            new = [msgspec.json.decode(following.stdout.readline())]
            while new[-1]["type"] != "turn.completed":
                new.append(msgspec.json.decode(following.stdout.readline()))
            assert [record["seq"] for record in new] == list(
                range(before + 1, before + 1 + len(new))
            )
            following.send_signal(signal.SIGINT)
            assert following.communicate(timeout=PATIENCE_SECONDS) == ("", "")
            assert following.returncode == 0


def test_a_fork_at_a_turn_has_the_past_up_to_it(daemon: Daemon) -> None:
    home = daemon.home
    with playing(*[Say((f"answer {n}",)) for n in range(4)]) as model:
        home.use_model(model.base_url)
        thread = new_thread(home, "one")
        for prompt in ("two", "three"):
            assert codexctl(home, "send", "-t", thread, prompt).code == 0
        turns = codexctl(home, "show", thread, "--json").json["turns"]
        forked = codexctl(home, "fork", thread, "--at", turns[1]["id"]).out.strip()
        assert forked != thread
        ended = codexctl(home, "send", "-t", forked, "four")
        assert ended.out == "answer 3\n"
    shown = codexctl(home, "show", forked).out
    assert f"  forked {thread}\n" in shown
    said = [line for line in shown.splitlines() if line.startswith(("›", "answer"))]
    assert said == ["› one", "answer 0", "› two", "answer 1", "› four", "answer 3"]
    assert codexctl(home, "fork", thread, "--at", "ffffffff").code == 2


def test_interrupt_stops_the_turn_of_another_screen(daemon: Daemon) -> None:
    with holding(Held(HELLO, after=2)) as model:
        daemon.home.use_model(model.base_url)
        with begin(daemon.home, "send", "hello") as sending:
            assert sending.stdout is not None
            assert sending.stderr is not None
            thread = sending.stderr.readline().split()[1]
            model.wait_holding()
            done = codexctl(daemon.home, "interrupt", thread)
            assert (done.code, done.err) == (0, "")
            assert sending.wait(PATIENCE_SECONDS) == 3
    again = codexctl(daemon.home, "interrupt", thread)
    assert again == (1, "", f"codexctl: no turn runs in {thread}\n")


def test_control_characters_of_models_and_commands_reach_no_terminal(daemon: Daemon) -> None:
    with playing(
        running(r"printf 'a\033]0;x\007b\n'"),
        Say(
            (
                "bold \x1b",
                "[1mtext\x9b",
            )
        ),
    ) as model:
        daemon.home.use_model(model.base_url)
        thread = new_thread(daemon.home)
    shown = codexctl(daemon.home, "show", thread).out
    assert "\n  a\\u{1b}]0;x\\u{7}b\n" in shown
    assert "\nbold \\u{1b}[1mtext\\u{9b}\n" in shown
    logged = codexctl(daemon.home, "log", thread).out
    for said in (shown, logged, codexctl(daemon.home, "list").out):
        assert not {character for character in said if character < " "} - {"\n"}


def test_the_options_of_send_reach_the_model(daemon: Daemon) -> None:
    with playing(HELLO) as model:
        daemon.home.use_model(model.base_url)
        sent = codexctl(daemon.home, "send", "--model", "big", "--effort", "high", "hello")
        assert sent.code == 0
        assert b'"model":"big"' in model.asked[0]
        assert b'"effort":"high"' in model.asked[0]


def test_a_prompt_for_a_thread_that_is_busy_waits_for_its_turn(daemon: Daemon) -> None:
    with holding(Held(HELLO, after=2), Say(("Second.",))) as model:
        daemon.home.use_model(model.base_url)
        with begin(daemon.home, "send", "one") as first:
            assert first.stdout is not None
            assert first.stderr is not None
            thread = first.stderr.readline().split()[1]
            model.wait_holding()
            with begin(daemon.home, "send", "-t", thread, "two") as second:
                assert second.stderr is not None
                assert second.stderr.readline() == f"thread {thread}\n"  # its turn is accepted
                assert second.stderr.readline().endswith("; the prompt waits for its end\n")
                model.resume()
                out, err = second.communicate(timeout=PATIENCE_SECONDS)
                assert out == "Second.\n"
                # What the turn used, and nothing of the turn before it.
                assert err == "Token usage: total=101 input=100 output=1\n"
                assert second.returncode == 0
            out, err = first.communicate(timeout=PATIENCE_SECONDS)
            assert (out, err[:12]) == ("Hello there.\n", "Token usage:")
            assert first.returncode == 0


def test_attach_without_a_terminal_only_watches(daemon: Daemon) -> None:
    home = daemon.home
    with playing(HELLO, Say(("Again.",))) as model:
        home.use_model(model.base_url)
        thread = new_thread(home)
        with (
            begin(home, "attach", thread) as watching,
            begin(home, "attach", thread, "--json") as raw,
        ):
            assert watching.stdout is not None
            assert watching.stdout.readline().startswith(f"{thread} · hello · ")
            snapshot = told(raw, until=None)[0]
            assert snapshot["attached"]["thread"]["id"] == thread
            assert [turn["status"] for turn in snapshot["turns"]] == ["completed"]
            assert codexctl(home, "send", "-t", thread, "on").out == "Again.\n"
            assert told(raw, until="turn/completed")[-1]["params"]["threadId"] == thread
            lines = [watching.stdout.readline() for _ in range(6)]
            for client in (watching, raw):
                client.send_signal(signal.SIGINT)
                assert client.wait(PATIENCE_SECONDS) == 0
    lines[2:6:3] = ["— done —\n"] * 2
    assert "".join(lines) == "› hello\nHello there.\n— done —\n› on\nAgain.\n— done —\n"
    assert codexctl(home, "archive", thread).code == 0
    refused = codexctl(home, "attach", thread)
    assert (refused.code, refused.out) == (2, "")
    assert f"`codexctl unarchive {thread}`" in refused.err
