"""The daemon is killed with SIGKILL at the worst moments. Nothing acknowledged is lost, nothing runs twice."""

from __future__ import annotations

import json
import random

from codexd.models.scripted.scripts import Call, Reply, Say, Think
from codexd.models.scripted.server import scripted_model
from daemon_client import CURSOR, Client, Json, connected
from daemon_house import Home, is_gone, wait_gone
from daemon_screen import answers, items_of, said_so_far, texts_of
from paused_model import Held, Script, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n} " for n in range(20))
HALF = "".join(WORDS[:9])


def running(command: str) -> Reply:
    return (Call("shell_command", f'{{"command":"{command}"}}'),)


async def read(client: Client, thread: str) -> Json:
    """The thread, whole."""
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    found: Json = answer["thread"]
    return found


@trio_test
async def test_killed_in_mid_answer_it_keeps_the_shown_text_and_finishes_the_turn(
    home: Home,
) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("again", " whole"))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
            found = await read(client, thread)
            assert [turn["id"] for turn in found["turns"]] == [turn]
            assert found["turns"][0]["status"] == "completed"
            assert texts_of(found) == ["> hello", HALF, "again whole"]
            assert model.bodies[1] == model.bodies[0]  # the same request, byte for byte


@trio_test
async def test_a_client_that_resumes_with_a_cursor_after_a_crash_sees_the_item_closed(
    home: Home,
) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("again",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket, codexd=CURSOR) as before:
            thread = await before.start_thread()
            turn = await before.start_turn(thread, "hello")
            await before.until(lambda: said_so_far(before) == HALF)
            first.kill()
        (item,) = {message.params["itemId"] for message in before.of("item/agentMessage/delta")}
        home.start()
        async with connected(home.socket, codexd=CURSOR) as client:
            client.notified += before.notified
            after = {"seq": before.seq, "items": {item: len(HALF)}}
            await client.call("thread/resume", threadId=thread, after=after)
            await client.turn_ended(turn)
            assert answers(client) == [HALF, "again"]


@trio_test
async def test_with_on_restart_interrupt_the_cut_turn_is_interrupted(home: Home) -> None:
    async with held_model([Held(Say(WORDS), after=9), Say(("next",))]) as model:
        home.use_model(model.base_url, more='on_restart = "interrupt"')
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            found = await read(client, thread)
            assert found["turns"][0]["status"] == "interrupted"
            assert texts_of(found) == ["> hello", HALF]
            await client.run_turn(thread, "on")
            assert texts_of(await read(client, thread)) == ["> hello", HALF, "> on", "next"]


