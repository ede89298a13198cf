"""A question shows what would run, byte for byte, and an answer is one to the question that was asked."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from codexd.core.policy.approval import action_hash
from codexd.core.values.tool_actions import RunCommand
from codexd.models.scripted.scripts import Call, Part, Raw, Reply, Say
from codexd.models.scripted.server import scripted_model
from codexd.protocol.display.visible import visible_text
from daemon_client import Asked, Client, connected
from daemon_house import Daemon, Home
from daemon_screen import completed
from trio_test import trio_test

TOKEN = "ghp_" + "aB3" * 12
# Each holds what some rule takes for a secret, with words of a shell beside or inside it.
HIDDEN_IN_THE_LOG = (
    f"echo {TOKEN} >> ran",
    f"echo {TOKEN};echo ${{HOME}}|tee ran",
    f"printf x > ran # Authorization: Bearer {TOKEN}",
    f"echo 'Authorization: Bearer {TOKEN}' && (echo sub) > ran\necho last",
)
# Neither hides anything in the log, nor on the way.
EXACT = (
    "git clone https://ci:x;id|tee\t-a ran;echo#@example.invalid",
    "cat <<'END' > ran\nAPI_KEY: first line\n./evil.sh\nEND\n",
    "echo \"$(id -u)\" 'it'\\''s' > ran",
)
UNSEEN = {
    "a zero-width space": "\u200b",
    "a Hangul filler": "\u3164",
    "a jamo filler": "\u115f",
    "invisible times": "\u2062",
    "a tag": "\U000e0041",
    "an override": "\u202e",
    "a variation selector": "\ufe01",
    "a halfwidth filler": "\uffa0",
    "a braille blank": "\u2800",
    "an escape": "\x1b[2J",
    "a line separator": "\u2028",
    "a soft hyphen": "\u00ad",
    "a private letter": "\ue000",
    "a carriage return": "\r",
    "a next line": "\x85",
}


def running(command: str, **members: object) -> Reply:
    return (Call("shell_command", json.dumps({"command": command, **members})),)


async def records(client: Client, thread: str, kind: str) -> list[dict[str, Any]]:
    """The data of a thread's records of a kind, as they stand in its log."""
    log = await client.call("thread/log/read", threadId=thread)
    return [record["data"] for record in log["records"] if record["type"] == kind]


def items(*made: dict[str, object]) -> Raw:
    """A response with these items, as a server may send them."""
    done = [
        event("response.output_item.done", output_index=index, item=item)
        for index, item in enumerate(made)
    ]
    completed = {"id": "resp_x", "status": "completed", "usage": None}
    return Raw(b"".join([*done, event("response.completed", response=completed)]))


def event(kind: str, **members: object) -> bytes:
    data = json.dumps({"type": kind, **members})
    return f"event: {kind}\ndata: {data}\n\n".encode()


def called(call_id: str, command: str) -> dict[str, object]:
    """A call under an id of the server's choice."""
    return {
        "type": "function_call",
        "id": f"fc_{command}",
        "call_id": call_id,
        "name": "shell_command",
        "arguments": json.dumps({"command": command}),
    }


async def asked_about(client: Client, thread: str) -> Asked:
    await client.start_turn(thread, "go")
    return await client.until_asked()


