"""codexctl exec, from the arguments to the events: what a job, and the SDK that starts it, give and get."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from codexd_frontends.cli.argument import options_first
from codexd_frontends.client.passed_env import session_of_turn
from codexd_frontends.ctl import main
from codexd_frontends.exec.arguments import EXEC
from codexd_frontends.exec.events import Events

from . import said
from .fake_daemon import FakeDaemon, Json

# As the SDK starts it.
OF_SDK = (
    *("--experimental-json", "--config", 'model_provider="mock"', "--model", "m"),
    *("--sandbox", "workspace-write", "--cd", ".", "--add-dir", "more", "--skip-git-repo-check"),
    *("--config", 'model_reasoning_effort="high"'),
    *("--config", "sandbox_workspace_write.network_access=true"),
    *("--config", 'web_search="disabled"', "--config", 'approval_policy="never"'),
)
USAGE = {
    "input_tokens": 7,
    "cached_input_tokens": 1,
    "cache_write_input_tokens": 2,
    "output_tokens": 3,
    "reasoning_output_tokens": 1,
}


def events_of(*messages: Json) -> list[Any]:
    """The events of a turn, as they are written."""
    events = Events()
    made = [event for message in messages for event in events.of(said.as_message(message))]
    return [msgspec.json.decode(msgspec.json.encode(event)) for event in made]


def note(method: str, **params: object) -> Json:
    return {"method": method, "params": {"threadId": said.THREAD, "turnId": said.TURN, **params}}


def item(kind: str, **members: object) -> Json:
    return note(f"item/{kind}", item={"id": "x", **members})


def started(number: int, kind: str, **members: object) -> Json:
    return {"type": "item.started", "item": {"id": f"item_{number}", "type": kind, **members}}


def completed(number: int, kind: str, **members: object) -> Json:
    return started(number, kind, **members) | {"type": "item.completed"}


def test_the_events_of_a_turn_are_those_of_codex() -> None:
    command = {"type": "commandExecution", "command": "/bin/sh -c x"}
    whole = {"command": "/bin/sh -c x", "aggregated_output": "", "exit_code": None}
    change = {
        "type": "fileChange",
        "changes": [{"path": "/a", "kind": {"type": "add"}, "diff": ""}],
    }
    changed = {"changes": [{"path": "/a", "kind": "add"}]}
    call = {"type": "mcpToolCall", "server": "s", "tool": "t", "arguments": {"a": 1}}
    called = {"server": "s", "tool": "t", "arguments": {"a": 1}}
    answer = {
        "content": [{"type": "text", "text": "hi"}],
        "structuredContent": {"b": 2},
        "_meta": None,
    }
    told = {"content": answer["content"], "structured_content": {"b": 2}}
    search = {"type": "webSearch", "query": "q", "action": {"type": "openPage", "url": "u"}}
    assert events_of(
        note("configWarning", summary="odd", details="line 1"),
        note("warning", message="no window"),
        note("turn/started", turn=said.turn("inProgress")),
        item("completed", type="userMessage", content=[]),
        item("started", type="reasoning", summary=[]),
        item("completed", type="reasoning", summary=["one", "two"]),
        item("completed", type="reasoning", summary=[]),
        item("started", **command, status="inProgress"),
        item("completed", **command, status="failed", exitCode=2, aggregatedOutput="no\n"),
        item("started", **change, status="inProgress"),
        item("completed", **change, status="declined"),
        item("started", **call, status="inProgress"),
        item("completed", **call, status="completed", result=answer),
        item("completed", **call, status="failed", error={"message": "broken"}),
        item("completed", **search),
        item("started", type="agentMessage", text=""),
        item("completed", type="agentMessage", text="Done."),
    ) == [
        completed(0, "error", message="odd (line 1)"),
        completed(1, "error", message="no window"),
        {"type": "turn.started"},
        completed(2, "reasoning", text="one\ntwo"),
        started(3, "command_execution", **whole, status="in_progress"),
        completed(
            3,
            "command_execution",
            command="/bin/sh -c x",
            aggregated_output="no\n",
            exit_code=2,
            status="failed",
        ),
        started(4, "file_change", **changed, status="in_progress"),
        completed(4, "file_change", **changed, status="failed"),
        started(5, "mcp_tool_call", **called, result=None, error=None, status="in_progress"),
        completed(5, "mcp_tool_call", **called, result=told, error=None, status="completed"),
        completed(
            6, "mcp_tool_call", **called, result=None, error={"message": "broken"}, status="failed"
        ),
        completed(7, "web_search", query="q", action={"type": "open_page", "url": "u"}),
        completed(8, "agent_message", text="Done."),
    ]


def test_a_plan_is_a_list_that_ends_with_the_turn_and_the_usage_is_that_of_the_thread() -> None:
    half = [{"step": "a", "status": "completed"}, {"step": "b", "status": "inProgress"}]
    items = [{"text": "a", "completed": True}, {"text": "b", "completed": False}]
    total = {
        "inputTokens": 7,
        "cachedInputTokens": 1,
        "cacheWriteInputTokens": 2,
        "outputTokens": 3,
        "reasoningOutputTokens": 1,
        "totalTokens": 10,
    }
    used = note("thread/tokenUsage/updated", tokenUsage={"total": total, "last": {}})
    planned = note("turn/plan/updated", plan=half)
    updated = started(0, "todo_list", items=items) | {"type": "item.updated"}
    assert events_of(planned, planned, used, note("turn/completed", turn=said.turn())) == [
        started(0, "todo_list", items=items),
        updated,
        completed(0, "todo_list", items=items),
        {"type": "turn.completed", "usage": USAGE},
    ]


def test_a_turn_that_fails_says_each_retry_and_then_why() -> None:
    lost = {"message": "Reconnecting... 1/5", "additionalDetails": "HTTP 500"}
    failed = said.turn("failed", error={"message": "no more"})
    assert events_of(
        note("error", error=lost, willRetry=True),
        note("error", error={"message": "no more"}, willRetry=False),
        note("turn/completed", turn=failed),
    ) == [
        {"type": "error", "message": "Reconnecting... 1/5 (HTTP 500)"},
        {"type": "error", "message": "no more"},
        {"type": "turn.failed", "error": {"message": "no more"}},
    ]
    assert events_of(note("turn/completed", turn=said.turn("interrupted"))) == []


def test_the_options_of_exec_stand_anywhere() -> None:
    words = ["-c", "a=-1", "resume", "ID", "--image", "f.png", "-", "--json", "--", "-x", "--y"]
    assert options_first(words, EXEC) == [
        *("-ca=-1", "--image=f.png", "--json", "--", "resume", "ID", "-", "-x", "--y")
    ]
    assert options_first(["--json", "-o"], EXEC) == ["--json", "-o"]


def exec_on(fake: FakeDaemon, *words: str) -> int:
    return main(["--socket", fake.path, "exec", *words])


def answering(fake: FakeDaemon, *then: Json) -> None:
    """A daemon with a thread whose turn says hello."""
    fake.answer("config/read", {"config": {"sandbox_workspace_write": {"writable_roots": ["/r"]}}})
    for method in ("thread/start", "thread/resume", "thread/fork"):
        fake.answer(method, {"thread": said.thread(), "seq": 1})
    ends = then or (
        said.turn_started(seq=2),
        said.item_completed(said.agent("Hello."), seq=3),
        said.turn_completed(seq=4),
    )
    fake.answer("turn/start", {"turn": said.turn("inProgress")}, *ends)
    fake.answer("review/start", {"turn": said.turn("inProgress")}, *ends)


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory is no repository, and nothing comes on stdin."""
    (tmp_path / "w").mkdir()
    monkeypatch.chdir(tmp_path / "w")
    piped("", monkeypatch)


