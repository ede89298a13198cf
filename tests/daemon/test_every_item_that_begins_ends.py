"""Every item that begins ends, once, before its turn is completed, with what was shown of it; and what several clients see.

The points that the tests name are those at which Codex fails: an open item of an interrupted turn (14), of a retry (15),
early output that is never streamed (16), a command that its sandbox stops at once (17), an approved command that stays
inside (18), the two ids of a review (19), text so far that a late client misses (1), forks without their parent in lists
(12), title threads that cannot be read (13). Every client of the tests checks the law of items (`item_law.py`).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from tempfile import TemporaryDirectory

import pytest

from codexd.models.scripted.scripts import Break, Call, Cut, Hang, Part, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import Client, Json, connected
from daemon_house import Daemon, Home
from daemon_screen import items_of, said_so_far
from trio_test import trio_test

PATCH = "*** Begin Patch\n*** Add File: made.txt\n+hello\n*** End Patch"


def shell(line: str) -> Call:
    return Call("shell_command", json.dumps({"command": line}))


def begun_and_ended(client: Client, turn: str) -> tuple[Counter[str], Counter[str]]:
    """How many items of each kind began, and ended, in a turn."""
    begun, ended = (
        Counter(note.params["item"]["type"] for note in client.of(method, turnId=turn))
        for method in ("item/started", "item/completed")
    )
    return begun, ended


async def read_items(client: Client, thread: str) -> list[Json]:
    read = await client.call("thread/read", threadId=thread, includeTurns=True)
    return items_of(read["thread"])


@trio_test
async def test_14_an_interrupt_ends_what_is_open_and_keeps_it(daemon: Daemon) -> None:
    """A thought, an answer, a command that runs, and one that waits to be allowed; and early output is streamed (16)."""
    replies: list[Part | Reply] = [
        (Think(("hm ",)), Hang(("So ", "far"))),
        (shell("echo out1; exec sleep 900"), Hang()),
        (shell("touch asked"), Hang()),
    ]
    async with scripted_model(replies) as model:
        daemon.home.use_model(model.base_url, approval="never")
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            for awaited, policy in (
                ("item/agentMessage/delta", "never"),
                ("item/commandExecution/outputDelta", "never"),
                ("thread/status/changed", "untrusted"),
            ):
                turn = await client.start_turn(thread, "go", approvalPolicy=policy)
                if policy == "untrusted":
                    await client.until_asked()
                else:
                    await client.until_notified(awaited, times=2 if "agent" in awaited else 1)
                await client.call("turn/interrupt", threadId=thread, turnId=turn)
                assert (await client.turn_ended(turn))["status"] == "interrupted"
                begun, ended = begun_and_ended(client, turn)
                assert begun == ended
                assert ended.total() >= 2
            last = {item["type"]: item for item in await read_items(client, thread)}
            told = [note.params["item"] for note in client.of("item/completed")]
            messages = [item["text"] for item in told if item["type"] == "agentMessage"]
            commands = [item for item in told if item["type"] == "commandExecution"]
            assert messages[0] == "So far"
            assert [item["aggregatedOutput"] for item in commands] == ["out1\n", ""]
            assert [item["status"] for item in commands] == ["failed", "failed"]
            assert last.keys() == {"userMessage", "reasoning", "agentMessage", "commandExecution"}


@trio_test
async def test_15_a_retry_leaves_no_item_open(daemon: Daemon) -> None:
    """A stream that is cut, with a thought and a text; one that fails; a patch, a call that cannot be read."""
    script: list[Part | Reply] = [
        (Think(("hm ",)), Cut(("So ",))),
        Cut(("So far",)),
        Say(("whole",)),
        (Call("apply_patch", PATCH, custom=True), Call("nonsense", "{")),
        Say(("done",)),
        (Say(("not",)), Break("invalid_prompt")),
    ]
    async with scripted_model(script) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread(cwd=str(daemon.home.work))
            statuses = []
            for prompt in ("cut", "patch", "fail"):
                turn = await client.start_turn(thread, prompt)
                statuses.append((await client.turn_ended(turn))["status"])
                begun, ended = begun_and_ended(client, turn)
                assert begun == ended
            assert statuses == ["completed", "completed", "failed"]
            assert client.law.ended == len(client.of("item/started"))
            said = [item["text"] for item in await read_items(client, thread) if "text" in item]
            assert said == ["So ", "So far", "whole", "done", "not"]
            (daemon.home.work / "made.txt").unlink()


@trio_test
async def test_1_who_attaches_in_mid_answer_is_shown_the_text_so_far(daemon: Daemon) -> None:
    async with scripted_model([Hang(("So ", "far")), Say(("more",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client, connected(daemon.home.socket) as late:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "go")
            await client.until(lambda: said_so_far(client) == "So far")
            await late.call("thread/resume", threadId=thread)
            await late.until(lambda: said_so_far(late) == "So far")
            await late.call(
                "turn/steer",
                threadId=thread,
                expectedTurnId=turn,
                input=[{"type": "text", "text": "go on"}],
            )
            for peer in (client, late):
                await peer.turn_ended(turn)
                assert said_so_far(peer) == "So farmore"


@trio_test
async def test_12_and_13_forks_are_listed_with_their_parent_and_title_threads_can_be_read(
    daemon: Daemon,
) -> None:
    async with scripted_model([Say(("ok",)), Say(("A title",))]) as model:
        daemon.home.use_model(model.base_url)
        async with connected(daemon.home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "hello")
            fork = (await client.call("thread/fork", threadId=thread))["thread"]["id"]
            listed = (await client.call("thread/list"))["data"]
            parents = {entry["id"]: entry["forkedFromId"] for entry in listed}
            assert (parents[fork], parents[thread]) == (thread, None)
            title = await client.start_thread(ephemeral=True, threadSource="thread_title")
            await client.run_turn(title, "title")
            # What a terminal asks at its start, of each thread that is loaded.
            for loaded in (await client.call("thread/loaded/list"))["data"]:
                await client.call("thread/read", threadId=loaded)
                await client.call("thread/turns/list", threadId=loaded, limit=1)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox here is that of Linux")
@trio_test
async def test_17_and_18_what_a_sandbox_stops_is_shown_and_what_is_approved_runs_outside_of_it(
    daemon: Daemon,
) -> None:
    with TemporaryDirectory(dir="/var/tmp") as outside:
        escalated = json.dumps(
            {
                "command": f"touch {outside}/approved",
                "sandbox_permissions": "require_escalated",
                "justification": "May I?",
            }
        )
        script: list[Part | Reply] = [
            (shell(f"touch {outside}/stopped"),),
            Say(("ok",)),
            (Call("shell_command", escalated),),
            Say(("ok",)),
        ]
        async with scripted_model(script) as model:
            daemon.home.use_model(model.base_url)
            async with connected(daemon.home.socket) as client:
                limits = {"sandbox": "read-only", "cwd": str(daemon.home.work)}
                thread = await client.start_thread(approvalPolicy="never", **limits)
                await client.run_turn(thread, "go")
                thread = await client.start_thread(approvalPolicy="on-request", **limits)
                turn = await client.start_turn(thread, "go")
                await client.decide(await client.until_asked(), "accept")
                await client.turn_ended(turn)
                told = [note.params["item"] for note in client.of("item/completed")]
                commands = [item for item in told if item["type"] == "commandExecution"]
                assert [item["status"] for item in commands] == ["failed", "completed"]
                assert os.listdir(outside) == ["approved"]


@pytest.mark.slow
@trio_test
async def test_a_killed_daemon_leaves_no_item_open(home: Home) -> None:
    """A text and a command that are open when it dies end in the turn that goes on, and nothing begins twice."""
    script: list[Part | Reply] = [
        (shell("echo out; read x < gate"), Hang(("So ", "far"))),
        Hang(("again",)),
    ]
    async with scripted_model(script) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            await client.call("command/exec", command=["mkfifo", str(home.work / "gate")])
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            await client.until(lambda: said_so_far(client) == "So far")
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.call(
                "command/exec", command=["sh", "-c", f"echo go > {home.work / 'gate'}"]
            )
            await client.until(lambda: said_so_far(client).endswith("again"))
            await client.call("turn/interrupt", threadId=thread, turnId=turn)
            await client.turn_ended(turn)
            items = await read_items(client, thread)
            texts = [item["text"] for item in items if item["type"] == "agentMessage"]
            assert texts == ["So far", "again"]
            (command,) = [item for item in items if item["type"] == "commandExecution"]
            assert (command["aggregatedOutput"], command["status"]) == ("out\n", "completed")