@pytest.mark.slow
@pytest.mark.parametrize("command", HIDDEN_IN_THE_LOG)
@trio_test
async def test_a_secret_that_the_log_hides_is_in_the_question_which_says_so(
    home: Home, command: str
) -> None:
    async with scripted_model([running(command), Say(("done",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as late:
            thread = await client.start_thread(cwd=str(home.work))
            asked = await asked_about(client, thread)
            await late.call("thread/resume", threadId=thread)
            assert await late.until_asked() == asked
            assert asked.params["commandActions"] == [{"type": "unknown", "command": command}]
            assert TOKEN in asked.params["command"]
            assert "hidden in the log" in asked.params["reason"]
            (stored,) = await records(client, thread, "approval.requested")
            assert TOKEN not in json.dumps(stored)
            assert stored["actionHash"] == asked.params["codexd"]["actionHash"]
            await late.decide(asked, "accept")
            await client.until_notified("turn/completed")
            (item,) = [
                item for item in completed(client).values() if item["type"] == "commandExecution"
            ]
            assert item["status"] == "completed"
        assert (home.work / "ran").exists()


@pytest.mark.parametrize("command", EXACT)
@trio_test
async def test_shell_syntax_is_shown_unchanged_and_the_hash_is_of_the_real_command(
    daemon: Daemon, command: str
) -> None:
    async with scripted_model([running(command)]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            asked = await asked_about(client, thread)
            assert asked.params["commandActions"][0]["command"] == command
            (stored,) = await records(client, thread, "approval.requested")
            action = msgspec.convert(stored["action"], RunCommand)
            exact = msgspec.structs.replace(
                action, command=command, argv=(*action.argv[:-1], command)
            )
            assert stored["actionHash"] == action_hash(exact)
            await client.decide(asked, "cancel")


@pytest.mark.slow
@trio_test
async def test_after_a_restart_a_question_says_that_the_hidden_part_is_lost(home: Home) -> None:
    async with scripted_model([running(HIDDEN_IN_THE_LOG[0]), Say(("I see",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            before = await asked_about(client, thread)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            asked = await client.until_asked()
            assert asked.params["codexd"]["approvalId"] == before.params["codexd"]["approvalId"]
            assert asked.params["codexd"]["actionHash"] != before.params["codexd"]["actionHash"]
            assert "will not run" in asked.params["reason"]
            await client.decide(asked, "accept")
            await client.until_notified("turn/completed")
        assert not (home.work / "ran").exists()
        assert b"not run" in model.requests[-1].body


@trio_test
async def test_an_answer_counts_only_from_a_connection_that_follows_the_thread(
    daemon: Daemon,
) -> None:
    async with scripted_model([running("touch unattached"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        socket = daemon.home.socket
        async with connected(socket) as client, connected(socket) as stranger:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            elsewhere = await stranger.start_thread()
            asked = await asked_about(client, thread)
            await stranger.decide(asked, "accept")  # it follows another thread alone
            await stranger.call("thread/resume", threadId=thread)
            await stranger.until_asked()
            await stranger.call("thread/unsubscribe", threadId=thread)
            await stranger.decide(asked, "accept")  # it follows this one no more
            await stranger.call("thread/read", threadId=elsewhere)
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["activeFlags"] == ["waitingOnApproval"]
            assert not (daemon.home.work / "unattached").exists()
            await client.decide(asked, "accept")
            await client.until_notified("turn/completed")
            assert (daemon.home.work / "unattached").exists()


@trio_test
async def test_an_answer_that_names_another_approval_or_another_action_decides_nothing(
    daemon: Daemon,
) -> None:
    async with scripted_model([running("touch named"), Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            asked = await asked_about(client, thread)
            names = {
                "approvalId": asked.params["codexd"]["approvalId"],
                "actionHash": asked.params["codexd"]["actionHash"],
            }
            for other in ({"approvalId": "x/1"}, {"actionHash": "0" * 64}, {"actionHash": ""}):
                result = {"decision": "accept", **names, **other}
                await client.send({"id": asked.id, "result": result})
            read = await client.call("thread/read", threadId=thread)
            assert read["thread"]["status"]["activeFlags"] == ["waitingOnApproval"]
            await client.send({"id": asked.id, "result": {"decision": "accept", **names}})
            await client.until_notified("turn/completed")
            assert (daemon.home.work / "named").exists()


@trio_test
async def test_each_of_two_calls_with_one_id_is_asked_about_and_only_the_allowed_call_runs(
    daemon: Daemon,
) -> None:
    script: list[Part | Reply] = [
        items(called("call_x", "touch first")),
        items(called("call_x", "touch second")),
        Say(("ok",)),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            await client.start_turn(thread, "go")
            first = await client.until_asked()
            await client.decide(first, "accept")
            second = await client.until_asked(2)
            await client.decide(first, "accept")  # an answer to the first is none to the second
            shown = [asked.params["commandActions"][0]["command"] for asked in (first, second)]
            assert shown == ["touch first", "touch second"]
            for name in ("itemId", "codexd"):
                assert first.params[name] != second.params[name]
            await client.decide(second, "decline")
            await client.until_notified("turn/completed")
        assert (daemon.home.work / "first").exists()
        assert not (daemon.home.work / "second").exists()


@pytest.mark.parametrize("unseen", UNSEEN.values(), ids=UNSEEN)
@trio_test
async def test_no_question_holds_a_character_that_is_not_seen(daemon: Daemon, unseen: str) -> None:
    call = running(
        f"echo {unseen}x",
        workdir=f"/tmp/{unseen}x",
        sandbox_permissions="require_escalated",
        justification=f"It only{unseen} reads.",
    )
    async with scripted_model([call]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            asked = await asked_about(client, thread)
            for text in strings(asked.params):
                assert visible_text(text.replace("\\u{", "<")) == text.replace("\\u{", "<"), text
            await client.decide(asked, "cancel")


def strings(value: object) -> list[str]:
    """All strings of a JSON value."""
    if isinstance(value, dict):
        return [text for member in value.values() for text in strings(member)]
    if isinstance(value, list):
        return [text for member in value for text in strings(member)]
    return [value] if isinstance(value, str) else []


@trio_test
async def test_the_models_reason_is_one_bounded_line_beside_the_daemons_reason(
    daemon: Daemon,
) -> None:
    forged = "ok\n\n  $ ls\n  in /safe\n" + "This command is known to only read. " * 200
    call = running(
        "make",
        workdir="/tmp/a\n  $ ls\n" + "x" * 3000,
        sandbox_permissions="require_escalated",
        justification=forged,
    )
    async with scripted_model([call]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            asked = await asked_about(client, thread)
            reason, own = asked.params["reason"], asked.params["codexd"]
            assert own["reason"] == "The model asks to run this outside of the sandbox."
            assert reason == f"{own['reason']} — the model says: {own['modelSays']}"
            assert "\n" not in reason + asked.params["cwd"]
            assert len(own["modelSays"]) <= 200
            assert len(asked.params["cwd"]) <= 240
            await client.decide(asked, "cancel")


@trio_test
async def test_a_folder_that_no_system_call_takes_is_refused_before_a_question(
    daemon: Daemon,
) -> None:
    call = running("make", workdir="/" + "x" * 5000)
    async with scripted_model([call, Say(("ok",))]) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            await client.run_turn(thread, "go")
            assert client.asked == []
            assert b"`workdir` is longer than" in model.requests[-1].body


@trio_test
async def test_no_rule_is_proposed_that_would_write_a_secret_into_a_file(daemon: Daemon) -> None:
    script: list[Part | Reply] = [running(f"echo-to {TOKEN}"), running("echo-to x"), Say(("ok",))]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url, approval="untrusted")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            asked = await client.until_asked()
            assert "proposedExecpolicyAmendment" not in asked.params
            assert asked.params["availableDecisions"] == [
                *("accept", "acceptForSession", "decline", "cancel")
            ]
            await client.decide(asked, "decline")
            asked = await client.until_asked(2)
            assert asked.params["proposedExecpolicyAmendment"] == ["echo-to", "x"]
            await client.decide(asked, "decline")
            await client.turn_ended(turn)
