"""Secrets are in no file of the home at any time: from output, input or text that was cut short."""

from __future__ import annotations

import json

import pytest

from codexd.models.scripted.scripts import Call, Reply, Say
from codexd.models.scripted.server import scripted_model
from daemon_client import connected
from daemon_house import Home
from daemon_screen import items_of
from trio_test import trio_test

SECRET = "k3yWithoutAnythingOdd" + "42"
TOKEN = "ghp_" + "aB3" * 12
PRINTS = 'printf "%s\\n" "$MY_API_TOKEN"; cat .env; printenv MY_API_TOKEN | sed "s/Odd/Odd/"'

pytestmark = pytest.mark.slow


def running(command: str) -> Reply:
    return (Call("shell_command", json.dumps({"command": command})),)


def files_with(home: Home, *secrets: str) -> list[str]:
    """The files below the home that hold one of them."""
    found = []
    for path in home.path.rglob("*"):
        if path.is_file() and path.name != "config.toml":
            content = path.read_bytes()
            found += [str(path) for secret in secrets if secret.encode() in content]
    return found


@trio_test
async def test_secrets_in_outputs_are_in_no_file_and_on_no_screen_but_the_model_has_them(
    home: Home,
) -> None:
    home.work.joinpath(".env").write_text(f"GITHUB={TOKEN}\n")
    replies: list[Reply | Say] = [
        running(PRINTS),
        Say((f"I saw {TOKEN[:9]}", TOKEN[9:], " and that is all")),
        Say(("ok",)),
    ]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url)
        first = home.start_anew(MY_API_TOKEN=SECRET)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, f"is it {TOKEN}?")
            seen = json.dumps([message.params for message in client.notified], ensure_ascii=False)
            assert "«secret MY_API_TOKEN" in seen
            assert SECRET not in seen
            assert TOKEN not in seen
            assert files_with(home, SECRET, TOKEN) == []
            first.kill()
        assert SECRET.encode() in model.requests[1].body
        assert TOKEN.encode() in model.requests[1].body
        home.start_anew(MY_API_TOKEN=SECRET)
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            forked = await client.call("thread/fork", threadId=thread)
            await client.run_turn(forked["thread"]["id"], "and now?")
            assert SECRET.encode() not in model.requests[-1].body
            await client.call("thread/archive", threadId=thread)
            assert files_with(home, SECRET, TOKEN) == []