@trio_test
async def test_killed_with_its_keeper_in_a_command_it_does_not_run_it_again_and_ends_its_processes(
    home: Home,
) -> None:
    command = "echo ran >> ran; echo pid $$; exec sleep 1000"
    async with scripted_model([running(command), Say(("I see",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            note = await client.until_notified("item/commandExecution/outputDelta")
            pid = int(note.params["delta"].split()[1])
            first.kill()
        home.kill_keeper()
        assert not is_gone(pid)
        home.start()
        await wait_gone(pid)
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turn)
            found = await read(client, thread)
            assert found["turns"][0]["status"] == "completed"
            (item,) = [item for item in items_of(found) if item["type"] == "commandExecution"]
            assert item["status"] == "failed"
            assert item["aggregatedOutput"] == f"pid {pid}\n"
            assert texts_of(found) == ["> go", "I see"]
            assert b"interrupted by a restart" in model.requests[1].body
        assert home.work.joinpath("ran").read_text() == "ran\n"
        assert not list(home.path.glob("state/processes/*"))


@trio_test
async def test_killed_while_a_question_waits_it_asks_again_and_runs_the_command_once(
    home: Home,
) -> None:
    async with scripted_model([running("echo ran >> ran"), Say(("done",))]) as model:
        home.use_model(model.base_url, approval="untrusted")
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            old = await client.until_asked()
            first.kill()
        second = home.start()
        async with connected(home.socket) as client:
            found = await read(client, thread)
            assert found["turns"][0]["status"] == "inProgress"
            await client.call("thread/resume", threadId=thread)
            asked = await client.until_asked()
            assert asked.params["itemId"] == old.params["itemId"]
            second.kill()
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            asked = await client.until_asked()
            assert asked.id != old.id
            await client.decide(old, "decline")  # meant for the daemon that died
            await client.decide(asked, "accept")
            assert (await client.turn_ended(turn))["status"] == "completed"
            assert len(client.asked) == 1
        assert home.work.joinpath("ran").read_text() == "ran\n"


@trio_test
async def test_queued_input_is_still_queued_and_runs(home: Home) -> None:
    replies: Script = [Held(Say(WORDS), after=9), Say(("one",)), Say(("two",)), Say(("three",))]
    async with held_model(replies) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turns = [await client.start_turn(thread, text) for text in ("a", "b", "c")]
            await client.until(lambda: said_so_far(client) == HALF)
            first.kill()
        home.start()
        await model.wait_asked(4)
        async with connected(home.socket) as client:
            resumed = await client.call("thread/resume", threadId=thread)
            if resumed["thread"]["status"]["type"] == "active":
                await client.turn_ended(turns[2])
            found = await read(client, thread)
            assert [(turn["id"], turn["status"]) for turn in found["turns"]] == [
                (turn, "completed") for turn in turns
            ]
            assert texts_of(found) == ["> a", HALF, "one", "> b", "two", "> c", "three"]


@trio_test
async def test_a_repeated_key_starts_one_turn_also_after_a_crash(home: Home) -> None:
    async with scripted_model([Say(("one",)), Say(("two",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello", idempotencyKey="k")
            await client.turn_ended(turn)
            first.kill()
        home.start()
        async with connected(home.socket) as client:
            assert await client.start_turn(thread, "hello", idempotencyKey="k") == turn
            assert len((await read(client, thread))["turns"]) == 1
            assert await client.start_turn(thread, "hello", idempotencyKey="l") != turn


@trio_test
async def test_a_torn_last_line_is_cut_off_and_reported_and_the_thread_continues(
    home: Home,
) -> None:
    async with scripted_model([Say(("one",)), Say(("two",))]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.run_turn(thread, "a")
            first.kill()
        (log,) = home.logs()
        log.write_bytes(log.read_bytes() + b'{"seq":99,"at":"2026-')
        home.start()
        async with connected(home.socket) as client:
            await client.call("thread/resume", threadId=thread)
            await client.run_turn(thread, "b")
            assert texts_of(await read(client, thread)) == ["> a", "one", "> b", "two"]
        assert b'"log.repaired"' in log.read_bytes()


@trio_test
async def test_killed_at_any_moment_nothing_shown_is_lost_and_nothing_done_twice(
    home: Home,
) -> None:
    chance = random.Random(0)
    daemon = home.start()
    acknowledged: list[str] = []
    async with scripted_model(busy(), gap_seconds=0.0005) as model:
        home.use_model(model.base_url)
        async with connected(home.socket) as client:
            thread = await client.start_thread()
        for _ in range(4):
            # In all there are some ninety messages; after this many of them it dies.
            heard_before_death = chance.randrange(1, 85)
            async with connected(home.socket) as client:
                await client.call("thread/resume", threadId=thread, excludeTurns=True)
                for _ in range(3):
                    prompt = f"turn {len(acknowledged)}"
                    acknowledged.append(await client.start_turn(thread, prompt))
                await client.until(lambda c=client, n=heard_before_death: len(c.notified) >= n)  # type: ignore[misc]
                daemon.kill()
            daemon = home.start()
            found = await when_done(home, thread, acknowledged)
            assert [turn["id"] for turn in found["turns"]] == acknowledged
            assert {turn["status"] for turn in found["turns"]} == {"completed"}
            assert [text for text in texts_of(found) if text.startswith("> ")] == [
                f"> turn {n}" for n in range(len(acknowledged))
            ]
            nothing_shown_is_gone(client, found)
    ran = home.work.joinpath("ran")
    lines = ran.read_text().splitlines() if ran.exists() else []
    assert len(lines) == len(set(lines))
    (log,) = home.logs()
    records = [json.loads(line) for line in log.read_bytes().splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))


async def when_done(home: Home, thread: str, turns: list[str]) -> Json:
    """The thread, once the last of its turns has ended by itself."""
    async with connected(home.socket) as client:
        resumed = await client.call("thread/resume", threadId=thread)
        known = resumed["thread"]["turns"]
        if [item["id"] for item in known] != turns or known[-1]["status"] == "inProgress":
            await client.turn_ended(turns[-1])
        return await read(client, thread)


def busy() -> list[Reply]:
    """Three turns of thinking, talking and two commands each; and then the same again for retries."""
    number = iter(range(10_000))

    def turn() -> list[Reply]:
        return [
            (Think(("a ", "b ", "c ")), Say(WORDS[:5]), *running(f"echo {next(number)} >> ran")),
            running(f"echo {next(number)} >> ran; echo some output"),
            (Say(WORDS[:8]),),
        ]

    return [reply for _ in range(100) for reply in turn()]


def nothing_shown_is_gone(client: Client, found: Json) -> None:
    """Every text that the screen had begun to show stands in the thread, as far as it was shown."""
    kept = {item["id"]: item for item in items_of(found)}
    shown: dict[str, str] = {}
    for note in client.of("item/agentMessage/delta"):
        shown[note.params["itemId"]] = shown.get(note.params["itemId"], "") + note.params["delta"]
    for item_id, text in shown.items():
        assert kept[item_id]["text"].startswith(text)
    for message in client.of("item/completed"):
        item = message.params["item"]
        assert kept[item["id"]] == item