def piped(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_what_the_sdk_starts_begins_a_thread_of_that_kind(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    piped("say hello\n", monkeypatch)
    monkeypatch.setenv("CODEX_INTERNAL_ORIGINATOR_OVERRIDE", "codex_sdk_ts")
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        assert exec_on(fake, *OF_SDK) == 0
        assert fake.wait_for("initialize")["clientInfo"]["name"] == "codex_sdk_ts"
        begun, sent = fake.wait_for("thread/start"), fake.wait_for("turn/start")
    assert begun.pop("idempotencyKey")
    assert begun == {
        "cwd": os.getcwd(),
        "source": "exec",
        "model": "m",
        "sandbox": "workspace-write",
        "config": {
            "model_provider": "mock",
            "model_reasoning_effort": "high",
            "web_search": "disabled",
            "approval_policy": "never",
            "sandbox_workspace_write": {
                "network_access": True,
                "writable_roots": ["/r", os.path.abspath("more")],
            },
        },
    }
    assert sent["input"] == [{"type": "text", "text": "say hello\n"}]
    assert sent["interruptOnDisconnect"] is True
    out, err = capfd.readouterr()
    assert [msgspec.json.decode(line) for line in out.splitlines()] == [
        {"type": "thread.started", "thread_id": said.THREAD},
        {"type": "turn.started"},
        completed(0, "agent_message", text="Hello."),
        {"type": "turn.completed", "usage": dict.fromkeys(USAGE, 0)},
    ]
    assert err == "Reading prompt from stdin...\n"


def test_the_last_message_goes_to_stdout_and_to_a_file_and_all_else_to_stderr(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, image = tmp_path / "s.json", tmp_path / "i.png"
    schema.write_text('{"type": "object"}')
    image.write_bytes(b"\x89PNG\r\n\x1a\n")
    piped("more\nlines", monkeypatch)
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        options = ("--skip-git-repo-check", "-o", "last.txt", "--output-schema", str(schema))
        assert exec_on(fake, "say", *options, "-i", str(image), "--full-auto") == 0
        begun, sent = fake.wait_for("thread/start"), fake.wait_for("turn/start")
    assert (begun["approvalPolicy"], begun["sandbox"]) == ("never", "workspace-write")
    assert sent["outputSchema"] == {"type": "object"}
    assert sent["input"] == [
        {"type": "localImage", "path": str(image)},
        {"type": "text", "text": "say\n\n<stdin>\nmore\nlines\n</stdin>"},
    ]
    assert Path("last.txt").read_text() == "Hello."
    out, err = capfd.readouterr()
    assert out == "Hello.\n"
    assert err.startswith(f"Reading additional input from stdin...\nthread {said.THREAD}\n")


@pytest.mark.parametrize(
    ("words", "method", "expected"),
    [
        (["resume", said.THREAD, "go on"], "thread/resume", {"threadId": said.THREAD}),
        (["resume", "--last", "go on"], "thread/resume", {"threadId": said.THREAD}),
        (["fork", said.THREAD, "-m", "m", "go on"], "thread/fork", {"model": "m"}),
        (["--ephemeral", "go on"], "thread/start", {"ephemeral": True}),
        (["review", "--commit", "abc", "--title", "T"], "review/start", {
            "target": {"type": "commit", "sha": "abc", "title": "T"}
        }),
        (["review", "all of it"], "review/start", {
            "target": {"type": "custom", "instructions": "all of it"}
        }),
        (["--yolo", "go on"], "thread/start", {"sandbox": "danger-full-access"}),
    ],
)  # fmt: skip
def test_a_thread_is_begun_resumed_forked_or_reviewed(
    tmp_path: Path, words: list[str], method: str, expected: Json
) -> None:
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        fake.answer("thread/list", {"data": [said.thread()]})
        assert exec_on(fake, "--skip-git-repo-check", *words) == 0
        if "--last" in words:
            assert fake.wait_for("thread/list")["cwd"] == os.getcwd()
        asked = fake.wait_for(method)
    assert asked | expected == asked


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (["say"], 1, "expected a Git repository or a trusted directory"),
        (["--skip-git-repo-check"], 1, "no prompt came on stdin"),
        (["--skip-git-repo-check", "a", "b"], 2, "found 2 words"),
        (["--skip-git-repo-check", "resume"], 2, "expected a THREAD or --last"),
        (["--skip-git-repo-check", "--last", "say"], 2, "--last is of `exec resume`"),
        (["--skip-git-repo-check", "--output-schema", "none", "say"], 1, "cannot be read"),
        (["--skip-git-repo-check", "-c", "openai_base_url=http://x", "say"], 1, "where requests go"),
        (["--skip-git-repo-check", "--strict-config", "-c", "odd=1", "say"], 1, "odd is no setting"),
        (["--skip-git-repo-check", "--odd", "say"], 2, "unrecognized arguments: --odd"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_is_said_on_stderr_and_is_no_event(
    tmp_path: Path, words: list[str], code: int, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        assert exec_on(fake, "--json", *words) == code
        methods = {message.get("method") for message in fake.heard()}
        assert not methods & {"thread/start", "thread/resume"}
    out, err = capfd.readouterr()
    assert out == ""
    assert why in err


def test_settings_before_exec_change_nothing_of_how_an_error_is_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert main(["-c", "model=m", "exec", "--json", "--odd", "say"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "unrecognized arguments: --odd" in err


def test_a_folder_that_a_person_trusts_needs_no_repository(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        trusted = {os.getcwd(): {"trust_level": "trusted"}}
        fake.answer("config/read", {"config": {"projects": trusted}})
        assert exec_on(fake, "say") == 0
        (Path.cwd().parent / ".git").write_text("gitdir: elsewhere")
        fake.answer("config/read", {"config": {}})
        assert exec_on(fake, "say") == 0


def test_a_profile_is_read_beside_the_config_and_flags_come_before_it(tmp_path: Path) -> None:
    (tmp_path / "ci.config.toml").write_text('model = "small"\nmodel_verbosity = "low"\n')
    layer = {"name": {"type": "user", "file": str(tmp_path / "config.toml")}}
    with FakeDaemon(tmp_path) as fake:
        answering(fake)
        fake.answer("config/read", {"config": {}, "layers": [layer]})
        words = ("-p", "ci", "-c", "model_verbosity=high", "--skip-git-repo-check", "say")
        assert exec_on(fake, *words) == 0
        assert fake.wait_for("thread/start")["config"] == {
            "model": "small",
            "model_verbosity": "high",
        }


def test_nobody_is_asked_and_a_question_is_declined(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FakeDaemon(tmp_path) as fake:
        ends = (said.turn_started(seq=2), said.approval(), said.turn_completed(seq=4))
        answering(fake, *ends)
        assert exec_on(fake, "--skip-git-repo-check", "say") == 0
        assert fake.wait_answer()["result"]["decision"] == "decline"
    assert "nobody can be asked" in capfd.readouterr().err


def test_the_key_of_exec_is_for_no_other_command() -> None:
    environ = {"CODEX_API_KEY": "secret", "A_KEY": "other"}
    names = ("A_KEY", "CODEX_API_KEY")
    given = session_of_turn(names, environ)
    assert given["providerKeys"] == {"A_KEY": "other"}
    assert session_of_turn(names, environ, of_exec=True)["providerKeys"] == environ
    assert "secret" not in str(given)