@trio_test
async def test_killed_while_a_command_prints_its_draft_has_no_secret(home: Home) -> None:
    command = f"printf '{TOKEN[:12]}'; sleep 0.1; echo '{TOKEN[12:]} there'; exec sleep 1000"
    async with scripted_model([running(command), Say(("I see",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            first.kill()
        assert files_with(home, TOKEN) == []
        assert any(home.path.rglob("*output*"))


@trio_test
async def test_a_large_output_is_a_clean_blob(home: Home) -> None:
    command = 'i=0; while [ $i -lt 3000 ]; do echo "$i some words $MY_API_TOKEN"; i=$((i+1)); done'
    async with scripted_model([running(command), Say(("ok",))]) as model:
        home.use_model(model.base_url)
        home.start_anew(MY_API_TOKEN=SECRET)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "go")
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
        (item,) = [item for item in items_of(found["thread"]) if item["type"] == "commandExecution"]
        assert "«secret MY_API_TOKEN" in item["aggregatedOutput"]
        (blob,) = [path for path in home.path.rglob("blobs/*/*") if path.is_file()]
        assert blob.read_bytes().count("«secret MY_API_TOKEN".encode()) == 3000
        assert files_with(home, SECRET) == []


@trio_test
async def test_a_question_that_waited_through_a_restart_does_not_run_a_placeholder(
    home: Home,
) -> None:
    command = f"echo {TOKEN} >> ran"
    async with scripted_model([running(command), Say(("I see",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until_asked()
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            asked = await client.until_asked()
            await client.decide(asked, "accept")
            await client.turn_ended(turn)
        assert b"not run: the call holds" in model.requests[1].body
        assert not home.work.joinpath("ran").exists()


@trio_test
async def test_without_a_restart_the_command_runs_as_the_model_wrote_it(home: Home) -> None:
    async with scripted_model([running(f"echo {TOKEN} > ran"), Say(("done",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            asked = await client.until_asked()
            assert TOKEN in asked.params["command"]
            assert "hidden in the log" in asked.params["reason"]
            await client.decide(asked, "accept")
            await client.turn_ended(turn)
        assert home.work.joinpath("ran").read_text() == f"{TOKEN}\n"


@trio_test
async def test_switched_off_the_log_has_everything(home: Home) -> None:
    async with scripted_model([Say(("ok",))]) as model:
        home.use_model(model.base_url, more="[redaction]\nenabled = false\n")
        home.start()
        async with connected(home.socket) as client:
            await client.run_turn(await client.start_thread(cwd=str(home.work)), TOKEN)
        assert files_with(home, TOKEN) != []


@trio_test
async def test_scrubbing_removes_stored_secrets(home: Home) -> None:
    command = f'i=0; while [ $i -lt 3000 ]; do echo "$i some words {TOKEN}"; i=$((i+1)); done'
    replies: list[Reply | Say] = [
        running(command),
        Say((f"it is {TOKEN}",)),
        Say(("ok",)),
        Say(("on",)),
    ]
    async with scripted_model(replies) as model:
        home.use_model(model.base_url, more="[redaction]\nenabled = false\n")
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "go")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            await client.run_turn(fork, f"also {TOKEN}")
            await client.call("thread/archive", threadId=fork)
            dry = await client.call("thread/scrub", threadId=thread, known=True, dryRun=True)
            assert [changed["threadId"] for changed in dry["threads"]] == [thread, fork]
            assert [changed["archived"] for changed in dry["threads"]] == [False, True]
            assert dry["blobs"] == 1
            assert files_with(home, TOKEN) != []
            done = await client.call("thread/scrub", threadId=thread, known=True)
            assert done["threads"] == dry["threads"]
            assert done["blobsLeft"] == 0
            await client.run_turn(thread, "on")
            assert TOKEN.encode() not in model.requests[-1].body
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert TOKEN not in json.dumps(found)
        first.stop()
        home.start()
        async with connected(home.socket) as client:
            found = await client.call("thread/read", threadId=fork, includeTurns=True)
            assert len(found["thread"]["turns"]) == 2
        assert files_with(home, TOKEN) == []


@trio_test
async def test_records_can_be_named_and_running_threads_are_refused(home: Home) -> None:
    async with scripted_model([Say(("a secret answer",)), running("sleep 1000")]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "a secret question")
            log = await client.call("thread/log/read", threadId=thread)
            named = [
                record["seq"]
                for record in log["records"]
                if record["type"] in ("input.queued", "model.item_completed")
            ]
            await client.call("thread/scrub", threadId=thread, seqs=named)
            found = await client.call("thread/read", threadId=thread, includeTurns=True)
            assert "a secret" not in json.dumps(found)
            assert len(items_of(found["thread"])) == 2
            refusal = await client.refused("thread/scrub", threadId=thread, patterns=["(", "x"])
            assert "regular expression" in refusal.message
            for slow in ("(a+)+$", "a+b", "(x{1,9}){1,9}y"):
                refusal = await client.refused("thread/scrub", threadId=thread, patterns=[slow])
                assert "nothing was scrubbed" in refusal.message
            refusal = await client.refused("thread/scrub", threadId=thread)
            assert "found none" in refusal.message
            await client.start_turn(thread, "run")
            await client.until_notified("item/started", times=3)
            refusal = await client.refused("thread/scrub", threadId=thread, patterns=["secret"])
            assert refusal.data["code"] == "turn_in_progress"
