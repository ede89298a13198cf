"""A client that only reads a thread sees the same as screens, also before an unfinished thread is resumed."""

from __future__ import annotations

import json

from codexd.models.scripted.scripts import Call, Say, Think
from daemon_client import Client, Json, connected
from daemon_house import Home
from daemon_screen import items_of, said_so_far, texts_of
from paused_model import Held, held_model
from trio_test import trio_test

WORDS = tuple(f"word {n} " for n in range(20))
HALF = "".join(WORDS[:9])


async def read(client: Client, thread: str) -> Json:
    answer = await client.call("thread/read", threadId=thread, includeTurns=True)
    found: Json = answer["thread"]
    return found


@trio_test
async def test_the_running_text_is_there_and_is_no_more_than_was_shown(home: Home) -> None:
    async with held_model([Held(Say(WORDS), after=9)]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as reader:
            thread = await client.start_thread()
            turn = await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            found = await read(reader, thread)
            assert texts_of(found) == ["> hello", HALF]
            assert found["turns"][0]["status"] == "inProgress"
            (item,) = [item for item in items_of(found) if item["type"] == "agentMessage"]
            (begun,) = [
                message.params["item"]
                for message in client.of("item/started")
                if message.params["item"]["type"] == "agentMessage"
            ]
            assert (item["id"], item["startedAtMs"]) == (begun["id"], begun["startedAtMs"])
            assert item["completedAtMs"] is None
            model.resume()
            await client.turn_ended(turn)
            assert texts_of(await read(reader, thread)) == ["> hello", "".join(WORDS)]


@trio_test
async def test_a_running_command_is_there_with_its_output(home: Home) -> None:
    command = "echo out; until test -e go; do sleep 0.01; done; echo more"
    call = Call("shell_command", json.dumps({"command": command}))
    async with held_model([(Think(("hm",)), call), Say(("done",))]) as model:
        home.use_model(model.base_url)
        home.start()
        async with connected(home.socket) as client, connected(home.socket) as reader:
            thread = await client.start_thread(cwd=str(home.work))
            turn = await client.start_turn(thread, "go")
            await client.until_notified("item/commandExecution/outputDelta")
            (item,) = [
                item
                for item in items_of(await read(reader, thread))
                if item["type"] == "commandExecution"
            ]
            assert item["aggregatedOutput"] == "out\n"
            assert item["status"] == "inProgress"
            home.work.joinpath("go").touch()
            await client.turn_ended(turn)
            (item,) = [
                item
                for item in items_of(await read(reader, thread))
                if item["type"] == "commandExecution"
            ]
            assert (item["aggregatedOutput"], item["status"]) == ("out\nmore\n", "completed")


@trio_test
async def test_shown_text_is_there_before_the_thread_is_resumed(home: Home) -> None:
    async with held_model([Held(Say(WORDS), after=9)]) as model:
        home.use_model(model.base_url)
        first = home.start()
        async with connected(home.socket) as client:
            thread = await client.start_thread()
            await client.start_turn(thread, "hello")
            await client.until(lambda: said_so_far(client) == HALF)
            first.kill()
        # It is left alone, as one that has stopped its daemon twice: nobody has taken it up.
        (mark,) = home.path.glob("state/unfinished/*")
        mark.write_bytes(b"xx")
        second = home.start()
        async with connected(home.socket) as reader:
            second.wait_said("is left alone")
            assert texts_of(await read(reader, thread)) == ["> hello", HALF]
