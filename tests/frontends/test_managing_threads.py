"""The subcommands that list, show, fork, name, archive and steer threads, for people and for programs."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd_frontends.ctl import main

from . import said
from .fake_daemon import FakeDaemon, Json

Captured = pytest.CaptureFixture[str]


def run(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, *words])


def document(capfd: Captured) -> Any:
    """The one JSON document on stdout; there is nothing on stderr."""
    out, err = capfd.readouterr()
    assert err == ""
    return msgspec.json.decode(out)


def test_a_list_has_a_line_for_each_thread(tmp_path: Path, capfd: Captured) -> None:
    now = int(time.time())
    waiting = {"type": "active", "activeFlags": ["waitingOnApproval"]}
    threads = [
        said.thread("019a1111-0000-7000-8000-000000000001", updatedAt=now - 3700, name="moon"),
        said.thread("019a1111-ffff-7000-8000-000000000002", updatedAt=now, status=waiting),
        said.thread("019a1112-0000-7000-8000-000000000003", updatedAt=now - 90_000, preview=""),
    ]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": threads, "nextCursor": None})
        assert run(fake, "list") == 0
    assert capfd.readouterr().out == (
        "019a1111-0       1 h  idle      moon\n"
        "019a1111-f       now  approval  say hello\n"
        "019a1112-0       1 d  idle      (nothing said yet)\n"
    )


def test_a_list_can_be_of_the_archive_searched_and_bounded(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/list", {"data": [said.thread()], "nextCursor": "more"})
        words = ("list", "--archived", "--search", "moon", "--limit", "1", "--json")
        assert run(fake, *words) == 0
        asked = fake.wait_for("thread/list")
    assert (asked["archived"], asked["searchTerm"], asked["limit"]) == (True, "moon", 1)
    assert document(capfd) == {"schema": 1, "threads": [said.thread()]}


def test_show_prints_a_thread_from_its_first_turn_on(tmp_path: Path, capfd: Captured) -> None:
    turns = [
        said.turn("completed", said.user("and now?"), said.agent("Now!"), turn_id="second"),
        said.turn("completed", said.user("say hello", "u0"), said.agent("Hello.", "m0")),
    ]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread(name="moon")})
        fake.answer("thread/turns/list", {"data": turns, "nextCursor": None})
        assert run(fake, "show", said.THREAD) == 0
        assert capfd.readouterr().out == (
            f"{said.THREAD}\n"
            "  name   moon\n"
            "  cwd    /w\n"
            "  model  scripted (scripted)\n"
            "  status idle\n"
            "  log    /h/threads/t.jsonl\n"
            f"— turn {said.TURN} —\n"
            "› say hello\nHello.\n— done after 1.2 s —\n"
            "— turn second —\n"
            "› and now?\nNow!\n— done after 1.2 s —\n"
        )
        assert run(fake, "show", said.THREAD, "--json") == 0
    assert document(capfd) == {
        "schema": 1,
        "thread": said.thread(name="moon"),
        "earlierTurns": False,
        "turns": turns[::-1],
    }


def paged(request: Json) -> list[Json]:
    """Three turns, as many a page as was asked for, but two at most."""
    turns = [said.turn("completed", turn_id=turn) for turn in ("first", "second", "third")]
    params = request["params"]
    if params["sortDirection"] == "desc":
        turns.reverse()
    start = int(params["cursor"] or 0)
    end = start + min(params["limit"], 2)
    page = {"data": turns[start:end], "nextCursor": str(end) if end < len(turns) else None}
    return [{"id": request["id"], "result": page}]


def test_show_has_the_last_turns_and_says_how_to_see_more(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/read", {"thread": said.thread()})
        fake.answer_by("thread/turns/list", paged)
        assert run(fake, "show", said.THREAD, "--turns", "2") == 0
        shown = capfd.readouterr().out
        assert f"— earlier turns: codexctl show {said.THREAD} --turns all —\n" in shown
        assert re.findall("— turn (.*) —", shown) == ["second", "third"]
        assert run(fake, "show", said.THREAD, "--turns", "2", "--json") == 0
        assert document(capfd)["earlierTurns"]
        assert run(fake, "show", said.THREAD, "--turns", "all") == 0
        shown = capfd.readouterr().out
        assert "earlier turns" not in shown
        assert re.findall("— turn (.*) —", shown) == ["first", "second", "third"]
        assert run(fake, "show", said.THREAD, "--turns", "all", "--json") == 0
        assert [turn["id"] for turn in document(capfd)["turns"]] == ["first", "second", "third"]


RECORDS = (
    '{"seq":1,"at":"2026-11-21T04:05:06.123456Z","type":"thread.started","data":{"cwd":"/w"}}',
    '{"seq":2,"at":"2026-11-21T04:05:07.000001Z","type":"x.y","data":{"a":"\\u001b"}}',
)


def logging(request: Json) -> list[Json]:
    """The log of RECORDS, a record a page."""
    after = request["params"]["after"]
    records = [msgspec.json.decode(line) for line in RECORDS[after : after + 1]]
    more = after + 1 if after + 1 < len(RECORDS) else None
    return [{"id": request["id"], "result": {"records": records, "nextAfter": more}}]


def test_the_log_has_a_line_for_each_record(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer_by("thread/log/read", logging)
        assert run(fake, "log", said.THREAD) == 0
        assert capfd.readouterr().out == (
            '     1  04:05:06.123  thread.started          {"cwd":"/w"}\n'
            '     2  04:05:07.000  x.y                     {"a":"\\u001b"}\n'
        )
        assert run(fake, "log", said.THREAD, "--from", "2", "--json") == 0
    assert msgspec.json.decode(capfd.readouterr().out) == msgspec.json.decode(RECORDS[1])


def test_a_fork_is_named_by_its_id(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/fork", {"thread": said.thread("child")})
        turns = [said.turn(turn_id="abcd1"), said.turn(turn_id="abcd2")]
        fake.answer("thread/turns/list", {"data": turns, "nextCursor": None})
        assert run(fake, "fork", said.THREAD) == 0
        assert capfd.readouterr().out == "child\n"
        assert fake.wait_for("thread/fork") == {"threadId": said.THREAD, "excludeTurns": True}
        assert run(fake, "fork", said.THREAD, "--at", "abcd2", "--json") == 0
        assert fake.wait_for("thread/fork")["lastTurnId"] == "abcd2"
        assert document(capfd) == {"schema": 1, "thread": said.thread("child")}
        assert run(fake, "fork", said.THREAD, "--at", "abcd") == 2
        assert capfd.readouterr().err == (
            "codexctl: 'abcd' names several turns:\n  abcd2\n  abcd1\n"
        )
        assert run(fake, "fork", said.THREAD, "--at", "zzzz") == 2


@pytest.mark.parametrize("verb", ["archive", "unarchive"])
def test_threads_are_archived_and_unarchived(tmp_path: Path, capfd: Captured, verb: str) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer(f"thread/{verb}", {})
        assert run(fake, verb, said.THREAD) == 0
        assert fake.wait_for(f"thread/{verb}") == {"threadId": said.THREAD}
        assert capfd.readouterr().out == f"{verb}d {said.THREAD}\n"
        assert run(fake, verb, said.THREAD, "--json") == 0
    archived = verb == "archive"
    assert document(capfd) == {"schema": 1, "threadId": said.THREAD, "archived": archived}


def test_prompts_that_will_not_run_are_said(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/archive", {"withdrawn": 2})
        assert run(fake, "archive", said.THREAD) == 0
        out, err = capfd.readouterr()
        assert out == f"archived {said.THREAD}\n"
        assert err == "codexctl: 2 prompts that waited for a turn will not run\n"
        assert run(fake, "archive", said.THREAD, "--json") == 0
    assert document(capfd)["withdrawn"] == 2


def test_a_thread_gets_a_name(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/name/set", {})
        assert run(fake, "rename", said.THREAD, " moon ") == 0
        assert fake.wait_for("thread/name/set") == {"threadId": said.THREAD, "name": "moon"}
        assert capfd.readouterr().out == f"{said.THREAD} is now called moon\n"
        assert run(fake, "rename", said.THREAD, " ") == 2


def test_a_turn_is_interrupted_from_elsewhere(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        running = {"data": [said.turn("inProgress")], "nextCursor": "more"}
        fake.answer("thread/turns/list", running)
        fake.answer("turn/interrupt", {})
        assert run(fake, "interrupt", said.THREAD) == 0
        assert fake.wait_for("turn/interrupt") == {"threadId": said.THREAD, "turnId": said.TURN}
        assert capfd.readouterr().out == f"interrupted turn {said.TURN}\n"
        fake.answer("thread/turns/list", {"data": [said.turn()], "nextCursor": None})
        assert run(fake, "interrupt", said.THREAD) == 1
    assert capfd.readouterr().err == f"codexctl: no turn runs in {said.THREAD}\n"


WAITING = said.thread(status={"type": "active", "activeFlags": ["waitingOnApproval"]})


@pytest.mark.parametrize(
    ("flag", "decision"),
    [
        ((), "accept"),
        (("--session",), "acceptForSession"),
        (("--decline",), "decline"),
        (("--cancel",), "cancel"),
    ],
)
def test_an_approval_is_answered_from_elsewhere(
    tmp_path: Path, capfd: Captured, flag: tuple[str, ...], decision: str
) -> None:
    with FakeDaemon(tmp_path) as fake:
        # Its end comes right behind the question here: the fake does not wait for the answer.
        fake.answer(
            "thread/resume", {"thread": WAITING, "seq": 1}, said.approval(), said.resolved()
        )
        assert run(fake, "approve", said.THREAD, "c1", *flag, "--json") == 0
        assert fake.wait_answer() == {"id": 7, "result": {"decision": decision}}
    assert document(capfd) == {
        "schema": 1,
        "threadId": said.THREAD,
        "approvalId": "c1",
        "itemId": "c1",
        "command": "touch x1",
        "cwd": "/w",
        "reason": None,
        "modelSays": "May I do this?",
        "proposedRule": None,
        "decision": decision,
    }


def test_an_answer_without_the_id_of_its_request_is_no_answer(
    tmp_path: Path, capfd: Captured
) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": WAITING, "seq": 1}, said.approval())
        for flag in ("--decline", "--cancel", "--session"):
            assert run(fake, "approve", said.THREAD, flag) == 2
            assert "nothing was answered" in capfd.readouterr().err
        assert run(fake, "approve", said.THREAD) == 4
        shown = capfd.readouterr().out
        assert run(fake, "approve", said.THREAD, "--json") == 4
        assert document(capfd)["decision"] is None
        assert run(fake, "approve", said.THREAD, "c9") == 1
        assert "does not wait for the approval c9" in capfd.readouterr().err
        answers = [message for message in fake.heard() if "method" not in message]
    assert shown == (
        "? May it run this command?\n"
        "  the model says: May I do this?\n"
        "  in /w\n"
        "  $ touch x1\n"
        "Nothing was answered; do that with one of\n"
        f"  codexctl approve {said.THREAD} c1\n"
        f"  codexctl approve {said.THREAD} c1 --decline\n"
        f"  codexctl approve {said.THREAD} c1 --no 'do this instead'\n"
    )
    assert answers == []


def test_of_two_open_approvals_the_named_one_is_answered(tmp_path: Path) -> None:
    asked = [said.approval(7, "touch x1", "c1"), said.approval(8, "touch x2", "c2")]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": WAITING, "seq": 1}, *asked, said.resolved(8))
        assert run(fake, "approve", said.THREAD, "c2") == 0
        assert fake.wait_answer() == {"id": 8, "result": {"decision": "accept"}}


def test_there_may_be_nothing_to_answer(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("thread/resume", {"thread": said.thread(), "seq": 1})
        assert run(fake, "approve", said.THREAD) == 1
    assert capfd.readouterr().err == (
        f"codexctl: {said.THREAD} waits for no approval; nothing was answered\n"
    )


STATUS = {
    "pid": 4711,
    "version": "0.1.0",
    "socket": "/h/s",
    "home": "/h",
    "threads": {"loaded": 1, "total": 3, "running": 0},
    "startedAt": 1_795_226_695,
    "indexing": None,
    "attached": [],
    "keeper": 0,
    "unfinished": [],
    "configProblems": [],
    "troubles": [],
    "sandbox": "bubblewrap",
    "sandboxModes": ["read-only", "workspace-write", "danger-full-access"],
    "sandboxMissing": [],
    "unsandboxed": False,
}
OTHER = "019a0000-0000-7000-8000-000000000002"


def test_status_lists_threads_that_cannot_be_written(tmp_path: Path, capfd: Captured) -> None:
    troubles = [
        {"threadId": said.THREAD, "waits": True, "reason": "No space left on device", "mend": ""},
        {"threadId": OTHER, "waits": False, "reason": "Input/output error", "mend": "do this"},
    ]
    with FakeDaemon(tmp_path) as fake:
        fake.answer("server/status", STATUS | {"troubles": troubles})
        assert run(fake, "status") == 0
        assert capfd.readouterr().out.splitlines()[5:] == [
            f"  waiting  thread {said.THREAD} waits for space on the disk, and then continues",
            "           No space left on device",
            f"  stopped  thread {OTHER}; do this",
            "           Input/output error",
        ]
        assert run(fake, "status", "--json") == 0
    assert document(capfd)["troubles"] == troubles


@pytest.mark.parametrize(
    ("unsandboxed", "then"), [(False, "are refused"), (True, "are asked about and run without")]
)
def test_status_says_why_commands_are_not_confined(
    tmp_path: Path, capfd: Captured, unsandboxed: bool, then: str
) -> None:
    weak = {"sandbox": "landlock", "sandboxModes": ["read-only", "danger-full-access"]}
    nothing = {"sandbox": None, "sandboxModes": ["danger-full-access"]}
    more = {
        "sandboxMissing": ["Bubblewrap: the program bwrap is not installed."],
        "unsandboxed": unsandboxed,
    }
    with FakeDaemon(tmp_path) as fake:
        for found, line in ((weak, "landlock: read-only"), (nothing, "none")):
            fake.answer("server/status", STATUS | found | more)
            assert run(fake, "status") == 0
            assert capfd.readouterr().out.splitlines()[4:] == [
                f"  sandbox  {line}",
                "           Bubblewrap: the program bwrap is not installed.",
                f"           commands that cannot be confined {then}",
            ]


def test_status_says_where_telemetry_goes_and_what_became_of_it(
    tmp_path: Path, capfd: Captured
) -> None:
    logs = {"signal": "logs", "endpoint": "http://c/v1/logs", "transport": "json", "sent": 12}
    traces = {"signal": "traces", "endpoint": "http://c", "transport": "grpc", "dropped": 3}
    behind = {"waiting": 2, "problem": "it answered HTTP 503"}
    telemetry = {"signals": [logs, traces | behind], "problems": ["the header a is left out"]}
    with FakeDaemon(tmp_path) as fake:
        fake.answer("server/status", STATUS | {"telemetry": telemetry})
        assert run(fake, "status") == 0
    assert capfd.readouterr().out.splitlines()[5:] == [
        "  logs     to http://c/v1/logs: 12 sent",
        "  traces   to http://c: 0 sent, 3 refused and lost, 2 threads waiting",
        "           not sent now: it answered HTTP 503",
        "  telemetry  the header a is left out",
    ]


def test_status_says_how_the_daemon_is(tmp_path: Path, capfd: Captured) -> None:
    with FakeDaemon(tmp_path) as fake:
        fake.answer("server/status", STATUS)
        assert run(fake, "status") == 0
        assert capfd.readouterr().out == (
            "codexd 0.1.0 runs as process 4711\n"
            "  socket   /h/s\n"
            "  home     /h\n"
            "  threads  3, 1 loaded, 0 running\n"
            "  sandbox  bubblewrap: read-only, workspace-write\n"
        )
        assert run(fake, "status", "--json") == 0
    assert document(capfd) == {"schema": 1, "running": True, **STATUS}


def test_status_says_that_no_daemon_runs_and_starts_none(tmp_path: Path, capfd: Captured) -> None:
    socket = str(tmp_path / "s")
    assert main(["--socket", socket, "status"]) == 69
    assert capfd.readouterr().err == f"codexctl: no daemon is running at {socket}\n"
    assert main(["--socket", socket, "status", "--json"]) == 69
    assert document(capfd) == {"schema": 1, "running": False, "socket": socket}


def test_stopping_a_stopped_daemon_succeeds(tmp_path: Path, capfd: Captured) -> None:
    assert main(["--socket", str(tmp_path / "s"), "stop", "--json"]) == 0
    assert document(capfd) == {"schema": 1, "running": False, "stopped": None, "unfinished": []}
